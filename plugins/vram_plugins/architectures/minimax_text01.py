"""MiniMax-Text-01 and M1: linear attention with softmax attention now and then, and experts.

Source: vLLM 0.20.2 `model_executor/models/minimax_text_01.py` (removed since).
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, gqa, layer, moe, norms, runs_by_kind
from vram.architecture.linear_state import linear_attention
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec

_MAX_POSITION = 131072
_ATTENTION = (1, "full_attention")


class MiniMaxText01(ArchitectureAdapter):
    """MiniMax-Text-01, MiniMax-M1."""

    name = "minimax_text01"
    architectures = ("MiniMaxText01ForCausalLM", "MiniMaxM1ForCausalLM", "MiniMaxForCausalLM")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=_MAX_POSITION, kv_heads_default=8)
        kinds = [
            (
                full,
                _per_layer(config, "num_local_experts", index, 1),
                _per_layer(config, "shared_intermediate_size", index, 0),
            )
            for index, full in enumerate(_attention_types(config, dims.num_hidden_layers))
        ]
        spec = decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, *kind)),
            context=context,
            rope=[_table(config, dims, context)] if any(full for full, _, _ in kinds) else "none",
            max_position_default=_MAX_POSITION,
        )
        placed = tuple(
            evolve(place, module=evolve(place.module, dtype="float32"))
            if isinstance(place.module, Embedding) and place.module.lm_head
            else place
            for place in spec.placed
        )  # vLLM turns the LM head into fp32
        return evolve(spec, placed=placed)


def _attention_types(config: ModelConfig, count: int) -> list[bool]:
    types = config.items("attn_type_list", "decoder_attention_types", "layer_types")
    if not types:
        return [True] * count
    if len(types) < count:
        raise config.error("attn_type_list", f"names {len(types)} layers of {count}")
    return [kind in _ATTENTION for kind in types[:count]]


def _per_layer(config: ModelConfig, name: str, index: int, default: int) -> int:
    """A number for every layer, or one for all."""
    if isinstance(config.get(name), list | tuple):
        values = config.integers(name)
        return values[index] if index < len(values) else default
    return config.integer(name, default=default, low=0)


def _table(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Tensor:
    """An fp32 rotary table, no longer than the context that is served."""
    rows = dims.max_position
    if context.max_model_len and context.max_model_len > 0:
        rows = min(rows, context.max_model_len)
    width = config.integer("rotary_dim", default=dims.head_dim)
    return Tensor(
        name="rotary_emb.cos_sin_cache",
        shape=(rows, width),
        dtype="float32",
        shared=f"minimax rope {rows} {width}",
        buffer=True,
    )


def _layer(config: ModelConfig, dims: Dimensions, full: bool, experts: int, shared: int) -> Layer:
    parts: list[Part] = [_attention(dims) if full else _linear(dims)]
    if experts <= 1:
        parts.append(gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size))
    else:
        parts.append(
            moe(
                hidden_size=dims.hidden_size,
                num_experts=experts,
                intermediate_size=dims.intermediate_size,
                top_k=config.integer("num_experts_per_tok", default=2),
                name="block_sparse_moe",
                router_dtype="float32",
            )
        )
    extra: tuple[Module, ...] = ()
    if shared:
        mix = Linear(
            name="coefficient",
            inputs=dims.hidden_size,
            outputs=(Split(size=1),),
            parallel="replicated",
            dtype="float32",
            quantizable=False,
        )
        extra = (
            *gated_mlp(hidden_size=dims.hidden_size, intermediate_size=shared, name="shared_mlp").modules,
            mix,
        )
    return layer(*parts, extra, norms(dims.hidden_size))


def _attention(dims: Dimensions) -> Part:
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
    )


def _linear(dims: Dimensions) -> Part:
    return linear_attention(hidden_size=dims.hidden_size, num_heads=dims.num_attention_heads, head_dim=dims.head_dim)


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiniMax-Text-01, MiniMax-M1."""
    return [MiniMaxText01()]
