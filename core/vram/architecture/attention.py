"""Attention blocks with keys and values per head."""

from __future__ import annotations

from typing import Literal, get_args

from vram.architecture.parts import Part
from vram.models.cache import AttentionCache, AttentionKind, CacheLayer
from vram.models.parameters import Linear, Module, Split, Tensor

QkNorm = Literal["none", "head", "full", "replicated"]


def kv_scales(*, quantizable: bool = True) -> Tensor:
    """The four fp32 scalars (q, k, v, prob scale) of every attention layer.

    Source: vLLM 0.32.0 `attention/layer.py:set_default_quant_scales`.
    Not `quantizable` where vLLM gives the attention no quantization config: a checkpoint's scales are not read then.
    """
    name = "attn.kv_scales" if quantizable else "attn.plain_scales"
    return Tensor(name=name, shape=(4,), dtype="float32", buffer=True)


def gqa(
    *,
    hidden_size: int,
    num_heads: int,
    num_kv_heads: int,
    head_dim: int,
    head_dim_v: int | None = None,
    qkv_bias: bool = False,
    out_bias: bool = False,
    qk_norm: QkNorm = "none",
    kind: AttentionKind = "full_attention",
    window: int | None = None,
    sinks: bool = False,
    name: str = "self_attn",
    qkv_name: str = "qkv_proj",
    out_name: str = "o_proj",
    sources: tuple[str, ...] = ("q_proj", "k_proj", "v_proj"),
    cached: bool = True,
    out_inputs: int | None = None,
    query_factor: int = 1,
    reads_scales: bool = True,
) -> Part:
    """Multi-head, grouped-query or multi-query attention.

    qkv: (num_heads·head_dim·query_factor + num_kv_heads·(head_dim + head_dim_v), hidden_size), column-parallel by
    heads with KV-head replication; output: (hidden_size, num_heads·head_dim_v), row-parallel. `qk_norm` "head" is a
    weight of head_dim each for q and k, "full" of all heads, shared out with them, "replicated" of all heads on every
    rank. `sinks` adds one scalar per head. `query_factor` 2 is a gated query (Qwen3-Next). `cached` False is a layer
    that reads another layer's cache. `reads_scales` is `kv_scales`' quantizable.
    """
    v = head_dim if head_dim_v is None else head_dim_v
    modules: list[Module] = [
        Linear(
            name=f"{name}.{qkv_name}",
            inputs=hidden_size,
            outputs=(
                Split(size=num_heads * head_dim * query_factor, units=num_heads),
                Split(size=num_kv_heads * head_dim, units=num_kv_heads),
                Split(size=num_kv_heads * v, units=num_kv_heads),
            ),
            bias=qkv_bias,
            sources=tuple(f"{name}.{source}" for source in sources),
        ),
        Linear(
            name=f"{name}.{out_name}",
            inputs=num_heads * v if out_inputs is None else out_inputs,
            outputs=(Split(size=hidden_size),),
            parallel="row",
            bias=out_bias,
            sources=(f"{name}.{out_name}",),
        ),
        kv_scales(quantizable=reads_scales),
    ]
    if qk_norm == "head":
        modules.append(Tensor(name=f"{name}.qk_norm", shape=(2, head_dim)))
    elif qk_norm == "full":
        modules.append(Tensor(name=f"{name}.q_norm", shape=(num_heads, head_dim), sharded_units=num_heads))
        modules.append(Tensor(name=f"{name}.k_norm", shape=(num_kv_heads, head_dim), sharded_units=num_kv_heads))
    elif qk_norm == "replicated":
        modules.append(Tensor(name=f"{name}.qk_norm", shape=(num_heads + num_kv_heads, head_dim)))
    elif qk_norm != "none":
        raise ValueError(f"qk_norm is {qk_norm!r}, which is none of {', '.join(get_args(QkNorm))}")
    if sinks:
        modules.append(Tensor(name=f"{name}.sinks", shape=(num_heads,), sharded_units=num_heads))
    caches: tuple[CacheLayer, ...] = ()
    if cached:
        cache = AttentionCache(
            kind=kind, num_kv_heads=num_kv_heads, head_size=head_dim, head_size_v=v, window=window, sinks=sinks
        )
        caches = (cache,)
    return Part(modules=tuple(modules), caches=caches)
