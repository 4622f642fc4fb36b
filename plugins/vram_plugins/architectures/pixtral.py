"""Pixtral in Mistral's own form: its ViT, an optional merger of patches, an adapter of two linears.

Source: vLLM 0.33.0 `pixtral.py`; `llava.py` describes the form of Hugging Face.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.native_towers import PIXTRAL_NAMES
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vit import blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_MERGES = "patch_merge"


class Pixtral(ArchitectureAdapter):
    """Pixtral 12B, and what Mistral published in its own form since."""

    name = "PixtralForConditionalGeneration"
    architectures = ("PixtralForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="mistral"), config, context)
        vision = vision_section(config, "pixtral")
        shape = vision_shape(vision)
        width, hidden, at = shape.width, text.hidden_size, "vision_encoder."
        bias = vision.flag("adapter_bias", default=True)
        modules: list[Module] = [
            convolution(f"{at}patch_conv", width, shape.channels, shape.patch_size, shape.patch_size, bias=False),
            norm(f"{at}ln_pre", width),
            *blocks(
                f"{at}transformer.layers",
                count=shape.layers,
                width=width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=PIXTRAL_NAMES,
                qkv_bias=False,
                out_bias=False,
                mlp_bias=False,
                gated=True,
                norm_bias=False,
                quantizable=False,
            ),
            dense("vision_language_adapter.w_in", width, hidden, bias=bias, quantizable=False),
            dense("vision_language_adapter.w_out", hidden, hidden, bias=bias, quantizable=False),
        ]
        merged = 1
        if vision.flag("add_pre_mm_projector_layer_norm"):
            modules.append(norm("pre_mm_projector_norm", width))
        if vision.string("mm_projector_id") == _MERGES:
            merged = vision.integer("spatial_merge_size", default=1) ** 2
            modules.append(dense("patch_merger.merging_layer", width * merged, width, bias=False, quantizable=False))
        patches = (vision.integer("max_image_size", default=shape.image_size) // shape.patch_size) ** 2
        image = image_encoder(shape, tokens=max(patches // merged, 1), patches=patches, gated=True)
        return multimodal(text, config, modules=modules, encoders=(image,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Pixtral."""
    return [Pixtral()]
