"""Groups whose blocks hold pages of different sizes: DeepSeek-V4 and other block-outermost layouts.

Two generations of rules: `_get_packed_kv_cache_groups` (0.29 and later) and `_get_kv_cache_groups_uniform_groups`
(0.20 to 0.28).
"""

from __future__ import annotations

from vram.estimate.cache.members import Group, Member, deal, same_type
from vram.models.parameters import ceil_div
from vram.models.record import evolve, frozen


@frozen(kw_only=True)
class _Bucket:
    """Layers of one type. In a balanced one every page size has as many layers: a repeating pattern."""

    members: tuple[Member, ...]

    @property
    def by_page(self) -> dict[int, list[Member]]:
        pages: dict[int, list[Member]] = {}
        for member in self.members:
            pages.setdefault(member.spec.page_bytes, []).append(member)
        return pages

    @property
    def lengths(self) -> list[int]:
        return [sum(member.total for member in members) for members in self.by_page.values()]

    @property
    def balanced(self) -> bool:
        return len(set(self.lengths)) == 1

    @property
    def repeats(self) -> int:
        """Layers of the most frequent page size."""
        return max(self.lengths)

    @property
    def layers(self) -> int:
        return sum(self.lengths)

    def widest(self, groups: int) -> int:
        """Bytes of the largest of the groups this bucket splits into."""
        return sum(ceil_div(length, groups) * page for page, length in zip(self.by_page, self.lengths, strict=True))

    def split(self, groups: int) -> list[Group]:
        if groups == 1:
            return [Group(members=self.members)]
        hands = [deal(members, groups) for members in self.by_page.values()]
        return [
            Group(members=tuple(member for hand in hands if index < len(hand) for member in hand[index]))
            for index in range(max(map(len, hands)))
        ]


def packed_groups(members: list[Member]) -> tuple[Group, ...]:
    """Buckets of one type each, split so that all groups fill a block about equally."""
    buckets = _buckets(members)
    floor = max((b.repeats for b in buckets if b.balanced and len(b.lengths) > 1), default=0)
    repeats = approximate_gcd([b.repeats for b in buckets if b.balanced], floor) if floor else None

    def is_state(bucket: _Bucket) -> bool:
        span = bucket.members[0].spec.span
        return span == "state" or (repeats is None and span == "window")

    def count(bucket: _Bucket) -> int:
        return ceil_div(bucket.repeats, repeats) if repeats is not None and bucket.balanced else 1

    anchor = max(b.widest(b.layers if is_state(b) else count(b)) for b in buckets)
    groups: list[Group] = []
    for bucket in buckets:
        number = count(bucket)
        if is_state(bucket):
            # a state group never widens the block that the others need
            per_block = max(anchor // bucket.members[0].spec.page_bytes, 1)
            number = max(number, ceil_div(bucket.layers, per_block))
        groups += bucket.split(number)
    return tuple(groups)


def _buckets(members: list[Member]) -> list[_Bucket]:
    buckets: list[list[Member]] = []
    for member in members:
        for bucket in buckets:
            if same_type([*(m.spec for m in bucket), member.spec]):
                bucket.append(member)
                break
        else:
            buckets.append([member])
    return [_Bucket(members=tuple(bucket)) for bucket in buckets]


def tuple_groups(members: list[Member], *, pad: bool) -> tuple[Group, ...]:
    """All full layers in one group, windowed ones split to the length of its pattern (0.20 to 0.28).

    `pad` rounds a windowed page up to the next page of the full layers, as done up to 0.26.
    """
    full = _Bucket(members=tuple(m for m in members if m.spec.span == "full"))
    windows: dict[tuple[int, int], list[Member]] = {}
    for member in members:
        if member.spec.span == "window":
            windows.setdefault((member.spec.block_size, member.spec.window), []).append(member)
    if not full.members:
        return packed_groups(members)
    pages = sorted(full.by_page)
    buckets = []
    for layers in windows.values():
        padded = [_padded(member, pages) for member in layers] if pad else layers
        buckets.append(_Bucket(members=tuple(padded)))
    length = approximate_gcd([full.repeats, *(b.repeats for b in buckets)], full.repeats)
    groups = [Group(members=full.members)]
    for bucket in buckets:
        groups += bucket.split(ceil_div(bucket.repeats, length))
    return tuple(groups)


def _padded(member: Member, pages: list[int]) -> Member:
    page = next((p for p in pages if p >= member.spec.page_bytes), member.spec.page_bytes)
    return evolve(member, spec=evolve(member.spec, page_bytes=page))


def approximate_gcd(values: list[int], lower: int) -> int:
    """The step from `lower` to the largest value that pads the values least; of equal ones the largest."""
    steps = range(max(1, lower), max(values) + 1)
    return min(steps, key=lambda d: (sum(-v % d for v in values), -d), default=max(1, lower))
