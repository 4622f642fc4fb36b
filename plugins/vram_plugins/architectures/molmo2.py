"""Molmo 2: a ViT of as many layers as its features need, attention pooling of two of them, a gated projector.

Source: vLLM 0.33.0 `molmo2.py`; defaults are those of its VitConfig, AdapterConfig and TextConfig.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import decoder, dimensions, gated_mlp, gqa, layer, norms, runs_by_kind
from vram.architecture.attention import QkNorm
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Split, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.vision import image_encoder

_NAMES = BlockNames(
    qkv="attention.merged_qkv",
    qkv_parts=("attention.wq", "attention.wk", "attention.wv"),
    out="attention.wo",
    up="feed_forward.w1",
    down="feed_forward.w2",
)
_CROPS = 8 + 1
_POOLED = 4  # patches that the pooling joins


class Molmo2(ArchitectureAdapter):
    """Molmo 2 4B, 8B, and its OLMo sibling."""

    name = "Molmo2ForConditionalGeneration"
    architectures = ("Molmo2ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        section = config.text()
        text = _text(section, config, context)
        vit, adapter = config.sub("vit_config"), config.sub("adapter_config")
        if vit is None or adapter is None:
            raise config.error("vit_config" if vit is None else "adapter_config", "is missing")
        layers = adapter.integers("vit_layers") or (-3, -9)
        depth = vit.integer("num_hidden_layers", default=27)
        deepest = max(index if index >= 0 else depth + index for index in layers) + 1
        edges = vit.integers("image_default_input_size") or (378,)
        shape = Shape(
            width=vit.integer("hidden_size", default=1152),
            layers=min(depth, deepest),
            heads=vit.integer("num_attention_heads", default=16),
            mlp_width=vit.integer("intermediate_size", default=4304),
            image_size=edges[0],
            patch_size=vit.integer("image_patch_size", default=14),
            channels=3,
        )
        modules = [*_tower(vit, shape), *_pooling(adapter, shape.width * len(layers), text.hidden_size)]
        image = image_encoder(shape, tokens=shape.grid**2 // _POOLED * _CROPS, patches=shape.grid**2, images=_CROPS)
        return multimodal(text, config, modules=modules, encoders=(image,), prefix="", modalities=("image", "video"))


def _text(section: ModelConfig, config: ModelConfig, context: BuildContext) -> ModelSpec:
    words = section.integer("vocab_size", default=152064)
    more = section.integer("additional_vocab_size", default=128, low=0)
    inner = overridden(section, vocab_size=words + more, tie_word_embeddings=False, dtype=config.get("dtype"))
    dims = dimensions(inner, head_dim_default=section.integer("head_dim", default=128))
    qk_norm: QkNorm = "none"
    if section.flag("use_qk_norm"):
        qk_norm = "head" if section.string("qk_norm_type", default="olmo") == "qwen3" else "replicated"
    block = layer(
        gqa(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            num_kv_heads=dims.num_key_value_heads,
            head_dim=dims.head_dim,
            qkv_bias=section.flag("qkv_bias", default=True),
            qk_norm=qk_norm,
            sources=("att_proj",),
        ),
        gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size, sources=("ff_proj",)),
        norms(dims.hidden_size),
    )
    head = Embedding(name="lm_head", rows=words, columns=dims.hidden_size, lm_head=True, sources=("lm_head",))
    return decoder(
        inner,
        dims,
        runs=runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block),
        context=context,
        extra=(("every", head),),
        lm_head=False,
        embed_stage="every",
        norm_stage="every",
        dtype_config=config,
    )


def _tower(vit: ModelConfig, shape: Shape) -> Iterable[Module]:
    at = "vision_backbone.image_vit."
    yield Tensor(name=f"{at}positional_embedding", shape=(vit.integer("image_num_pos", default=577), shape.width))
    yield convolution(f"{at}patch_embedding", shape.width, 3 * shape.patch_size**2)
    yield from blocks(
        f"{at}transformer.resblocks",
        count=shape.layers,
        width=shape.width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        head_dim=vit.integer("head_dim", default=72),
        kv_heads=vit.integer("num_key_value_heads", default=shape.heads),
        names=_NAMES,
    )


def _pooling(adapter: ModelConfig, features: int, hidden: int) -> Iterable[Module]:
    at = "vision_backbone."
    width, dim = adapter.integer("hidden_size", default=1152), adapter.integer("head_dim", default=72)
    queries = adapter.integer("num_attention_heads", default=16) * dim
    keys = adapter.integer("num_key_value_heads", default=16)
    middle = adapter.integer("intermediate_size", default=18944)
    pair = Split(size=keys * dim, units=keys)
    yield dense(f"{at}image_pooling_2d.q_proj", features, queries, parallel="column")
    yield Linear(
        name=f"{at}image_pooling_2d.merged_kv",
        inputs=features,
        outputs=(pair, pair),
        bias=True,
        sources=(f"{at}image_pooling_2d.k_proj", f"{at}image_pooling_2d.v_proj"),
    )
    yield dense(f"{at}image_pooling_2d.o_proj", queries, width, parallel="row")
    yield Linear(
        name=f"{at}image_projector.merged_linear",
        inputs=width,
        outputs=(Split(size=middle), Split(size=middle)),
        sources=(f"{at}image_projector.gate_proj", f"{at}image_projector.up_proj"),
    )
    yield dense(f"{at}image_projector.down_proj", middle, hidden, parallel="row", bias=False)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Molmo 2."""
    return [Molmo2()]
