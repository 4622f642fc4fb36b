"""Granite 4 hybrids and Bamba: Mamba-2 layers with attention in between.

Sources: vLLM 0.32.0 `model_executor/models/granitemoehybrid.py`; 0.20.2 `bamba.py` (removed since).
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, gqa, layer, moe, norms, runs_by_kind
from vram.architecture.state import mamba2
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import Layer, ModelSpec


class GraniteHybrid(ArchitectureAdapter):
    """Granite 4: Mamba-2 or attention, then experts and a shared MLP, either of which may be missing."""

    name = "granite_hybrid"
    architectures = ("GraniteMoeHybridForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=2048, head_dim_from_config=False)
        kinds = _attention_layers(config, dims.num_hidden_layers)
        rope = config.string("position_embedding_type") == "rope" and any(kinds)
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda attention: _granite_layer(config, dims, context, attention=attention)),
            context=context,
            rope="auto" if rope else "none",
            max_position_default=2048,
            embed_stage="every",
            hints=frozenset({"hybrid"}),
            norm_stage="every",
            head_stage="every",
        )


def _attention_layers(config: ModelConfig, count: int) -> list[bool]:
    types = config.strings("layer_types", "layers_block_type")
    if types and len(types) < count:
        raise config.error("layer_types", f"names {len(types)} layers of {count}")
    return [kind in {"attention", "full_attention"} for kind in types[:count]] or [False] * count


def _granite_layer(config: ModelConfig, dims: Dimensions, context: BuildContext, *, attention: bool) -> Layer:
    bias = config.flag("attention_bias")
    mixer = _attention(dims, bias=bias) if attention else _mamba(config, dims, context)
    experts = config.integer("num_local_experts", default=8, low=0)
    shared = config.integer("shared_intermediate_size", default=1024, low=0)
    parts: list[Part] = [mixer]
    if experts:
        parts.append(
            moe(
                hidden_size=dims.hidden_size,
                num_experts=experts,
                intermediate_size=dims.intermediate_size,
                top_k=config.integer("num_experts_per_tok", default=2),
                name="block_sparse_moe",
            )
        )
    if shared:
        parts.append(
            gated_mlp(
                hidden_size=dims.hidden_size,
                intermediate_size=shared,
                name="shared_mlp",
                up_name="input_linear",
                down_name="output_linear",
                sources=("input_linear",),
            )
        )
    return layer(*parts, norms(dims.hidden_size))


def _attention(dims: Dimensions, *, bias: bool) -> Part:
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=bias,
        out_bias=bias,
    )


def _mamba(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    heads = config.integer("mamba_n_heads", default=128)
    inner = config.integer("mamba_expand", default=2) * dims.hidden_size
    auto = config.get("mamba_d_head") in (None, "auto")
    return mamba2(
        hidden_size=dims.hidden_size,
        tensor_parallel_size=context.tensor_parallel_size,
        intermediate_size=inner,
        num_heads=heads,
        head_dim=inner // heads if auto else config.integer("mamba_d_head"),
        state_size=config.integer("mamba_d_state", default=256),
        n_groups=config.integer("mamba_n_groups", default=1),
        conv_kernel=config.integer("mamba_d_conv", default=4),
        conv_bias=config.flag("mamba_conv_bias", default=True),
        proj_bias=config.flag("mamba_proj_bias"),
    )


class Bamba(ArchitectureAdapter):
    """Bamba: dense, attention at `attn_layer_indices`."""

    name = "bamba"
    architectures = ("BambaForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM up to 0.25 builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=262144, kv_heads_default=8)
        places = config.integers("attn_layer_indices")
        kinds = [index in places for index in range(dims.num_hidden_layers)]
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda attention: _bamba_layer(config, dims, context, attention=attention)),
            context=context,
            rope_dim=config.integer("attn_rotary_emb", default=dims.head_dim),
            max_position_default=262144,
            embed_stage="every",
            hints=frozenset({"hybrid"}),
            norm_stage="every",
            head_stage="every",
        )


def _bamba_layer(config: ModelConfig, dims: Dimensions, context: BuildContext, *, attention: bool) -> Layer:
    return layer(
        _attention(dims, bias=False) if attention else _mamba(config, dims, context),
        gated_mlp(
            hidden_size=dims.hidden_size,
            intermediate_size=dims.intermediate_size,
            bias=config.flag("mlp_bias"),
            name="feed_forward",
        ),
        norms(dims.hidden_size, "input_layernorm", "pre_ff_layernorm"),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Granite 4 hybrids, Bamba."""
    return [GraniteHybrid(), Bamba()]
