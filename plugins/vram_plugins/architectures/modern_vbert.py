"""ModernVBERT for late interaction: ModernBERT that reads SigLIP's patches, one vector per token.

Source: vLLM 0.33.0 `colmodernvbert.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.reading import overridden
from vram.architecture.towers import convolution, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import siglip_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.rope_bert import ModernBert
from vram_plugins.architectures.vision import image_encoder, vision_section

_EMBEDDING = 128
_CROPS = 17  # 4 × 4 crops and the overview, as in Idefics3


class ModernVBert(ArchitectureAdapter):
    """The retrieval model, also under the name that transformers gives checkpoints without one."""

    name = "ModernVBertModel"
    architectures = ("ModernVBertModel", "ColModernVBertForRetrieval")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        inner = config.sub("vlm_config") or config
        section = overridden(
            inner.text(), architectures=["ModernBertModel"], dtype=config.string("dtype", "torch_dtype")
        )
        text = ModernBert().build(section, context)
        vision = vision_section(inner, "siglip_vision_model")
        shape = vision_shape(vision)
        factor = inner.integer("pixel_shuffle_factor", default=4)
        modules = [
            *siglip_tower(vision, "vision_model."),
            convolution("connector.proj", text.hidden_size, shape.width * factor**2, bias=False),
        ]
        tokens = shape.grid**2 // factor**2 * _CROPS
        image = image_encoder(shape, tokens=max(tokens, 1), patches=shape.grid**2, images=_CROPS)
        spec = multimodal(text, config, modules=modules, encoders=(image,))
        width = config.integer("embedding_dim", default=_EMBEDDING)
        head = Tensor(name="custom_text_proj", shape=(width, text.hidden_size + 1), dtype="float32")
        return evolve(spec, placed=(*spec.placed, Placed(module=head, stage="every")))


def adapters() -> Iterable[ArchitectureAdapter]:
    """ModernVBERT."""
    return [ModernVBert()]
