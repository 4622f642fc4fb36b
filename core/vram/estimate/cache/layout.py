"""A model's cache on its ranks, before any length or memory is known: groups, block sizes, terms of need.

Everything here is a function of layers and context alone and is cached; questions about lengths, memory and
concurrency are then divisions (`kv_need`).
"""

from __future__ import annotations

from functools import lru_cache
from math import lcm

from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.groups import group_layers
from vram.estimate.cache.members import Group, Member
from vram.estimate.cache.need import Term, merged, term
from vram.estimate.cache.specs import resolve_specs
from vram.models.cache import AttentionCache, CacheLayer, PageSpec, StateCache
from vram.models.parameters import ceil_div
from vram.models.record import evolve, frozen

#: per pipeline rank, kinds of layers and how many of each, in order of first appearance
RankLayers = tuple[tuple[tuple[CacheLayer, int], ...], ...]


@frozen(kw_only=True, eq=False)
class CacheLayout:
    """`rank_block_bytes` are the bytes of one block on each pipeline rank.

    `request` are the blocks one request needs over all groups; `fit` what vLLM's fit check adds up, in bytes, per
    rank (or once, where the check looks at the whole model); `token_bytes` one token over all layers of the most
    loaded rank. `printed` and `first_page` are the bytes, and the page they are divided by, of the concurrency that
    versions before 0.27 print for groups with pages of different sizes; empty otherwise.
    """

    groups: tuple[Group, ...]
    rank_block_bytes: tuple[int, ...]
    request: tuple[Term, ...]
    fit: tuple[tuple[Term, ...], ...]
    printed: tuple[Term, ...]
    first_page: int
    token_bytes: int
    block_size: int
    has_states: bool


@lru_cache(maxsize=1024)
def cache_layout(ranks: RankLayers, context: CacheContext) -> CacheLayout:
    """The layout of a model. Raises ParallelismError and InputError."""
    ranks = with_unquantized_ends(ranks, context)
    kinds = tuple(dict.fromkeys(kind for rank in ranks for kind, _ in rank))
    specs = dict(zip(kinds, resolve_specs(kinds, context), strict=True))
    paged = {kind: spec for kind, spec in specs.items() if spec.span != "state" or context.rules.paged_states}
    members = _members(ranks, paged)
    groups = group_layers(
        members,
        context.rules,
        padding_factor=context.behaviour.group_padding_factor,
        hybrid_manager=not context.disable_hybrid_kv_cache_manager,
    )
    block_bytes = tuple(_block_bytes(groups, rank, context) for rank in range(len(ranks)))
    return CacheLayout(
        groups=groups,
        rank_block_bytes=block_bytes,
        request=merged(term(group.spec, context) for group in groups),
        fit=_fit_terms(members, groups, block_bytes, context),
        printed=_printed_terms(groups, context),
        first_page=next((page for group in groups if (page := group.page_bytes_on(0))), 0),
        token_bytes=max((_token_bytes(rank, specs) for rank in ranks), default=0),
        block_size=_block_size(members),
        has_states=any(spec.span == "state" for spec in paged.values()),
    )


def _members(ranks: RankLayers, specs: dict[CacheLayer, PageSpec]) -> list[Member]:
    """Kinds with their counts; those with the same page and need are one."""
    counts: dict[PageSpec, list[int]] = {}
    for index, rank in enumerate(ranks):
        for kind, count in rank:
            if kind in specs:
                counts.setdefault(specs[kind], [0] * len(ranks))[index] += count
    return [Member(spec=spec, counts=tuple(per_rank)) for spec, per_rank in counts.items()]


