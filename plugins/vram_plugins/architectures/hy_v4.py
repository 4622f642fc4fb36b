"""HY V4: gated sparse latent attention with sinks, hyper-connections, experts.

Source: vLLM 0.32.0 `models/hy_v4/nvidia/attention.py`, `moe.py`, `model.py`; defaults are transformers' HYV4Config's.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, layer, moe, norms, runs_by_kind
from vram.architecture.latent import latent_rope, mla, sparse_indexer, topk_buffer
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor
from vram.models.record import frozen
from vram.models.spec import Layer, ModelSpec

_MAX_POSITION = 262144
_SPARSE = ("indexed_attention", "deepseek_sparse_attention", "sparse_attention")
_INDEXER_EVERY = 4


@frozen(kw_only=True)
class _Kind:
    experts: bool
    sparse: bool
    indexer: bool


class HyV4(ArchitectureAdapter):
    """HY V4."""

    name = "hy_v4"
    architectures = ("HYV4ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        rotary = config.integer("qk_rope_head_dim", default=64)
        dims = dimensions(
            config, max_position_default=_MAX_POSITION, head_dim_default=rotary, head_dim_from_config=False
        )
        kinds = _kinds(config, dims.num_hidden_layers)
        extra: list[Module] = [*_stream_head(config, dims)]
        if any(kind.sparse for kind in kinds):
            extra.append(topk_buffer(config.integer("index_topk", default=2048), context.max_num_batched_tokens))
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, kind)),
            context=context,
            extra=[("every" if module.name.endswith("buffer") else "last", module) for module in extra],
            rope=[latent_rope(config, context, rotary_dim=rotary, max_position=dims.max_position)],
            max_position_default=_MAX_POSITION,
            hints=frozenset({"latent_attention"}),
        )


def _listed(config: ModelConfig, name: str, count: int, default: list[str]) -> list[str]:
    values = config.strings(name)
    if values and len(values) < count:
        raise config.error(name, f"names {len(values)} layers of {count}")
    return list(values[:count]) or default


def _kinds(config: ModelConfig, count: int) -> list[_Kind]:
    indexers = ["full" if not index or (index - 1) % _INDEXER_EVERY == 0 else "shared" for index in range(count)]
    mlps = _listed(config, "mlp_layer_types", count, ["dense"] + ["sparse"] * (count - 1))
    attentions = _listed(config, "layer_types", count, ["full_attention"] * count)
    indexers = _listed(config, "indexer_types", count, indexers)
    return [
        _Kind(experts=mlp == "sparse", sparse=kind in _SPARSE, indexer=kind in _SPARSE and indexer == "full")
        for mlp, kind, indexer in zip(mlps, attentions, indexers, strict=True)
    ]


def _layer(config: ModelConfig, dims: Dimensions, kind: _Kind) -> Layer:
    q_lora_rank = config.integer("q_lora_rank", default=1536)
    parts = [_attention(config, dims, q_lora_rank, sparse=kind.sparse)]
    if kind.indexer:
        parts.append(
            sparse_indexer(
                hidden_size=dims.hidden_size,
                q_lora_rank=q_lora_rank,
                num_heads=config.integer("index_n_heads", default=16),
                head_dim=config.integer("index_head_dim", default=128),
            )
        )
    if kind.experts:
        parts.append(_experts(config, dims))
    else:
        parts.append(gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size))
    return layer(*parts, _gates_and_streams(config, dims, sparse=kind.sparse), norms(dims.hidden_size))


def _attention(config: ModelConfig, dims: Dimensions, q_lora_rank: int, *, sparse: bool) -> Part:
    return mla(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        q_lora_rank=q_lora_rank,
        kv_lora_rank=config.integer("kv_lora_rank", default=512),
        qk_nope_head_dim=config.integer("qk_nope_head_dim", default=192),
        qk_rope_head_dim=config.integer("qk_rope_head_dim", default=64),
        v_head_dim=config.integer("v_head_dim", default=256),
        sparse=sparse,
    )


def _gates_and_streams(config: ModelConfig, dims: Dimensions, *, sparse: bool) -> tuple[Module, ...]:
    """The attention's gate (per element or per head) and sinks; fp32 hyper-connections around both halves.

    Sinks are fp32 where a kernel reads them, in sparse layers, and else stay in bf16, unread.
    """
    heads = dims.num_attention_heads
    modules: list[Module] = []
    if config.flag("gated_mla", default=True):
        per_head = 1
        if config.string("gating_type", default="elementwise") == "elementwise":
            per_head = config.integer("v_head_dim", default=256)
        gate = Split(size=heads * per_head, units=heads, repeated=False)
        name = "self_attn.linear_gate"
        modules.append(Linear(name=name, inputs=dims.hidden_size, outputs=(gate,), sources=(name,)))
    if config.flag("learnable_sink", default=True):
        dtype = "float32" if sparse else "bfloat16"
        modules.append(Tensor(name="self_attn.learnable_sink_param", shape=(heads,), dtype=dtype, sharded_units=heads))
    if config.flag("enable_ihc", default=True):
        streams = config.integer("hc_mult", default=4)
        modules += [
            Tensor(name="hc_fn", shape=(2 * streams, streams * dims.hidden_size), dtype="float32", count=2),
            Tensor(name="hc_base", shape=(2 * streams + 2,), dtype="float32", count=2),  # base and two scales
        ]
    return tuple(modules)


def _stream_head(config: ModelConfig, dims: Dimensions) -> tuple[Module, ...]:
    if not config.flag("enable_ihc", default=True):
        return ()
    streams = config.integer("hc_mult", default=4)
    return (
        Tensor(name="model.hc_head_fn", shape=(streams, streams * dims.hidden_size), dtype="float32"),
        Tensor(name="model.hc_head_base", shape=(streams + 1,), dtype="float32"),  # base and one scale
    )


def _experts(config: ModelConfig, dims: Dimensions) -> Part:
    width = config.integer("moe_intermediate_size", "expert_hidden_dim", default=768)
    return moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("n_routed_experts", "num_experts", default=256),
        intermediate_size=width,
        top_k=config.integer("num_experts_per_tok", default=8),
        router_dtype="float32",
        correction_bias=True,
        shared_intermediate=config.integer("n_shared_experts", "num_shared_experts", default=1, low=0) * width,
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """HY V4."""
    return [HyV4()]
