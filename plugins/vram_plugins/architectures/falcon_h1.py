"""Falcon-H1: every layer runs attention and Mamba-2 side by side (vLLM 0.32.0 `model_executor/models/falcon_h1.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, decoder, dimensions, gated_mlp, gqa, layer, norms, runs_by_kind
from vram.architecture.state import mamba2
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split
from vram.models.spec import Layer, ModelSpec


class FalconH1(ArchitectureAdapter):
    """Falcon-H1."""

    name = "falcon_h1"
    architectures = ("FalconH1ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=8192, kv_heads_default=8)
        return decoder(
            config,
            dims,
            runs=runs_by_kind(["hybrid"] * dims.num_hidden_layers, lambda _: _layer(config, dims, context)),
            context=context,
            rope_dim=config.integer("attn_rotary_emb", default=dims.head_dim),
            max_position_default=8192,
        )


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Layer:
    heads = config.integer("mamba_n_heads", default=128)
    groups = config.integer("mamba_n_groups", default=1)
    inner = config.integer("mamba_d_ssm", default=int(config.number("mamba_expand", default=2) * dims.hidden_size))
    state = config.integer("mamba_d_state", default=256)
    mixer = mamba2(
        hidden_size=dims.hidden_size,
        tensor_parallel_size=context.tensor_parallel_size,
        intermediate_size=inner,
        num_heads=heads,
        head_dim=config.integer("mamba_d_head", default=inner // heads or 1),
        state_size=state,
        n_groups=groups,
        conv_kernel=config.integer("mamba_d_conv", default=4),
        conv_bias=config.flag("mamba_conv_bias", default=True),
        proj_bias=config.flag("mamba_proj_bias"),
        rms_norm=config.flag("mamba_rms_norm"),
    )
    return layer(
        gqa(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            num_kv_heads=dims.num_key_value_heads,
            head_dim=dims.head_dim,
        ),
        mixer,
        _multipliers(inner, heads, groups * state, groups),
        gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size, name="feed_forward"),
        norms(dims.hidden_size, "input_layernorm", "pre_ff_layernorm"),
    )


def _multipliers(inner: int, heads: int, grouped: int, groups: int) -> Module:
    """The buffer that scales each output of in_proj; as wide as one rank's share of it."""
    wide = Split(size=inner, units=heads, repeated=False)
    group = Split(size=grouped, units=groups, repeated=groups == 1)
    return Linear(
        name="mamba.mup_vector",
        inputs=1,
        outputs=(wide, wide, group, group, Split(size=heads)),
        quantizable=False,
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Falcon-H1."""
    return [FalconH1()]
