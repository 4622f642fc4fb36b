"""GLM-4.1V, GLM-4.5V/4.6V and GLM-OCR: GLM's ViT with a strided convolution and a gated merger.

Sources: vLLM 0.32.0 `glm4_1v.py`, `glm_ocr.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.items import most_pixels
from vram.architecture.towers import convolution, dense, multimodal, position_ids
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import GATED_NAMES, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.qwen_towers import tower_rope
from vram_plugins.architectures.vision import image_encoder, vision_section

_RENAMES = (
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
    ("model.visual.", "visual."),
)
#: under a quantization vLLM calls the fused projection as GLM-4.5V-FP8's ignore list does
_QUANTIZED_NAMES = evolve(GATED_NAMES, qkv="attn.qkv_proj", qkv_parts=("attn.q_proj", "attn.k_proj", "attn.v_proj"))
#: longest_edge of the published preprocessors, in pixels of two frames
_IMAGE_PIXELS = 9633792


def _tower(
    vision: ModelConfig, shape: Shape, *, out: int, context: int, ocr: bool, quantized: bool
) -> tuple[Module, ...]:
    merge = vision.integer("spatial_merge_size", default=2)
    frames = vision.integer("temporal_patch_size", default=2)
    head_dim = shape.width // shape.heads
    modules = [
        convolution("visual.patch_embed.proj", shape.width, shape.channels, frames, shape.patch_size, shape.patch_size),
        *blocks(
            "visual.blocks",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width if ocr else out,
            names=_QUANTIZED_NAMES if quantized else GATED_NAMES,
            qkv_bias=ocr,
            out_bias=ocr,
            mlp_bias=ocr,
            gated=True,
            norm_bias=False,
            qk_norm=2 * head_dim if ocr else 0,
        ),
        norm("visual.post_layernorm", shape.width),
        convolution("visual.downsample", out, shape.width, merge, merge),
        dense("visual.merger.proj", out, out, parallel="column", bias=False),
        norm("visual.merger.post_projection_norm", out, bias=True),
        Linear(
            name="visual.merger.gate_up_proj",
            inputs=out,
            outputs=(Split(size=context), Split(size=context)),
            sources=("visual.merger.gate_proj", "visual.merger.up_proj"),
        ),
        dense("visual.merger.down_proj", context, out, parallel="row", bias=False),
        tower_rope(head_dim),
    ]
    if not ocr:
        modules += [
            norm("visual.post_conv_layernorm", shape.width),
            Tensor(name="visual.embeddings.position_embedding", shape=(shape.grid**2, shape.width)),
            position_ids("visual.embeddings.position_ids", shape.grid**2),
        ]
    return tuple(modules)


class Glm4V(ArchitectureAdapter):
    """One of GLM's vision-language models."""

    def __init__(self, architecture: str, text_architecture: str, vision_type: str, text_type: str) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.text_architecture = text_architecture
        self.vision_type = vision_type
        self.text_type = text_type

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type=self.text_type, tied=False, text_ties=True)
        section = filled(section, {"attention_bias": False})
        if not section.has("head_dim"):  # unlike GLM-4 alone, which has 128 whatever its width
            heads = section.integer("num_attention_heads")
            section = filled(section, {"head_dim": section.integer("hidden_size") // heads})
        text = text_spec(section, config, context, architecture=self.text_architecture)
        vision = vision_section(config, self.vision_type)
        shape = vision_shape(vision)
        out = vision.integer("out_hidden_size")
        ocr = self.vision_type == "glm_ocr_vision"
        inner = section.integer("intermediate_size") if ocr else shape.mlp_width
        merge = vision.integer("spatial_merge_size", default=2)
        tokens = most_pixels(context.items, _IMAGE_PIXELS) // (2 * (shape.patch_size * merge) ** 2)
        image = image_encoder(shape, tokens=tokens, patches=tokens * merge * merge, output_width=out, gated=True)
        modules = _tower(vision, shape, out=out, context=inner, ocr=ocr, quantized=bool(context.quantization))
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            renames=_RENAMES,
            modalities=("image", "video"),
            data_parallel=True,
        )


def adapters() -> Iterable[ArchitectureAdapter]:
    """GLM-4.1V, GLM-4.5V, GLM-OCR."""
    return [
        Glm4V("Glm4vForConditionalGeneration", "Glm4ForCausalLM", "glm4v_vision", "glm4v_text"),
        Glm4V("Glm4vMoeForConditionalGeneration", "Glm4MoeForCausalLM", "glm4v_vision", "glm4v_moe_text"),
        Glm4V("GlmOcrForConditionalGeneration", "Glm4ForCausalLM", "glm_ocr_vision", "glm_ocr_text"),
    ]
