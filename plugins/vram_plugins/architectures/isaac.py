"""Isaac (Perceptron): SigLIP 2 over packed patches, pixels shuffled together, two linears without biases, Qwen3.

Sources: vLLM 0.33.0 `isaac.py`, `transformers_utils/configs/isaac.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section, overridden
from vram.architecture.towers import dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import CLIP_NAMES, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

#: transformers' `Siglip2VisionConfig`, which Isaac's vision section is
_SIGLIP2 = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 16,
}
_RENAMES = (
    ("model.text_model.lm_head.", "language_model.lm_head."),
    ("model.text_model.", "language_model.model."),
    ("model.vision_embedding.0.", "vision_embedding.transformer."),
    ("model.vision_embedding.1.", "vision_embedding.linear_fc1."),
    ("model.vision_embedding.3.", "vision_embedding.linear_fc2."),
    ("model.vision_embedding.", "vision_embedding."),
    ("model.lm_head.", "language_model.lm_head."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


class Isaac(ArchitectureAdapter):
    """Text positions are multimodal ones whatever the config says (`calculated_mrope_section`)."""

    name = "IsaacForConditionalGeneration"
    architectures = ("IsaacForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(_multimodal_positions(config), config, context, architecture="Qwen3ForCausalLM")
        section = optional_section(config, "vision_config")
        vision = filled(section, _SIGLIP2)
        shape = vision_shape(vision)
        positions = vision.integer("num_patches", default=256)
        factor = vision.integer("pixel_shuffle_scale_factor", default=1)
        merged = shape.width * factor**2
        at = "vision_embedding."
        modules = (
            *_tower(shape, f"{at}transformer.", positions),
            dense(f"{at}linear_fc1", merged, 4 * merged, parallel="column", bias=False),
            dense(f"{at}linear_fc2", 4 * merged, text.hidden_size, parallel="row", bias=False),
        )
        patches = max(config.integer("vision_max_num_patches", default=256), positions)
        image = image_encoder(shape, tokens=max(patches // factor**2, 1), patches=patches)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES, data_parallel=True)


def _multimodal_positions(config: ModelConfig) -> ModelConfig:
    section = text_section(config, model_type="qwen3", tied=False)
    block = section.sub("rope_parameters") or section.sub("rope_scaling")
    raw = block.raw if block else {"rope_type": "default"}
    return overridden(section, rope_parameters={**raw, "mrope_section": [2, 1, 1]}, rope_scaling=None)


def _tower(shape: Shape, at: str, positions: int) -> tuple[Module, ...]:
    takes_scheme = not (shape.width % 64 or shape.mlp_width % 64)  # `SiglipMLP`
    return (
        dense(f"{at}embeddings.patch_embedding", shape.channels * shape.patch_size**2, shape.width, quantizable=False),
        Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, shape.width)),
        *blocks(
            f"{at}encoder.layers",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=CLIP_NAMES,
            mlp_quantizable=takes_scheme,
        ),
        norm(f"{at}post_layernorm", shape.width, bias=True),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Isaac."""
    return [Isaac()]
