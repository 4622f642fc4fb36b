"""What one layer keeps per request, before dtype, block size and parallelism are known."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from vram.models.parameters import Split

AttentionKind = Literal["full_attention", "sliding_window", "chunked_local", "cross_attention"]
StateKind = Literal["mamba1", "mamba2", "gated_delta_net", "linear_attention", "short_conv", "kda"]


@frozen(kw_only=True)
class AttentionCache:
    """Keys and values of one attention layer: `num_kv_heads` × (`head_size` + `head_size_v`) per token.

    `window` is the sliding window or the chunk length in tokens, None for full attention.
    """

    kind: AttentionKind
    num_kv_heads: int
    head_size: int
    head_size_v: int
    window: int | None = None


@frozen(kw_only=True)
class LatentCache:
    """Multi-head latent attention: one vector of `kv_lora_rank` + `qk_rope_head_dim`, replicated over TP.

    `sparse` layers (DeepSeek sparse attention) choose another backend and another fp8 layout.
    """

    kv_lora_rank: int
    qk_rope_head_dim: int
    sparse: bool = False


@frozen(kw_only=True)
class IndexerCache:
    """The sparse indexer's keys: `head_dim` fp8 bytes and one fp32 scale per 128 of them, per token."""

    head_dim: int


@frozen(kw_only=True)
class StateTensor:
    """A recurrent state: `rows` (shared out over TP) × `columns`, in `dtype`.

    dtype "conv" is `mamba_cache_dtype`, "ssm" is `mamba_ssm_cache_dtype` (both default to the model's);
    any other is a dtype by name. `speculative` rows are lengthened by the number of speculative tokens.
    """

    rows: tuple[Split, ...]
    columns: int
    dtype: str = "conv"
    grows_with_speculation: bool = False


@frozen(kw_only=True)
class StateCache:
    """Fixed-size recurrent state of one layer (Mamba, gated delta net, short convolution ...)."""

    kind: StateKind
    tensors: tuple[StateTensor, ...]


CacheLayer = AttentionCache | LatentCache | IndexerCache | StateCache
