"""LFM2, dense and with experts: short convolutions with attention in between.

Sources: vLLM 0.32.0 `model_executor/models/lfm2.py`, `lfm2_moe.py`; defaults are transformers' config classes'.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, gqa, layer, moe, norms, runs_by_kind
from vram.architecture.state import short_conv
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import round_up
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec

_MAX_POSITION = 128_000


class Lfm2(ArchitectureAdapter):
    """A decoder of short convolutions and attention; with `experts`, all but the first layers are sparse."""

    def __init__(self, name: str, architectures: tuple[str, ...], *, experts: bool) -> None:
        self.name = name
        self.architectures = architectures
        self._experts = experts

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(
            config, max_position_default=_MAX_POSITION, kv_heads_default=8, head_dim_from_config=False, tie_default=True
        )
        dims = evolve(dims, tie_word_embeddings=True)  # vLLM ties whatever the config says
        dense = config.integer("num_dense_layers", default=2, low=0) if self._experts else dims.num_hidden_layers
        kinds = [(full, index >= dense) for index, full in enumerate(_attention_layers(config, dims.num_hidden_layers))]
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: self._layer(config, dims, attention=kind[0], sparse=kind[1])),
            context=context,
            max_position_default=_MAX_POSITION,
            embed_stage="every",
            hints=frozenset({"hybrid"}),
            renames=(("*.conv.", ".short_conv."),),
        )

    def _layer(self, config: ModelConfig, dims: Dimensions, *, attention: bool, sparse: bool) -> Layer:
        mixer = _attention(dims) if attention else _convolution(config, dims)
        if sparse:
            mlp = _sparse(config, dims)
        else:
            width = dims.intermediate_size if self._experts else adjusted_width(config)
            mlp = gated_mlp(
                hidden_size=dims.hidden_size,
                intermediate_size=width,
                name="feed_forward",
                up_name="w13",
                down_name="w2",
                sources=("w1", "w3"),
            )
        return layer(mixer, mlp, norms(dims.hidden_size, "operator_norm", "ffn_norm"))


def adjusted_width(config: ModelConfig) -> int:
    """The MLP's width: two thirds of `block_ff_dim`, scaled and rounded up (`lfm2.py:Lfm2MLP`). Raises ConfigError."""
    width = config.integer("block_ff_dim", "intermediate_size", default=12288)
    if not config.flag("block_auto_adjust_ff_dim", default=True):
        return width
    scaled = int(config.number("block_ffn_dim_multiplier", default=1.0) * int(2 * width / 3))
    if scaled < 1:
        raise config.error("block_ffn_dim_multiplier", "leaves no width for the MLP")
    return round_up(scaled, config.integer("block_multiple_of", default=256))


def _attention_layers(config: ModelConfig, count: int) -> list[bool]:
    types = config.strings("layer_types")
    if types:
        if len(types) < count:
            raise config.error("layer_types", f"names {len(types)} layers of {count}")
        return [kind == "full_attention" for kind in types[:count]]
    if not config.has("full_attn_idxs"):
        return [True] * count
    places = config.integers("full_attn_idxs")
    return [index in places for index in range(count)]


def _attention(dims: Dimensions) -> Part:
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qk_norm="head",
        out_name="out_proj",
        reads_scales=False,
    )


def _convolution(config: ModelConfig, dims: Dimensions) -> Part:
    return short_conv(
        dim=config.integer("conv_dim", default=dims.hidden_size),
        conv_kernel=config.integer("conv_L_cache", default=3),
        bias=config.flag("conv_bias"),
        name="short_conv",
    )


def _sparse(config: ModelConfig, dims: Dimensions) -> Part:
    return moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("num_experts", default=32),
        intermediate_size=config.integer("moe_intermediate_size", default=1792),
        top_k=config.integer("num_experts_per_tok", default=4),
        name="feed_forward",
        router_quantizable=True,
        correction_bias=config.flag("use_expert_bias", default=True),
    )


def dense() -> Lfm2:
    """LFM2 without experts, on which others build."""
    return Lfm2("lfm2", ("Lfm2ForCausalLM",), experts=False)


def adapters() -> Iterable[ArchitectureAdapter]:
    """LFM2 and LFM2-MoE."""
    return [
        dense(),
        Lfm2("lfm2_moe", ("Lfm2MoeForCausalLM",), experts=True),
    ]