def with_unquantized_ends(ranks: RankLayers, context: CacheContext) -> RankLayers:
    """The first and last layers at the model's dtype, where the KV dtype asks for it (TurboQuant).

    `turboquant/config.py:get_boundary_skip_layers`; not for models with recurrent state, and never over half.
    """
    ends = context.kv_dtype.unquantized_ends
    total = sum(count for rank in ranks for _, count in rank)
    if not ends or any(isinstance(kind, StateCache) for rank in ranks for kind, _ in rank):
        return ranks
    ends = min(ends, total // 2)
    first = _exempt(ranks[0], ends)
    ranks = (first, *ranks[1:])
    last = _exempt(ranks[-1][::-1], ends)[::-1]
    return (*ranks[:-1], last)


def _exempt(rank: tuple[tuple[CacheLayer, int], ...], layers: int) -> tuple[tuple[CacheLayer, int], ...]:
    """The first `layers` layers of a rank left unquantized."""
    changed: list[tuple[CacheLayer, int]] = []
    for kind, count in rank:
        if not isinstance(kind, AttentionCache) or kind.unquantized:
            changed.append((kind, count))
            continue
        taken = min(layers, count)
        layers -= taken
        if taken:
            changed.append((evolve(kind, unquantized=True), taken))
        if count > taken:
            changed.append((kind, count - taken))
    return tuple(changed)


def _block_bytes(groups: tuple[Group, ...], rank: int, context: CacheContext) -> int:
    """Bytes of one block in a rank's pool: the widest group's (`_get_kv_cache_bytes_per_block` and before it)."""
    if not groups:
        return 0
    if context.rules.mixed_group_spans_ranks and len(groups) == 1 and len({m.spec for m in groups[0].members}) > 1:
        return sum(member.spec.page_bytes * member.total for member in groups[0].members)
    widest = max(group.page_bytes_on(rank) for group in groups)
    if not _mixed(groups):
        return widest
    packing = context.rules.packing
    if packing == "tuples":
        pages = {member.spec.page_bytes for member in groups[0].members}
        return sum(pages) * max(_longest_run(group, rank) for group in groups)
    if packing == "slots":
        slots: dict[int, int] = {}
        for group in groups:
            for page, count in _runs(group, rank).items():
                slots[page] = max(slots.get(page, 0), count)
        return sum(page * count for page, count in slots.items())
    return widest


def _runs(group: Group, rank: int) -> dict[int, int]:
    runs: dict[int, int] = {}
    for member in group.members:
        runs[member.spec.page_bytes] = runs.get(member.spec.page_bytes, 0) + member.counts[rank]
    return runs


def _longest_run(group: Group, rank: int) -> int:
    return max(_runs(group, rank).values())


def _mixed(groups: tuple[Group, ...]) -> bool:
    """Whether groups with pages of different sizes share blocks."""
    return len(groups) > 1 and any(group.spec.packed for group in groups)


def _fit_terms(
    members: list[Member], groups: tuple[Group, ...], block_bytes: tuple[int, ...], context: CacheContext
) -> tuple[tuple[Term, ...], ...]:
    """What the fit check adds up, in bytes: per rank, or once for the whole model (0.14 to 0.16)."""
    rules = context.rules
    ranks = range(len(block_bytes))
    if rules.need == "layers":
        # every layer by itself, before windows or pages are made alike
        return tuple(
            merged(term(m.spec, context, m.counts[rank] * m.spec.page_bytes) for m in members if m.counts[rank])
            for rank in ranks
        )
    counted = groups[:1] if rules.need == "first_group" else groups
    if not rules.need_per_rank:
        weight = max((sum(m.spec.page_bytes * m.total for m in group.members) for group in groups), default=0)
        return (merged(term(group.spec, context, weight) for group in counted),)
    weights = [_fit_weight(groups, rank, block_bytes[rank], context) for rank in ranks]
    return tuple(merged(term(group.spec, context, weight) for group in counted) for weight in weights)


def _fit_weight(groups: tuple[Group, ...], rank: int, block_bytes: int, context: CacheContext) -> int:
    """Bytes the check takes for a block; 0.23 to 0.28 reckoned mixed pages as full patterns of the first group."""
    if not _mixed(groups) or context.rules.packing not in ("slots", "dense"):
        return block_bytes
    pages = {member.spec.page_bytes for member in groups[0].members}
    return sum(pages) * max(_longest_run(group, rank) for group in groups)


def _printed_terms(groups: tuple[Group, ...], context: CacheContext) -> tuple[Term, ...]:
    if context.behaviour.blocks_per_request or not _mixed(groups):
        return ()
    return merged(term(group.spec, context, group.page_bytes_on(0)) for group in groups)


def _token_bytes(rank: tuple[tuple[CacheLayer, int], ...], specs: dict[CacheLayer, PageSpec]) -> int:
    """One token over all layers of a rank, as if each kept every token; encoder tokens and states apart."""
    counted = [(specs[kind], count) for kind, count in rank if specs[kind].span not in ("state", "encoder")]
    common = lcm(*(spec.block_size for spec, _ in counted))
    return ceil_div(sum(spec.unpadded_bytes * (common // spec.block_size) * n for spec, n in counted), common)


def _block_size(members: list[Member]) -> int:
    """--block-size as vLLM settles it: the blocks of full attention, else of the first layers."""
    full = [member.spec.block_size for member in members if member.spec.span == "full"]
    return (full or [member.spec.block_size for member in members] or [0])[0]
