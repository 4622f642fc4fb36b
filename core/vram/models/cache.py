"""What one layer keeps per request, before dtype, block size and parallelism are known."""

from __future__ import annotations

from typing import Literal

from vram.models.parameters import Split
from vram.models.record import frozen

#: what a layer's blocks hold: every token, a window, a chunk, the encoder's tokens, or one state
Span = Literal["full", "window", "chunk", "encoder", "state"]
AttentionKind = Literal["full_attention", "sliding_window", "chunked_local", "cross_attention"]
StateKind = Literal["mamba1", "mamba2", "gated_delta_net", "linear_attention", "short_conv", "kda"]


@frozen(kw_only=True, cache_hash=True)
class AttentionCache:
    """Keys and values of one attention layer: `num_kv_heads` × (`head_size` + `head_size_v`) per token.

    `window` is the sliding window or the chunk length in tokens, None for full attention. `states_per_token`
    is more than 1 where a layer stores several states for each token (Whisper's pooled causal encoder).
    `unquantized` layers stay at the model's dtype whatever --kv-cache-dtype says, windows at a `block_size` of their own; a
    full layer's is its own backend's. `sinks`, `triton` (what only Triton's backend does) and, for latent vectors,
    `qk_nope_head_dim` only choose the attention backend.
    """

    kind: AttentionKind
    num_kv_heads: int
    head_size: int
    head_size_v: int
    window: int | None = None
    states_per_token: int = 1
    unquantized: bool = False
    block_size: int = 0
    sinks: bool = False
    triton: str = ""


@frozen(kw_only=True, cache_hash=True)
class LatentCache:
    """Multi-head latent attention: one vector of `kv_lora_rank` + `qk_rope_head_dim`, replicated over TP.

    `sparse` layers (DeepSeek sparse attention) choose another backend and another fp8 layout. `window` is a
    sliding window in tokens, None for all tokens.
    """

    kv_lora_rank: int
    qk_rope_head_dim: int
    sparse: bool = False
    window: int | None = None
    unquantized: bool = False
    qk_nope_head_dim: int = 128


@frozen(kw_only=True, cache_hash=True)
class IndexerCache:
    """The sparse indexer's keys: `head_dim` fp8 bytes and one fp32 scale per 128 of them, or half bytes with a byte per 32 of them
    (`four_bits`).

    One such entry per `tokens_per_state` tokens (DeepSeek-V4 indexes compressed tokens); `packed` pages are
    rounded up to the row of the attention layers they share blocks with.
    """

    head_dim: int
    tokens_per_state: int = 1
    packed: bool = False
    four_bits: bool = False


@frozen(kw_only=True, cache_hash=True)
class CompressedCache:
    """DeepSeek-V4's compressed keys: one vector of `head_dim` per `tokens_per_state` tokens, not divided by TP."""

    head_dim: int
    tokens_per_state: int


@frozen(kw_only=True, cache_hash=True)
class WindowedLatentCache:
    """DeepSeek-V4's recent tokens: a vector of `head_dim` per token of a sliding `window`, in blocks of `block_size`."""

    head_dim: int
    window: int
    block_size: int = 64


@frozen(kw_only=True, cache_hash=True)
class CompressorCache:
    """DeepSeek-V4's compressor state: `width` fp32 numbers per token of a short `window`, in blocks of its own."""

    width: int
    window: int
    block_size: int


@frozen(kw_only=True, cache_hash=True)
class StateTensor:
    """A recurrent state: `rows` (shared out over TP) × `columns`, in `dtype`.

    dtype "conv" is `mamba_cache_dtype`, "ssm" is `mamba_ssm_cache_dtype` (both default to the model's);
    any other is a dtype by name. `columns` of a tensor that `grows_with_speculation` are lengthened by the
    number of speculative tokens.
    """

    rows: tuple[Split, ...]
    columns: int
    dtype: str = "conv"
    grows_with_speculation: bool = False


@frozen(kw_only=True, cache_hash=True)
class StateCache:
    """Fixed-size recurrent state of one layer (Mamba, gated delta net, short convolution ...).

    `checkpoints`: its kernel exports a state inside a prefill whatever the other layers do, which takes a block more.
    """

    kind: StateKind
    tensors: tuple[StateTensor, ...]
    checkpoints: bool = False


@frozen(kw_only=True, cache_hash=True)
class PageSpec:
    """One layer's cache as vLLM's KVCacheSpec, which all others come to; an engine that is asked tells it as it is.

    `page_bytes` are one block of one layer, padding included. `span` and `window` decide how many blocks a request
    needs; `shape` is what else must agree for two layers to be the same to vLLM. `block_size` 0 is a whole request (a
    recurrent state outside prefix caching: vLLM writes max_model_len). `unpadded_bytes` is the page without padding.
    `state_blocks` are a recurrent state's blocks per request. `packed` layers come with a block-outermost layout, in
    which groups need no common page size.
    """

    kind: str
    span: Span
    block_size: int
    page_bytes: int
    unpadded_bytes: int
    shape: tuple[int | str | bool, ...] = ()
    window: int = 0
    latent: bool = False
    packed: bool = False
    state_blocks: int = 0
    state_per_block: bool = False


CacheLayer = (
    AttentionCache | LatentCache | IndexerCache | CompressedCache | WindowedLatentCache | CompressorCache | StateCache | PageSpec
)  # fmt: skip
