"""Layers of a model as the grouping rules see them: pages with counts per pipeline rank."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.cache import PageSpec
from vram.models.record import evolve, frozen


@frozen(kw_only=True)
class Member:
    """Layers with the same page, and how many of them each pipeline rank holds."""

    spec: PageSpec
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@frozen(kw_only=True)
class Group:
    """Layers that share a block table. A block of the group is one page of each of its layers."""

    members: tuple[Member, ...]

    @property
    def spec(self) -> PageSpec:
        """The first layer's page, which stands for the group."""
        return self.members[0].spec

    @property
    def layers(self) -> int:
        return sum(member.total for member in self.members)

    def page_bytes_on(self, rank: int) -> int:
        """Bytes of one block of this group on a pipeline rank."""
        return sum(member.spec.page_bytes * member.counts[rank] for member in self.members)


def deal(members: Iterable[Member], groups: int, *, run: int = 0) -> list[list[Member]]:
    """Layers dealt out to `groups` groups: layer i to group i mod `groups`, or in runs of `run` consecutive ones.

    Layers count through the members in order, and through the ranks within a member.
    """
    hands: list[list[Member]] = [[] for _ in range(groups)]
    position = 0
    for member in members:
        starts = []
        for count in member.counts:
            starts.append(position)
            position += count
        for index in range(groups):
            counts = tuple(
                _in_run(start, start + count, index, run) if run else _landing(start, start + count, index, groups)
                for start, count in zip(starts, member.counts, strict=True)
            )
            if any(counts):
                hands[index].append(evolve(member, counts=counts))
    return [hand for hand in hands if hand]


def _landing(start: int, stop: int, index: int, groups: int) -> int:
    """How many of the places start..stop-1 are `index` modulo `groups`."""
    return (stop - index + groups - 1) // groups - (start - index + groups - 1) // groups


def _in_run(start: int, stop: int, index: int, run: int) -> int:
    """How many of the places start..stop-1 lie in the run of number `index`."""
    return max(0, min(stop, (index + 1) * run) - max(start, index * run))


def same_type(specs: list[PageSpec]) -> bool:
    """Whether layers may form one group of mixed sizes (`UniformTypeKVCacheSpecs.is_uniform_type`)."""
    first = specs[0]
    return all(_type_key(spec) == _type_key(first) for spec in specs[1:])


def _type_key(spec: PageSpec) -> tuple[object, ...]:
    if spec.span == "state":
        return (spec.span, spec.block_size, spec.page_bytes, spec.state_blocks)
    if spec.span in ("window", "chunk"):
        return (spec.span, spec.block_size, spec.window, spec.latent)
    return (spec.span, spec.block_size)
