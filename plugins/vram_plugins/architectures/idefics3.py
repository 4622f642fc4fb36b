"""Idefics3 and SmolVLM: a NaViT tower, pixel shuffle, one projection, Llama.

Source: vLLM 0.32.0 `idefics3.py`, `smolvlm.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.towers import dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import navit_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import own_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

#: 4 × 4 crops and the overview: the processors' longest edge is four crops
_CROPS = 17


class Idefics3(ArchitectureAdapter):
    """Idefics3 or SmolVLM. vLLM refuses pipeline parallelism for them."""

    def __init__(self, architecture: str, vision_type: str) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.vision_type = vision_type

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = own_section(config.sub("text_config") or config, "llama")
        text = text_spec(section, config, context, architecture="LlamaForCausalLM")
        vision = vision_section(config, self.vision_type)
        shape = vision_shape(vision)
        factor = config.integer("scale_factor", default=2)
        modules = [
            *navit_tower(vision, "model.vision_model."),
            dense("model.connector.modality_projection.proj", shape.width * factor**2, text.hidden_size, bias=False),
        ]
        per_crop = shape.grid**2 // factor**2
        image = image_encoder(shape, tokens=per_crop * _CROPS, patches=shape.grid**2, images=_CROPS)
        return multimodal(text, config, modules=modules, encoders=(image,), inside="model.text_model.")


def adapters() -> Iterable[ArchitectureAdapter]:
    """Idefics3, SmolVLM."""
    return [
        Idefics3("Idefics3ForConditionalGeneration", "idefics3_vision"),
        Idefics3("SmolVLMForConditionalGeneration", "smolvlm_vision"),
    ]
