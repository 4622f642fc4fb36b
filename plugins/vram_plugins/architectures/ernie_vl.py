"""ERNIE 4.5 VL: experts for text and experts for images in one layer, a ViT, a resampler of space and time.

Source: vLLM 0.33.0 `ernie45_vl.py`, `ernie45_vl_moe.py`, which read the config in the form of the model's repository.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import (
    Dimensions,
    Part,
    decoder,
    dimensions,
    gated_mlp,
    gqa,
    layer,
    moe,
    norm,
    norms,
    runs_by_kind,
)
from vram.architecture.items import most_pixels
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.vision import image_encoder, vision_section

_PIXELS = 6177 * 28 * 28  # the processor's largest image
_TEXT, _VISION = 0, 1
_MROPE_POSITIONS = 4


class ErnieVL(ArchitectureAdapter):
    """ERNIE 4.5 VL 28B and 424B."""

    name = "Ernie4_5_VLMoeForConditionalGeneration"
    architectures = ("Ernie4_5_VLMoeForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        if not isinstance(config.get("moe_num_experts"), list):
            raise config.error("moe_num_experts", "must be a pair, for text and images; vLLM reads no other form")
        dims = dimensions(config, tie_default=True, max_position_default=131072)
        kinds = [_kind(config, index, dims.num_hidden_layers) for index in range(dims.num_hidden_layers)]
        text = decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, kind)),
            context=context,
            rope="none",
        )
        vision = vision_section(config, "ernie_vit")
        width = vision.integer("embed_dim", "hidden_size")
        shape = Shape(
            width=width,
            layers=vision.integer("depth"),
            heads=vision.integer("num_heads"),
            mlp_width=int(width * vision.number("mlp_ratio", default=4.0)),
            image_size=vision.integer("patch_size"),
            patch_size=vision.integer("patch_size"),
            channels=vision.integer("in_channels", default=3),
        )
        words = Tensor(name="_visual_token_ids_tensor_cache", shape=(1,), dtype="int64", buffer=True)
        modules = [*_tower(shape), *_resampler(config, dims.hidden_size), words]
        joined = config.integer("spatial_conv_size", default=2) ** 2
        patches = most_pixels(context.items, _PIXELS) // shape.patch_size**2
        image = image_encoder(shape, tokens=patches // joined, patches=patches)
        return multimodal(text, config, modules=modules, encoders=(image,), modalities=("image", "video"))


def _kind(config: ModelConfig, index: int, layers: int) -> tuple[bool, bool]:
    """Whether a layer has experts for text, and for images."""
    starts = config.integers("moe_layer_start_index") or (0, 0)
    ends = config.integers("moe_layer_end_index") or (layers - 1, layers - 1)
    interval = config.integer("moe_layer_interval", default=1)
    if (index + 1) % interval:
        return False, False
    return starts[_TEXT] <= index <= ends[_TEXT], starts[_VISION] <= index <= ends[_VISION]


def _layer(config: ModelConfig, dims: Dimensions, kind: tuple[bool, bool]) -> Layer:
    attention = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=config.flag("use_bias"),
    )
    table = [_table(dims)]
    bias = config.flag("use_bias")
    plain = gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size, bias=bias)
    if not any(kind):
        return layer(attention, table, plain, norms(dims.hidden_size))
    parts = [_experts(config, dims, which) if kind[which] else plain for which in (_TEXT, _VISION)]
    count = config.integers("moe_num_experts")[_TEXT]
    modules: list[Module] = [Tensor(name="mlp.e_score_correction_bias", shape=(2, count), dtype="float32")]
    shared = config.integer("moe_num_shared_experts", default=0, low=0)
    if shared:
        width = config.integers("moe_intermediate_size")[_TEXT] * shared
        modules += gated_mlp(hidden_size=dims.hidden_size, intermediate_size=width, name="mlp.shared_experts").modules
    return layer(attention, table, *parts, modules, norms(dims.hidden_size))


def _table(dims: Dimensions) -> Tensor:
    """Every layer makes a rotary table of its own, four positions for a token (`mrope.py`)."""
    shape = (_MROPE_POSITIONS * dims.max_position, dims.head_dim)
    return Tensor(name="self_attn.rotary_emb.cos_sin_cache", shape=shape, buffer=True)


def _experts(config: ModelConfig, dims: Dimensions, which: int) -> Part:
    name = ("text", "vision")[which]
    part = moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integers("moe_num_experts")[which],
        intermediate_size=config.integers("moe_intermediate_size")[which],
        top_k=config.integer("moe_k", default=6),
        router_dtype="float32",
    )
    return Part(modules=tuple(evolve(module, name=f"{module.name}.{name}") for module in part.modules))


def _tower(shape: Shape) -> Iterable[Module]:
    at, width = "vision_model.", shape.width
    yield convolution(f"{at}patch_embed.proj", width, shape.channels * shape.patch_size**2, bias=False)
    yield from blocks(
        f"{at}blocks", count=shape.layers, width=width, heads=shape.heads, mlp_width=shape.mlp_width, names=BlockNames()
    )
    yield norm(f"{at}ln", width, bias=True)
    yield Tensor(name=f"{at}rotary_pos_emb.inv_freq", shape=(width // shape.heads // 4,), dtype="float32", buffer=True)


def _resampler(config: ModelConfig, hidden: int) -> Iterable[Module]:
    at = "resampler_model."
    space = config.integer("pixel_hidden_size") * config.integer("spatial_conv_size", default=2) ** 2
    time = space * config.integer("temporal_conv_size", default=2)
    yield dense(f"{at}spatial_linear1", space, space, parallel="column", quantizable=False)
    yield dense(f"{at}spatial_linear2", space, space, parallel="column", quantizable=False)
    yield norm(f"{at}spatial_norm", space, bias=True)
    if config.flag("use_temporal_conv", default=True):
        yield dense(f"{at}temporal_linear1", time, space, parallel="column", quantizable=False)
        yield dense(f"{at}temporal_linear2", space, space, parallel="column", quantizable=False)
        yield norm(f"{at}temporal_norm", space, bias=True)
    yield dense(f"{at}mlp", space, hidden, parallel="column", quantizable=False)
    yield norm(f"{at}after_norm", hidden)


def adapters() -> Iterable[ArchitectureAdapter]:
    """ERNIE 4.5 VL."""
    return [ErnieVL()]
