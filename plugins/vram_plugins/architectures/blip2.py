"""BLIP-2: a ViT, a query transformer that torch holds whole on every rank, any language model.

Sources: vLLM 0.32.0 `blip2.py`, `blip.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

QFORMER_DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "cross_attention_frequency": 2,
}


def qformer(config: ModelConfig, seen: int, *, prefix: str = "qformer.") -> tuple[Module, ...]:
    """Self-attention in every layer, in every second attention to image features of width `seen`, one feed-forward."""
    width, mlp = config.integer("hidden_size"), config.integer("intermediate_size")
    layers = config.integer("num_hidden_layers")
    crossing = ceil_div(layers, config.integer("cross_attention_frequency"))
    at = f"{prefix}encoder.layer.0."
    return (
        norm(f"{prefix}layernorm", width, bias=True),
        convolution(f"{at}attention.attention", 3 * width, width, count=layers),
        convolution(f"{at}attention.output.dense", width, width, count=layers),
        norm(f"{at}attention.output.LayerNorm", width, bias=True, count=layers),
        convolution(f"{at}crossattention.attention.query", width, width, count=crossing),
        convolution(f"{at}crossattention.attention.key_value", 2 * width, seen, count=crossing),
        convolution(f"{at}crossattention.output.dense", width, width, count=crossing),
        norm(f"{at}crossattention.output.LayerNorm", width, bias=True, count=crossing),
        convolution(f"{at}intermediate_query.dense", mlp, width, count=layers),
        convolution(f"{at}output_query.dense", width, mlp, count=layers),
        norm(f"{at}output_query.LayerNorm", width, bias=True, count=layers),
    )


class Blip2(ArchitectureAdapter):
    """BLIP-2 with OPT or another decoder."""

    name = "Blip2ForConditionalGeneration"
    architectures = ("Blip2ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="opt"), config, context)
        vision = vision_section(config, "blip_2_vision_model")
        shape = vision_shape(vision)
        section = optional_section(config, "qformer_config")
        queries_config = filled(section, QFORMER_DEFAULTS)
        queries = config.integer("num_query_tokens", default=32)
        width = queries_config.integer("hidden_size")
        at = "vision_model."
        modules = (
            Tensor(name="query_tokens", shape=(queries, width)),
            Tensor(name=f"{at}embeddings.class_embedding", shape=(shape.width,)),
            Tensor(name=f"{at}embeddings.position_embedding", shape=(shape.grid**2 + 1, shape.width)),
            convolution(
                f"{at}embeddings.patch_embedding", shape.width, shape.channels, shape.patch_size, shape.patch_size
            ),
            *blocks(
                f"{at}encoder.layers",
                count=shape.layers,
                width=shape.width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=BlockNames(qkv="self_attn.qkv", out="self_attn.projection"),
                qkv_bias=vision.flag("qkv_bias", default=True),
            ),
            norm(f"{at}post_layernorm", shape.width, bias=True),
            *qformer(queries_config, shape.width),
            convolution("language_projection.weight", text.hidden_size, width),
        )
        image = image_encoder(shape, tokens=queries, patches=shape.grid**2 + 1)
        return multimodal(text, config, modules=modules, encoders=(image,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """BLIP-2."""
    return [Blip2()]
