"""Jamba: Mamba-1 with attention and experts in between. Source: vLLM 0.32.0 `model_executor/models/jamba.py`."""

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
    norms,
    routing_method,
    runs_by_kind,
)
from vram.architecture.pooling import label_count
from vram.architecture.state import mamba1
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Placed, Tensor, ceil_div
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec


class Jamba(ArchitectureAdapter):
    """Every `attn_layer_period`-th layer is attention, every `expert_layer_period`-th has experts."""

    name = "jamba"
    architectures = ("JambaForCausalLM", "JambaForSequenceClassification")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=262144, kv_heads_default=8, head_dim_from_config=False)
        dims = evolve(dims, tie_word_embeddings=False)  # vLLM never ties it
        experts = config.integer("num_experts", default=16)
        kinds = [
            (
                _periodic(config, index, "attn_layer", period=8, offset=4),
                experts > 1 and _periodic(config, index, "expert_layer", period=2, offset=1),
            )
            for index in range(dims.num_hidden_layers)
        ]
        spec = decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, attention=kind[0], sparse=kind[1])),
            context=context,
            rope="none",
            max_position_default=262144,
            embed_stage="every",
            hints=frozenset({"hybrid"}),
            norm_stage="every",
            head_stage="every",
            renames=(("*.self_attn.", "."),),
        )
        return spec if config.architecture == self.architectures[0] else _scored(config, spec)


def _scored(config: ModelConfig, spec: ModelSpec) -> ModelSpec:
    """With a score beside the LM head, in fp32 (`head_dtype`), with a bias where the config has `score_bias`."""
    bias = config.flag("score_bias")
    shape = (label_count(config), spec.hidden_size + bias)
    head = Placed(module=Tensor(name="score", shape=shape, dtype="float32"), stage="every")
    return evolve(spec, placed=(*spec.placed, head), runner="pooling")


def _periodic(config: ModelConfig, index: int, name: str, *, period: int, offset: int) -> bool:
    every = config.integer(f"{name}_period", default=period)
    return index % every == config.integer(f"{name}_offset", default=offset, low=0)


def _layer(config: ModelConfig, dims: Dimensions, *, attention: bool, sparse: bool) -> Layer:
    mixer = _attention(dims) if attention else _mamba(config, dims)
    mlp = (
        moe(
            hidden_size=dims.hidden_size,
            num_experts=config.integer("num_experts", default=16),
            intermediate_size=dims.intermediate_size,
            top_k=config.integer("num_experts_per_tok", default=2),
            name="feed_forward",
            router_name="router",
            routing=routing_method(renormalize=False),
        )
        if sparse
        else gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size, name="feed_forward")
    )
    return layer(mixer, mlp, norms(dims.hidden_size, "input_layernorm", "pre_ff_layernorm"))


def _attention(dims: Dimensions) -> Part:
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        reads_scales=False,
    )


def _mamba(config: ModelConfig, dims: Dimensions) -> Part:
    rank = config.get("mamba_dt_rank")
    return mamba1(
        hidden_size=dims.hidden_size,
        intermediate_size=config.integer("mamba_expand", default=2) * dims.hidden_size,
        state_size=config.integer("mamba_d_state", default=16),
        conv_kernel=config.integer("mamba_d_conv", default=4),
        time_step_rank=ceil_div(dims.hidden_size, 16)
        if rank == "auto"
        else config.integer("mamba_dt_rank", default=256),
        conv_bias=config.flag("mamba_conv_bias", default=True),
        proj_bias=config.flag("mamba_proj_bias"),
        norms=True,
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Jamba."""
    return [Jamba()]
