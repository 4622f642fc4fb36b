"""Ring 2.5 and 3 (Bailing): linear or delta attention with latent attention at the end of each group, and experts.

Source: vLLM 0.32.0 `model_executor/models/bailing_moe_linear.py`, `bailing_moe_v3.py`, `layers/mamba/linear/bailing_linear_attn.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, layer, moe, norms, runs_by_kind
from vram.architecture.latent import latent_rope, mla
from vram.architecture.linear_state import full_rank_kda, linear_attention
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec
from vram.vllm.rope import read_ropes, rope_table


class BailingLinear(ArchitectureAdapter):
    """Layers are (linear or latent attention) × (experts or a dense MLP)."""

    name = "bailing_hybrid"
    architectures = ("BailingMoeV2_5ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = evolve(dimensions(config, max_position_default=2048), tie_word_embeddings=False)  # vLLM does not ask
        group = config.integer("layer_group_size", default=1)
        dense = config.integer("first_k_dense_replace", default=0, low=0)
        experts = config.integer("num_experts", default=0, low=0)
        kinds = [((index + 1) % group != 0, experts > 1 and index >= dense) for index in range(dims.num_hidden_layers)]
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, linear=kind[0], sparse=kind[1])),
            context=context,
            rope=_tables(config, context, dims),
        )


class BailingDelta(ArchitectureAdapter):
    """Ring 3: delta attention with latent attention at the end of each group (`bailing_moe_v3.py`)."""

    name = "bailing_hybrid_v3"
    architectures = ("BailingMoeV3ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = evolve(dimensions(config, max_position_default=2048), tie_word_embeddings=False)  # vLLM does not ask
        group = config.integer("layer_group_size", default=1)
        dense = config.integer("first_k_dense_replace", default=0, low=0)
        count = dims.num_hidden_layers
        whole = count // group * group
        kinds = [
            (index < whole and (index + 1) % group != 0, config.has("num_experts") and index >= dense)
            for index in range(count)
        ]
        rotary = config.integer("qk_rope_head_dim", default=64)
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _delta_layer(config, dims, delta=kind[0], sparse=kind[1])),
            context=context,
            rope=[latent_rope(_whole_head(config), context, rotary_dim=rotary, max_position=dims.max_position)],
        )


def _delta_layer(config: ModelConfig, dims: Dimensions, *, delta: bool, sparse: bool) -> Layer:
    mixer = (
        full_rank_kda(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            head_dim=dims.head_dim,
            conv_kernel=config.integer("short_conv_kernel_size", default=4),
        )
        if delta
        else _latent(config, dims)
    )
    if not sparse:
        mlp = gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size)
        return layer(mixer, mlp, norms(dims.hidden_size))
    shared = config.integer("num_shared_experts", default=0, low=0)
    experts = moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("num_experts"),
        intermediate_size=config.integer("moe_intermediate_size"),
        top_k=config.integer("num_experts_per_tok", default=8),
        router_dtype="float32",
        correction_bias=True,
        shared_intermediate=shared * config.integer("moe_shared_expert_intermediate_size", default=1),
    )
    return layer(mixer, experts, norms(dims.hidden_size))


def _whole_head(config: ModelConfig) -> ModelConfig:
    """The config without the rotary share, which is linear attention's."""
    raw = {name: value for name, value in config.raw.items() if name != "partial_rotary_factor"}
    return ModelConfig(raw=raw, path=config.path, section=config.section)


def _tables(config: ModelConfig, context: BuildContext, dims: Dimensions) -> list[Tensor]:
    """One table for latent attention, one for linear attention over a part of the head."""
    rotary = config.integer("qk_rope_head_dim", default=64)
    tables = [latent_rope(_whole_head(config), context, rotary_dim=rotary, max_position=dims.max_position)]
    if config.flag("linear_rope", default=True):
        ropes = read_ropes(config)
        partial = config.number("partial_rotary_factor", default=1.0)
        rope = ropes[0] if ropes else None
        width = int(dims.head_dim * (rope.partial if rope is not None else partial))
        rows = rope_table(rope, head_dim=dims.head_dim, max_position=dims.max_position).shape[0]
        tables.append(
            Tensor(name="linear_rope", shape=(rows, width), shared=f"linear rope {rows} {width}", buffer=True)
        )
    return tables


def _layer(config: ModelConfig, dims: Dimensions, *, linear: bool, sparse: bool) -> Layer:
    mixer = _linear(config, dims) if linear else _latent(config, dims)
    mlp = (
        _experts(config, dims)
        if sparse
        else gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size)
    )
    return layer(mixer, mlp, norms(dims.hidden_size))


def _linear(config: ModelConfig, dims: Dimensions) -> Part:
    bias = config.flag("use_bias")
    return linear_attention(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        head_dim=dims.head_dim,
        qkv_bias=bias or config.flag("use_qkv_bias"),
        out_bias=bias,
        qk_norm=config.flag("use_qk_norm"),
        names=("query_key_value", "g_proj", "dense", "g_norm"),
    )


def _latent(config: ModelConfig, dims: Dimensions) -> Part:
    return mla(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        q_lora_rank=config.integer("q_lora_rank", default=0, low=0),
        kv_lora_rank=config.integer("kv_lora_rank", default=512),
        qk_nope_head_dim=config.integer("qk_nope_head_dim", default=128),
        qk_rope_head_dim=config.integer("qk_rope_head_dim", default=64),
        v_head_dim=config.integer("v_head_dim", default=128),
    )


def _experts(config: ModelConfig, dims: Dimensions) -> Part:
    """The router is fp32 unless `router_dtype` says otherwise."""
    width = config.integer("moe_intermediate_size")
    shared = config.integer("num_shared_experts", default=0, low=0)
    return moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("num_experts"),
        intermediate_size=width,
        top_k=config.integer("num_experts_per_tok", default=8),
        router_dtype="float32" if config.string("router_dtype", default="fp32") == "fp32" else "bfloat16",
        correction_bias=config.flag("moe_router_enable_expert_bias"),
        shared_intermediate=shared * config.integer("moe_shared_expert_intermediate_size", default=width),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Ring 2.5 and 3."""
    return [BailingLinear(), BailingDelta()]
