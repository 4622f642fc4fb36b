"""Block sizes of a model: the backend's choice, and how attention and recurrent state come to share a page.

Sources: `platforms/interface.py:_align_hybrid_block_size` and `_align_heterogeneous_kv_block_size` (0.20 and later),
`model_executor/models/config.py:HybridAttentionMambaModelConfig` (0.10 to 0.19).
"""

from __future__ import annotations

from math import lcm

from vram.architecture.blocks import (
    COMPRESSED_BLOCK,
    KERNEL_BLOCK,
    SPARSE_BLOCK,
    AttentionFamily,
    BlockChoice,
    Blocks,
    choose_block_size,
    forced_block_size,
)
from vram.errors import InputError
from vram.estimate.cache.backends import CHOOSES_SINCE, layer_blocks
from vram.estimate.cache.context import CacheContext, StateMode
from vram.estimate.cache.layers import attention_token_bytes, latent_token_bytes, local_kv_heads, state_bytes
from vram.models.cache import (
    AttentionCache,
    CacheLayer,
    CompressedCache,
    IndexerCache,
    LatentCache,
    StateCache,
    WindowedLatentCache,
)
from vram.models.parameters import ceil_div
from vram.models.platform import platform_of
from vram.models.record import evolve, frozen

#: blocks that layers beside the attention backend's impose: the sparse indexer, the compressor
_OF_THEIR_OWN = {"sparse_latent": SPARSE_BLOCK, "compressed": COMPRESSED_BLOCK}
#: FlashInfer's gated-delta-net kernel exports states every so many tokens (`v1/attention/backends/gdn_attn.py`)
_DELTA_NET_CHUNK = 64
#: tokens of a chunk of Mamba-2's kernel: what nearly every config states (assumed; vLLM reads `chunk_size`), and vLLM's
#: figure where a config states none, as for Mamba-1 (`config/model.py:get_mamba_chunk_size`, 0.14.1)
_MAMBA2_CHUNK, _NO_CHUNK = 256, 2048


@frozen(kw_only=True)
class BlockSizes:
    """`attention` tokens per block; `kernel`, the smallest block the backend takes.

    `state_mode` is mamba_cache_mode, `state_page` what every recurrent state is padded to (None: its own size),
    `window_page` the page that sliding-window layers are padded to where layers differ in dtype.
    """

    attention: int
    kernel: int
    state_mode: StateMode = "none"
    state_page: int | None = None
    window_page: int | None = None


def resolve_block_sizes(layers: tuple[CacheLayer, ...], context: CacheContext) -> BlockSizes:
    """Block sizes for a model with these kinds of layers. Raises ParallelismError and InputError."""
    asked, version = context.mamba_cache_mode, context.behaviour.version
    if asked == "all" and version >= (0, 32, 0):  # `config/cache.py:MambaCacheMode`
        raise InputError(name="mamba_cache_mode", value=asked, problem="is no mode of vLLM since 0.32")
    choice = _choice(layers, context)
    sizes = BlockSizes(attention=choice.block_size, kernel=choice.kernel_block)
    states = [layer for layer in layers if isinstance(layer, StateCache)]
    attention = _reference_attention(layers)
    if states and context.rules.paged_states:
        sizes = evolve(sizes, state_mode=_state_mode(states, attention, context))
        asked_block = context.mamba_block_size
        if asked_block not in (None, context.max_model_len) and sizes.state_mode == "none":
            problem = "can only be set with --enable-prefix-caching"  # `config/vllm.py:validate_mamba_block_size`
            raise InputError(name="mamba_block_size", value=asked_block, problem=problem)
        if attention is None and asked_block:
            sizes = evolve(sizes, attention=asked_block)
        elif attention is not None:
            sizes = _align_with_states(sizes, states, attention, context)
    return _align_with_unquantized(sizes, layers, context)


def _choice(layers: tuple[CacheLayer, ...], context: CacheContext) -> BlockChoice:
    family, version, asked = _family(layers), context.behaviour.version, context.block_size
    if version < CHOOSES_SINCE:
        return forced_block_size(family, version=version, capability=context.compute_capability, asked=asked)
    kernels = layer_blocks(layers, context)
    elsewhere = family == "sparse_latent" and platform_of(context.compute_capability) is not None
    if family in _OF_THEIR_OWN and not elsewhere:
        kernels = (Blocks(sizes=(_OF_THEIR_OWN[family],)),)
    return choose_block_size(kernels, version=version, asked=asked)


def _family(layers: tuple[CacheLayer, ...]) -> AttentionFamily:
    if any(isinstance(layer, CompressedCache | WindowedLatentCache) for layer in layers):
        return "compressed"
    if any(isinstance(layer, IndexerCache) or (isinstance(layer, LatentCache) and layer.sparse) for layer in layers):
        return "sparse_latent"
    return "latent" if any(isinstance(layer, LatentCache) for layer in layers) else "plain"


