"""From what a layer keeps to the page vLLM allocates for it: `v1/kv_cache_interface.py` in numbers."""

from __future__ import annotations

from vram.estimate.cache.alignment import BlockSizes, exports_delta_net, resolve_block_sizes
from vram.estimate.cache.backends import blocks_of
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.layers import (
    attention_token_bytes,
    compressed_entry_bytes,
    index_entry_bytes,
    latent_token_bytes,
    local_kv_heads,
    packs_compressed,
    state_bytes,
)
from vram.models.cache import (
    AttentionCache,
    CacheLayer,
    CompressedCache,
    CompressorCache,
    IndexerCache,
    LatentCache,
    PageSpec,
    Span,
    StateCache,
    WindowedLatentCache,
)
from vram.models.parameters import ceil_div, round_up

#: rows that pages of packed latent vectors are rounded up to (`deepseek_v4/attention.py`)
_PACKED_PAGE_ALIGNMENT = 576
_PLAIN_PAGE_ALIGNMENT = 512
#: VLLM_CUDA_MEM_ALIGN_KV_CACHE of the V0 engine (`worker/cache_engine.py`, 0.7)
_V0_LATENT_ALIGNMENT = 256


def resolve_specs(layers: tuple[CacheLayer, ...], context: CacheContext) -> tuple[PageSpec, ...]:
    """The pages of each kind of layer, in order. Raises ParallelismError and InputError."""
    sizes = resolve_block_sizes(layers, context)
    states = [layer for layer in layers if isinstance(layer, StateCache)]
    exports = exports_delta_net(states, context)
    return tuple(_resolve(layer, sizes, exports, context) for layer in layers)


def _resolve(layer: CacheLayer, sizes: BlockSizes, exports: bool, context: CacheContext) -> PageSpec:
    match layer:
        case AttentionCache():
            return _attention(layer, sizes, context)
        case LatentCache():
            return _latent(layer, sizes, context)
        case IndexerCache():
            return _indexer(layer, sizes, context)
        case CompressedCache():
            entries = ceil_div(sizes.attention, layer.tokens_per_state)
            page = entries * compressed_entry_bytes(layer.head_dim, context)
            return _packed(sizes.attention, page, context)
        case WindowedLatentCache():
            page = layer.block_size * compressed_entry_bytes(layer.head_dim, context)
            return _packed(layer.block_size, page, context, window=layer.window)
        case CompressorCache():
            page = layer.block_size * layer.width * 4
            return _packed(layer.block_size, page, context, window=layer.window)
        case StateCache():
            return _state(layer, sizes, exports, context)
        case PageSpec():
            return layer


def _attention(layer: AttentionCache, sizes: BlockSizes, context: CacheContext) -> PageSpec:
    token = attention_token_bytes(layer, context)
    span: Span = "full"
    block = sizes.attention
    padded = None
    if context.uses_v0_engine and layer.kind != "cross_attention":
        pass  # the V0 engine keeps every token of every layer
    elif layer.kind == "sliding_window" and layer.window is not None:
        span, padded = "window", sizes.window_page
        block = layer.block_size or _window_block(layer, token, sizes, context)
    elif layer.kind == "chunked_local" and layer.window is not None and context.behaviour.version >= (0, 10, 0):
        span = "chunk"
    elif layer.kind == "cross_attention":
        span = "encoder"
    page = block * token
    return PageSpec(
        kind=layer.kind,
        span=span,
        block_size=block,
        page_bytes=max(page, padded or 0),
        unpadded_bytes=page,
        shape=(
            local_kv_heads(layer.num_kv_heads, context.tensor_parallel_size),
            layer.head_size,
            layer.head_size_v,
            layer.states_per_token,
            layer.unquantized,
        ),
        window=layer.window or 0,
    )


def _window_block(layer: AttentionCache, token: int, sizes: BlockSizes, context: CacheContext) -> int:
    """Sliding-window layers choose their own block (`attention.py:_largest_kernel_block_within`, 0.25 and later)."""
    rule = context.rules.window_blocks
    if rule == "shared":
        return sizes.attention
    kernels = blocks_of(layer, context)
    if sizes.window_page is None and rule == "smallest":
        return min(kernels.sizes)
    return kernels.largest_within((sizes.window_page or token * sizes.attention) // token)


def _latent(layer: LatentCache, sizes: BlockSizes, context: CacheContext) -> PageSpec:
    token = latent_token_bytes(layer, context)
    if (0, 7, 0) <= context.behaviour.version < (0, 8, 0):
        token = round_up(token, _V0_LATENT_ALIGNMENT)
    page = sizes.attention * token
    return PageSpec(
        kind="mla_attention" if layer.window is None else "sliding_window_mla",
        span="full" if layer.window is None else "window",
        block_size=sizes.attention,
        page_bytes=page,
        unpadded_bytes=page,
        shape=("latent", token),
        window=layer.window or 0,
        latent=True,
    )


def _indexer(layer: IndexerCache, sizes: BlockSizes, context: CacheContext) -> PageSpec:
    page = ceil_div(sizes.attention, layer.tokens_per_state) * index_entry_bytes(layer)
    if layer.packed:
        return _packed(sizes.attention, page, context)
    return PageSpec(
        kind="indexer",
        span="full",
        block_size=sizes.attention,
        page_bytes=page,
        unpadded_bytes=page,
        shape=("index", layer.head_dim, layer.tokens_per_state),
        latent=True,
    )


def _packed(block: int, page: int, context: CacheContext, *, window: int = 0) -> PageSpec:
    """A layer of a block-outermost layout, its page rounded up; windowed where `window` is given."""
    alignment = _PACKED_PAGE_ALIGNMENT if packs_compressed(context) else _PLAIN_PAGE_ALIGNMENT
    return PageSpec(
        kind="sliding_window_mla" if window else "mla_attention",
        span="window" if window else "full",
        block_size=block,
        page_bytes=round_up(page, alignment),
        unpadded_bytes=page,
        shape=("packed", page),
        window=window,
        latent=True,
        packed=True,
    )


def _state(layer: StateCache, sizes: BlockSizes, exports: bool, context: CacheContext) -> PageSpec:
    page = state_bytes(layer, context)
    return PageSpec(
        kind=layer.kind,
        span="state",
        block_size=0 if sizes.state_mode == "none" else sizes.attention,
        page_bytes=max(page, sizes.state_page or 0),
        unpadded_bytes=page,
        shape=(layer.kind, page),
        state_blocks=_state_blocks(layer, sizes, exports, context),
        state_per_block=sizes.state_mode == "all",
    )


def _state_blocks(layer: StateCache, sizes: BlockSizes, exports: bool, context: CacheContext) -> int:
    """Blocks one request's state takes besides one per block of tokens (`MambaSpec.max_memory_usage_bytes`)."""
    rules = context.rules
    speculative = context.num_speculative_tokens if rules.counts_speculative_states else 0
    if sizes.state_mode == "all":
        return speculative if rules.speculation_adds_to_all else 0
    if sizes.state_mode == "none":
        return 1 + speculative
    checkpoint = (layer.kind == "mamba2" and rules.mamba2_checkpoints) or exports or layer.checkpoints
    return 2 + speculative + (1 if checkpoint else 0)
