"""Which layers share a block table: `get_kv_cache_groups` of `v1/core/kv_cache_utils.py`, for counts instead of names.

A layer's place within its kind is all that grouping asks of its name: vLLM lists the layers of rank 0, then those
of rank 1, and so on, and deals them out to the groups of their kind one after the other.
"""

from __future__ import annotations

from vram.estimate.cache.members import Group, Member, deal, same_type
from vram.estimate.cache.packing import packed_groups, tuple_groups
from vram.models.parameters import ceil_div
from vram.models.record import evolve
from vram.vllm.cache_rules import CacheRules


def group_layers(
    members: list[Member], rules: CacheRules, *, padding_factor: float, hybrid_manager: bool
) -> tuple[Group, ...]:
    """The groups of a whole model (all pipeline ranks), in vLLM's order; none for a model without cache.

    `padding_factor` is how much longer than the shortest kind the longest may be to set the group size;
    without the `hybrid_manager`, windows and chunks keep every token.
    """
    members = [member for member in members if member.total and member.spec.page_bytes]
    if not members:
        return ()
    if len(members) > 1:
        members = _promoted(members, windows=not hybrid_manager or not rules.window_groups,
                            chunks=not hybrid_manager or not rules.chunk_groups)  # fmt: skip
    if len(members) == 1 or _one_group(members, rules):
        return (Group(members=tuple(members)),)
    if any(member.spec.packed for member in members) and len({m.spec.page_bytes for m in members}) > 1:
        if rules.packing == "layout":
            return packed_groups(members)
        return tuple_groups(members, pad=rules.packing in ("tuples", "slots"))
    unified = _unified(members)
    if unified is None:
        return (Group(members=tuple(_promoted(members, windows=True, chunks=False))),)
    return _equal_groups(unified, padding_factor, interleaved=rules.interleaved)


def _one_group(members: list[Member], rules: CacheRules) -> bool:
    specs = [member.spec for member in members]
    if not same_type(specs):
        return False
    # before 0.11 only equal pages made one group; mixed ones were an error, and are taken together here
    return rules.uniform_type or len({spec.page_bytes for spec in specs}) == 1 or specs[0].span == "full"


def _promoted(members: list[Member], *, windows: bool, chunks: bool) -> list[Member]:
    """Windowed layers next to full attention allocated like it: every token, in its blocks (`unify_hybrid_...`)."""
    full = {member.spec.block_size for member in members if member.spec.span == "full"}
    spans = {"window"} if windows else set()
    spans |= {"chunk"} if chunks else set()
    if not full or same_type([member.spec for member in members]):
        return members
    block = next(iter(full)) if len(full) == 1 else None
    return [_all_tokens(member, block) if member.spec.span in spans else member for member in members]


def _all_tokens(member: Member, block: int | None) -> Member:
    spec = member.spec
    size = block or spec.block_size
    unpadded = spec.unpadded_bytes * size // spec.block_size
    page = max(unpadded, spec.page_bytes) if spec.page_bytes > spec.unpadded_bytes else unpadded
    return evolve(
        member,
        spec=evolve(
            spec,
            kind="mla_attention" if spec.latent else "full_attention",
            span="full",
            window=0,
            block_size=size,
            page_bytes=page,
            unpadded_bytes=unpadded,
        ),
    )


def _unified(members: list[Member]) -> list[Member] | None:
    """Every page at the size of the largest: longer blocks where they divide, padding otherwise.

    None where a latent page would have to be padded next to ordinary windows: those become full attention then
    (`unify_kv_cache_spec_page_size`, `_try_get_full_allocation_fallback_groups`).
    """
    largest = max(member.spec.page_bytes for member in members)
    unified = []
    for member in members:
        spec = member.spec
        if spec.page_bytes != largest and spec.span != "state" and largest % spec.page_bytes == 0:
            ratio = largest // spec.page_bytes
            spec = evolve(spec, block_size=spec.block_size * ratio, unpadded_bytes=spec.unpadded_bytes * ratio)
        elif spec.page_bytes != largest and spec.latent and any(m.spec.span == "window" for m in members):
            return None
        unified.append(evolve(member, spec=evolve(spec, page_bytes=largest)))
    return unified


def _equal_groups(members: list[Member], padding_factor: float, *, interleaved: bool) -> tuple[Group, ...]:
    """Groups of one kind and one length each: the shortest kind's, or the longest's where it is little longer."""
    kinds: dict[object, list[Member]] = {}
    for member in members:
        kinds.setdefault(member.spec, []).append(member)
    lengths = [sum(member.total for member in kind) for kind in kinds.values()]
    size = max(lengths) if max(lengths) < min(lengths) * padding_factor else min(lengths)
    groups: list[Group] = []
    for kind, length in zip(kinds.values(), lengths, strict=True):
        groups += [
            Group(members=tuple(hand)) for hand in deal(kind, ceil_div(length, size), run=0 if interleaved else size)
        ]
    return tuple(groups)
