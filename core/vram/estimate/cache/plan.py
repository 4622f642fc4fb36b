"""The KV cache plan: blocks, tokens, concurrency and the fit check, as vLLM of a given version makes them.

Sources: `v1/core/kv_cache_planning.py` (0.33), `v1/core/kv_cache_utils.py` (0.7 to 0.32), `worker/worker.py` and
`executor/executor_base.py` (V0 engine); the boundaries between versions are in `vram.vllm.cache_rules`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from vram.architecture.blocks import DEFAULT_BLOCK_SIZE
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.layout import CacheLayout, RankLayers, cache_layout
from vram.estimate.cache.need import Term, longest, needed
from vram.models.parameters import ceil_div
from vram.models.record import frozen

#: terms of need in bytes, and the bytes they must fit in
_Budget = tuple[tuple[Term, ...], int]

__all__ = [
    "CacheContext",
    "KvGroup",
    "KvPlan",
    "Refusal",
    "max_context",
    "max_requests",
    "plan_kv_cache",
    "required_bytes",
]


class Refusal(StrEnum):
    """Why vLLM would not start."""

    #: "No available memory for the cache blocks"
    NO_MEMORY = "no_memory"
    #: "To serve at least one request with the model's max seq len ..."
    TOO_LONG = "too_long"
    #: "Cannot auto-fit max_model_len"
    AUTO_FIT = "auto_fit"
    #: "max_num_seqs exceeds available Mamba cache blocks"
    MAMBA_BLOCKS = "mamba_blocks"


@frozen(kw_only=True)
class KvGroup:
    """Layers with one block table: `page_bytes` of one layer, the largest where they differ."""

    kind: str
    layers: int
    block_size: int
    page_bytes: int


@frozen(kw_only=True)
class KvPlan:
    """What vLLM allocates and prints.

    `bytes_per_token` is one token at full attention over all layers of a rank, `bytes_per_block` one block on the
    most loaded rank, `needed_bytes` what one request of `max_model_len` needs by vLLM's own check (of the rank that
    refuses, else of the most loaded one). `estimated_max_model_len` is set when the plan is refused as too long.
    `max_model_len` is the final one, after auto-fit. A refused plan still says what the memory would hold.
    """

    dtype: str
    block_size: int
    bytes_per_token: int
    num_blocks: int
    tokens: int
    max_concurrency: float
    estimated_max_model_len: int | None
    needed_bytes: int
    bytes_per_block: int
    groups: tuple[KvGroup, ...]
    refusal: Refusal | None
    max_model_len: int


def plan_kv_cache(ranks: RankLayers, available_bytes: tuple[int, ...], context: CacheContext) -> KvPlan:
    """Plan the cache of each pipeline rank and take the smallest.

    `ranks` are, per pipeline rank, the kinds of layers and how many of each in order of first appearance;
    `available_bytes` the memory for the cache on each. Raises ParallelismError and InputError.
    """
    layout = cache_layout(ranks, context)
    length = context.max_model_len
    available = _effective_memory(layout, available_bytes, context)
    refusal: Refusal | None = None
    estimated: int | None = None
    need = 0
    if layout.groups:
        budgets = _check_budgets(layout, available, context)
        if context.auto_fit_max_model_len:
            length = min(longest(terms, budget, length) for terms, budget in budgets)
            refusal = Refusal.AUTO_FIT if length == 0 else None
        if refusal is None:
            refusal, estimated, need = _check(budgets, length)
    blocks = _num_blocks(layout, available, context)
    if refusal is None and _lacks_state_blocks(layout, blocks, context):
        refusal = Refusal.MAMBA_BLOCKS
    concurrency = _concurrency(layout, blocks, length, context)
    return KvPlan(
        dtype=context.kv_dtype.name if context.kv_dtype.bits is not None else context.dtype,
        block_size=layout.block_size or context.max_model_len,
        bytes_per_token=layout.token_bytes,
        num_blocks=blocks,
        tokens=_tokens(layout, blocks, concurrency, length, context),
        max_concurrency=concurrency,
        estimated_max_model_len=estimated,
        needed_bytes=need,
        bytes_per_block=max(layout.rank_block_bytes, default=0),
        groups=_described(layout, context.max_model_len),
        refusal=refusal,
        max_model_len=length,
    )


def required_bytes(ranks: RankLayers, context: CacheContext, *, context_len: int, concurrency: int) -> int:
    """Bytes of pool that `concurrency` requests of `context_len` tokens need on the most loaded rank.

    Whole blocks of all groups, and the null block that V1 always holds back.
    """
    layout = cache_layout(ranks, context)
    if not layout.groups:
        return 0
    blocks = concurrency * needed(layout.request, context_len) + _null_blocks(context)
    return blocks * max(layout.rank_block_bytes)


def max_context(
    ranks: RankLayers, available_bytes: tuple[int, ...], context: CacheContext, *, concurrency: int, upper: int
) -> int:
    """The longest context, up to `upper`, that `concurrency` requests can have at once; 0 where none can."""
    layout = cache_layout(ranks, context)
    if not layout.groups:
        return upper
    return longest(layout.request, _usable_blocks(layout, available_bytes, context) // max(1, concurrency), upper)


def max_requests(
    ranks: RankLayers, available_bytes: tuple[int, ...], context: CacheContext, *, context_len: int
) -> int:
    """How many requests of `context_len` tokens the pool holds at once; max_num_seqs where nothing is cached."""
    return int(mean_requests(ranks, available_bytes, context, context_len=context_len))


def mean_requests(
    ranks: RankLayers, available_bytes: tuple[int, ...], context: CacheContext, *, context_len: int
) -> float:
    """The same on average, where requests are of all ages and `context_len` is their mean length."""
    layout = cache_layout(ranks, context)
    if not layout.groups:
        return context.max_num_seqs
    return _usable_blocks(layout, available_bytes, context) / max(1, needed(layout.request, context_len))


def _null_blocks(context: CacheContext) -> int:
    """V1's block pool keeps block 0 for itself, whether or not the fit check of the version knows it."""
    return 0 if context.uses_v0_engine else 1


