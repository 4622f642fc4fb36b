"""Mistral 3 (Mistral Small 3.1 and later) and LightOnOCR: Pixtral's tower, merged patches, any language model.

Sources: vLLM 0.32.0 `mistral3.py`, `lightonocr.py`, `pixtral.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.native_towers import pixtral_tower
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import feature_layers, vision_shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_RENAMES = {
    "Mistral3ForConditionalGeneration": (
        ("model.language_model.", "language_model.model."),
        ("model.vision_tower.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        ("lm_head.", "language_model.lm_head."),
        ("model.", "language_model.model."),
    ),
    "LightOnOCRForConditionalGeneration": (
        ("model.vision_encoder.", "vision_tower."),
        ("model.vision_projection.", "multi_modal_projector."),
        ("lm_head.", "language_model.lm_head."),
        ("model.language_model.", "language_model.model."),
    ),
}


def projector(width: int, hidden: int, merge: int, *, bias: bool) -> tuple[Module, ...]:
    """A norm, a merger of merge × merge patches that torch holds whole, and two parallel linears."""
    at = "multi_modal_projector."
    return (
        norm(f"{at}norm", width),
        convolution(f"{at}patch_merger.merging_layer", width, width * merge * merge, bias=False),
        dense(f"{at}linear_1", width, hidden, parallel="column", bias=bias),
        dense(f"{at}linear_2", hidden, hidden, parallel="row", bias=bias),
    )


class Mistral3(ArchitectureAdapter):
    """A Pixtral tower and a language model; embeddings are tied unless the outer config says otherwise."""

    def __init__(self, architecture: str, text_type: str) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.text_type = text_type

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type=self.text_type, tied=True)
        text = text_spec(section, config, context)
        vision = vision_section(config, "pixtral")
        shape = vision_shape(vision)
        merge = config.integer("spatial_merge_size", default=2)
        built = feature_layers(config, shape.layers, default=-1)
        modules = [
            *pixtral_tower(vision, "vision_tower.", layers=built),
            *projector(shape.width, text.hidden_size, merge, bias=config.flag("multimodal_projector_bias")),
        ]
        side = ceil_div(shape.image_size, shape.patch_size * merge)
        image = image_encoder(shape, tokens=side * side, patches=(side * merge) ** 2, gated=True)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES[self.name])


def adapters() -> Iterable[ArchitectureAdapter]:
    """Mistral 3, LightOnOCR."""
    return [
        Mistral3("Mistral3ForConditionalGeneration", "mistral"),
        Mistral3("LightOnOCRForConditionalGeneration", "qwen3"),
    ]