def _reference_attention(layers: tuple[CacheLayer, ...]) -> AttentionCache | LatentCache | None:
    """The attention layer that stands for the model in alignment: vLLM takes the model's own heads."""
    found = [layer for layer in layers if isinstance(layer, AttentionCache | LatentCache)]
    full = [layer for layer in found if isinstance(layer, LatentCache) or layer.kind == "full_attention"]
    candidates = full or found
    return candidates[0] if candidates else None


def _state_mode(
    states: list[StateCache], attention: AttentionCache | LatentCache | None, context: CacheContext
) -> StateMode:
    """mamba_cache_mode: "align" and "all" need prefix caching, which hybrids have by default since 0.28."""
    hybrid = attention is not None if context.is_hybrid is None else context.is_hybrid
    caching = context.enable_prefix_caching
    if caching is None:
        caching = context.rules.aligned_states and hybrid
    if not caching:
        return "none"  # whatever was asked for (`model_executor/models/config.py:MambaModelConfig`)
    if context.mamba_cache_mode in ("align", "all"):
        return "align" if context.mamba_cache_mode == "align" else "all"
    version = context.behaviour.version
    if version < (0, 15, 0):
        return "all"
    mamba2 = all(layer.kind in ("mamba1", "mamba2") for layer in states)
    return "all" if mamba2 and version < (0, 28, 0) else "align"


def _token_bytes(layer: AttentionCache | LatentCache, context: CacheContext) -> int:
    if isinstance(layer, LatentCache):
        return latent_token_bytes(layer, context)
    # vLLM reckons with the model's head size on both sides
    return attention_token_bytes(evolve(layer, head_size_v=layer.head_size), context)


def _align_with_states(
    sizes: BlockSizes, states: list[StateCache], attention: AttentionCache | LatentCache, context: CacheContext
) -> BlockSizes:
    """Blocks large enough that one attention page holds one recurrent state, which is padded to it."""
    page = max(state_bytes(layer, context) for layer in states)
    if page == 0:
        return sizes
    token = _token_bytes(attention, context)
    unit = _alignment_unit(sizes, states, attention, context)
    if sizes.state_mode == "all":
        # one state per block of tokens: blocks are whole chunks of the state kernel
        chunk = _MAMBA2_CHUNK if any(layer.kind == "mamba2" for layer in states) else _NO_CHUNK
        unit = lcm(context.mamba_block_size or chunk, unit)
        block = unit * ceil_div(ceil_div(page, token), unit)
    else:
        block = unit * ceil_div(page, unit * token)
    block = max(sizes.attention, block)
    return evolve(sizes, attention=block, state_page=block * token)


def _alignment_unit(
    sizes: BlockSizes, states: list[StateCache], attention: AttentionCache | LatentCache, context: CacheContext
) -> int:
    version = context.behaviour.version
    unit = max(sizes.kernel, sizes.attention) if version >= (0, 20, 0) else KERNEL_BLOCK
    if isinstance(attention, LatentCache):
        unit = max(unit, context.rules.latent_hybrid_block)
    elif (0, 11, 1) <= version < (0, 20, 0) and context.compute_capability[0] == 10 and attention.head_size == 256:
        unit = 32  # FlashInfer on Blackwell had no blocks of 16 for heads of 256
    if sizes.state_mode == "align" and exports_delta_net(states, context):
        unit = lcm(unit, _DELTA_NET_CHUNK)
    return unit


def exports_delta_net(states: list[StateCache], context: CacheContext) -> bool:
    """Whether every recurrent layer can export states inside a prefill (`qwen_gdn_linear_attn.py`, 0.33)."""
    return (
        context.rules.delta_net_checkpoints
        and context.compute_capability[0] in (9, 10, 12)
        and all(layer.kind == "gated_delta_net" for layer in states)
    )


def _align_with_unquantized(sizes: BlockSizes, layers: tuple[CacheLayer, ...], context: CacheContext) -> BlockSizes:
    """With layers left at the model's dtype, blocks of the others grow until their page covers one of those."""
    attention = [layer for layer in layers if isinstance(layer, AttentionCache) and not layer.block_size]
    if context.behaviour.version < (0, 25, 0) or not any(layer.unquantized for layer in attention):
        return sizes
    first = attention[0]
    if first.unquantized:
        # vLLM asks the first layer's backend, which knows nothing of the others' packing: a byte per number
        heads = local_kv_heads(first.num_kv_heads, context.tensor_parallel_size)
        primary = heads * 2 * first.head_size if context.kv_dtype.quantized else _token_bytes(first, context)
    else:
        primary = _token_bytes(first, context)
    widest = _token_bytes(evolve(first, unquantized=True), context)
    if widest == primary:
        return sizes
    unit = max(sizes.kernel, sizes.attention)
    required = max(widest * sizes.kernel, sizes.state_page or 0)
    block = max(sizes.attention, unit * ceil_div(required, unit * primary))
    page = block * primary
    return evolve(sizes, attention=block, window_page=page, state_page=page if sizes.state_page else None)