def _usable_blocks(layout: CacheLayout, available_bytes: tuple[int, ...], context: CacheContext) -> int:
    available = _effective_memory(layout, available_bytes, context)
    return max(0, _num_blocks(layout, available, context) - _null_blocks(context))


def _effective_memory(layout: CacheLayout, available: tuple[int, ...], context: CacheContext) -> tuple[int, ...]:
    """With --num-gpu-blocks-override the blocks decide the memory, since 0.20.1 in the check too."""
    override = context.num_gpu_blocks_override
    if override is None or not context.rules.override_is_memory:
        return available
    return tuple(
        override * size if size else memory for size, memory in zip(layout.rank_block_bytes, available, strict=True)
    )


def _check_budgets(layout: CacheLayout, available: tuple[int, ...], context: CacheContext) -> list[_Budget]:
    """(terms, budget) pairs that must all fit; a null block is held back since 0.29."""
    if len(layout.fit) < len(available):
        return [(layout.fit[0], min(available))]
    reserve = 1 if context.behaviour.reserves_null_block else 0
    return [
        (terms, memory - reserve * size)
        for terms, memory, size in zip(layout.fit, available, layout.rank_block_bytes, strict=True)
        if size
    ]


def _check(budgets: list[_Budget], length: int) -> tuple[Refusal | None, int | None, int]:
    """The first rank that refuses, with vLLM's estimate of what would fit, and the bytes needed."""
    need = 0
    for terms, budget in budgets:
        asked = needed(terms, length)
        if budget <= 0:
            return Refusal.NO_MEMORY, None, asked
        if asked > budget:
            return Refusal.TOO_LONG, longest(terms, budget, length) or None, asked
        need = max(need, asked)
    return None, None, need


def _num_blocks(layout: CacheLayout, available: tuple[int, ...], context: CacheContext) -> int:
    if not layout.groups:
        return 1  # the null block of an empty pool
    if context.num_gpu_blocks_override is not None:
        return context.num_gpu_blocks_override
    return max(0, min(m // size for m, size in zip(available, layout.rank_block_bytes, strict=True) if size))


def _concurrency(layout: CacheLayout, blocks: int, length: int, context: CacheContext) -> float:
    """ "Maximum concurrency": blocks over the blocks of one request, the null block included."""
    if not layout.groups or length < 1:
        return 0.0
    if context.rules.concurrency_from_tokens:
        return blocks * layout.block_size / length
    if layout.printed and layout.first_page:  # the first pipeline rank may have no layer of any group
        return blocks / ceil_div(needed(layout.printed, length), layout.first_page)
    return blocks / needed(layout.request, length)


def _tokens(layout: CacheLayout, blocks: int, concurrency: float, length: int, context: CacheContext) -> int:
    """ "GPU KV cache size" in tokens; before 0.20.1 the blocks shared out over the groups."""
    if not layout.groups:
        return 0
    if context.behaviour.tokens_from_concurrency and not context.uses_v0_engine:
        return int(concurrency * length)
    whole = context.max_model_len
    if len(layout.groups) == 1 and not context.rules.uniform_type:
        whole = context.block_size or DEFAULT_BLOCK_SIZE  # one type: blocks × --block-size, whatever the type
    smallest = min(group.spec.block_size or whole for group in layout.groups)
    return blocks // len(layout.groups) * smallest * context.decode_context_parallel_size


def _lacks_state_blocks(layout: CacheLayout, blocks: int, context: CacheContext) -> bool:
    """Full CUDA graphs need a state block per sequence (`config/compilation.py`)."""
    return (
        layout.has_states
        and context.rules.checks_state_blocks
        and context.full_cuda_graphs
        and context.max_num_seqs > blocks
    )


@lru_cache(maxsize=256)
def _described(layout: CacheLayout, max_model_len: int) -> tuple[KvGroup, ...]:
    return tuple(
        KvGroup(
            kind=group.spec.kind,
            layers=group.layers,
            block_size=group.spec.block_size or max_model_len,
            page_bytes=max(member.spec.page_bytes for member in group.members),
        )
        for group in layout.groups
    )
