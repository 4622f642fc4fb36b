"""OLMo hybrid: gated delta nets with full attention now and then (vLLM 0.32.0 `model_executor/models/olmo_hybrid.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, gqa, layer, norm, norms, runs_by_kind
from vram.architecture.linear_state import olmo_delta_net
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec

_MAX_POSITION = 65536
_ATTENTION_EVERY = 4


class OlmoHybrid(ArchitectureAdapter):
    """OLMo hybrid."""

    name = "olmo_hybrid"
    architectures = ("OlmoHybridForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=_MAX_POSITION)
        block = config.sub("rope_parameters") or config.sub("rope_scaling")
        rotary = config.has("rope_theta") or (block is not None and block.has("rope_theta"))
        return decoder(
            config,
            dims,
            runs=runs_by_kind(
                _full_attention(config, dims.num_hidden_layers), lambda full: _layer(config, dims, full=full)
            ),
            context=context,
            rope="auto" if rotary else "none",
            max_position_default=_MAX_POSITION,
            embed_stage="every",
            norm_stage="every",
            head_stage="every",
        )


def _full_attention(config: ModelConfig, count: int) -> list[bool]:
    types = config.strings("layer_types")
    if types:
        if len(types) < count:
            raise config.error("layer_types", f"names {len(types)} layers of {count}")
        return [kind == "full_attention" for kind in types[:count]]
    full = [index % _ATTENTION_EVERY == _ATTENTION_EVERY - 1 for index in range(count)]
    return full if any(full) else [*full[:-1], True]


def _layer(config: ModelConfig, dims: Dimensions, *, full: bool) -> Layer:
    names = ("post_attention_layernorm", "post_feedforward_layernorm")
    if not full:
        names = ("input_layernorm", "post_attention_layernorm")
    return layer(
        _attention(dims) if full else _delta(config, dims),
        gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size),
        norms(dims.hidden_size, *names),
    )


def _attention(dims: Dimensions) -> Part:
    part = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
    )
    whole = (
        norm("self_attn.q_norm", dims.hidden_size),
        norm("self_attn.k_norm", dims.num_key_value_heads * dims.head_dim),
    )
    return evolve(part, modules=(*part.modules, *whole))  # norms over all heads, whole on every rank


def _delta(config: ModelConfig, dims: Dimensions) -> Part:
    key_heads = config.integer("linear_num_key_heads", default=dims.num_attention_heads)
    key_dim = config.integer("linear_key_head_dim", default=int(0.75 * dims.hidden_size / key_heads) or 1)
    return olmo_delta_net(
        hidden_size=dims.hidden_size,
        num_k_heads=key_heads,
        num_v_heads=config.integer("linear_num_value_heads", default=dims.num_attention_heads),
        head_k_dim=key_dim,
        head_v_dim=config.integer("linear_value_head_dim", default=2 * key_dim),
        conv_kernel=config.integer("linear_conv_kernel_dim", default=4),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """OLMo hybrid."""
    return [OlmoHybrid()]
