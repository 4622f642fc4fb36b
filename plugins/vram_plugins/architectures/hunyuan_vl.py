"""HunYuan-VL (HunYuan-OCR): transformers' own class, which vLLM runs; its tower is whole on every rank.

Sources: vLLM 0.33.0 `models/transformers/multimodal.py`; transformers 5.19 `models/hunyuan_vl`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

_TEXT = {
    "vocab_size": 290943,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
}
_VISION = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 16,
    "max_image_size": 2048,
    "spatial_merge_size": 2,
    "text_hidden_size": 4096,
}
_NAMES = BlockNames(
    qkv="self_attn.qkv_proj",
    qkv_parts=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    out="self_attn.o_proj",
)


class HunYuanVL(ArchitectureAdapter):
    """HunYuan's dense decoder on transformers' class."""

    name = "HunYuanVLForConditionalGeneration"
    architectures = ("HunYuanVLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = filled(text_section(config, model_type="hunyuan_vl_text", tied=True), _TEXT)
        if not section.has("head_dim") and not section.has("attention_head_dim"):
            raise section.error("head_dim", "is missing, without which transformers' class is not made")
        text = text_spec(section, config, context, architecture="HunYuanDenseV1ForCausalLM")
        given = optional_section(config, "vision_config")
        vision = filled(given, _VISION)
        shape = vision_shape(vision)
        merge = vision.integer("spatial_merge_size")
        grid = vision.integer("max_image_size") // shape.patch_size
        patches = min(grid**2, vision.integer("max_vit_seq_len", default=grid**2))
        rows, hidden = grid // merge, vision.integer("text_hidden_size")
        # a row of embeddings has its own end, the image a beginning and an end
        image = image_encoder(shape, tokens=rows * (rows + 1) + 2, patches=patches, tensor_parallel=False)
        tower = _tower(shape, "model.vision_tower.", positions=grid**2 + 1, merge=merge, hidden=hidden)
        return multimodal(text, config, modules=tower, encoders=(image,), inside="model.language_model.")


def _tower(shape: Shape, at: str, *, positions: int, merge: int, hidden: int) -> tuple[Module, ...]:
    width, merger = shape.width, f"{at}patch_merger."
    return (
        convolution(f"{at}embeddings.patch_embedding", width, shape.channels, shape.patch_size, shape.patch_size),
        Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, width)),
        *blocks(
            f"{at}layers",
            count=shape.layers,
            width=width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=_NAMES,
            sharded=False,
        ),
        norm(f"{merger}before_rms", width),
        convolution(f"{merger}proj_conv", 2 * width, width, merge, merge),
        convolution(f"{merger}proj_out", 4 * width, 2 * width),
        dense(f"{merger}mlp", 4 * width, hidden),
        Tensor(name=f"{merger}image_newline", shape=(4 * width,)),
        Tensor(name=f"{merger}image_marks", shape=(3, hidden)),
        norm(f"{merger}after_rms", hidden),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """HunYuan-VL."""
    return [HunYuanVL()]
