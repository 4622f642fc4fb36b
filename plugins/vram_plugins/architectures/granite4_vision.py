"""Granite Vision 4 and LLaVA-OneVision 2.

Sources: vLLM 0.33.0 `granite4_vision.py`, `llava_onevision2.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.items import most_pixels
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import siglip_tower
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.blip2 import qformer
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_OFFSETS = 4  # spatial projectors: one for each place of a 2 × 2 block
_CROPS = 10 + 1
_ONEVISION_PIXELS = 4096 * 28 * 28  # the published processor's largest image
_NAMES = BlockNames(qkv="self_attn.qkv", out="self_attn.proj")


class Granite4Vision(ArchitectureAdapter):
    """Granite Vision 4: SigLIP's layers go through Q-Formers into layers of the language model."""

    name = "Granite4VisionForConditionalGeneration"
    architectures = ("Granite4VisionForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="granite"), config, context, architecture="GraniteForCausalLM")
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        queries, window = _sides(config)
        levels = len(config.items("deepstack_layer_map"))
        modules: list[Module] = [
            *siglip_tower(vision, "vision_tower.", post_norm=False),
            Tensor(name="image_newline", shape=(text.hidden_size,)),
        ]
        for name, count in (("layerwise_projectors", levels), ("spatial_projectors", _OFFSETS)):
            for index in range(count):
                modules += _projector(f"{name}.{index}.", shape.width, text.hidden_size, queries, window)
        tokens = shape.grid**2 * queries**2 // window**2
        image = image_encoder(shape, tokens=tokens * _CROPS, patches=shape.grid**2, images=_CROPS)
        return multimodal(text, config, modules=modules, encoders=(image,))


def _sides(config: ModelConfig) -> tuple[int, int]:
    """Sides of the square of queries and of the window they look at: `downsample_rate` is a fraction of them."""
    parts = config.string("downsample_rate", default="4/8").split("/")
    if len(parts) != 2 or not all(part.strip().isdigit() and int(part) for part in parts):
        raise config.error("downsample_rate", "must be a fraction such as 4/8")
    return int(parts[0]), int(parts[1])


def _projector(at: str, width: int, hidden: int, queries: int, window: int) -> Iterable[Module]:
    section = ModelConfig(
        raw={
            "hidden_size": width,
            "num_attention_heads": width // 64,
            "intermediate_size": 3072,
            "num_hidden_layers": 1,
            "cross_attention_frequency": 1,
        }
    )
    yield Tensor(name=f"{at}query", shape=(queries**2, width))
    yield Tensor(name=f"{at}image_positions", shape=(window**2, width))
    yield from qformer(section, width, prefix=f"{at}qformer.")
    yield norm(f"{at}norm", width, bias=True)
    yield convolution(f"{at}out_linear", hidden, width)


class LlavaOneVision2(ArchitectureAdapter):
    """LLaVA-OneVision 2: a ViT with rotary positions of time, row and column, and Qwen2-VL's merger."""

    name = "LlavaOnevision2ForConditionalGeneration"
    architectures = ("LlavaOnevision2ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="qwen3"), config, context)
        vision = vision_section(config, "llava_onevision2_vision")
        shape = vision_shape(vision)
        width, joined = shape.width, vision.integer("spatial_merge_size", default=2) ** 2
        merged, at = width * joined, "visual."
        modules = [
            convolution(
                f"{at}embeddings.patch_embedding", width, shape.channels, shape.patch_size, shape.patch_size, bias=False
            ),
            norm(f"{at}layernorm_pre", width, bias=True),
            *blocks(
                f"{at}encoder.layers",
                count=shape.layers,
                width=width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=_NAMES,
            ),
            norm(f"{at}merger.ln_q", width, bias=True),
            dense(f"{at}merger.mlp.0", merged, merged, parallel="column"),
            dense(f"{at}merger.mlp.2", merged, text.hidden_size, parallel="row"),
            Tensor(
                name=f"{at}rotary_pos_emb.inv_freq", shape=(width // shape.heads // 2,), dtype="float32", buffer=True
            ),
        ]
        tokens = most_pixels(context.items, _ONEVISION_PIXELS) // (shape.patch_size**2 * joined)
        image = image_encoder(shape, tokens=tokens, patches=tokens * joined)
        return multimodal(text, config, modules=modules, encoders=(image,), modalities=("image", "video"))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Granite Vision 4, LLaVA-OneVision 2."""
    return [Granite4Vision(), LlavaOneVision2()]
