"""PyTorch's caching allocator as far as its large pool decides what stays reserved.

`c10/cuda/CUDACachingAllocator.cpp` (2.8): above 1 MiB the best fitting free block is taken and split where more than 1 MiB is left,
else a new segment: 20 MiB for what is below 10 MiB, else a multiple of 2 MiB. `empty_cache` gives wholly free segments back.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from vram.models.parameters import round_up
from vram.units import MIB

_ROUNDING, _SMALL, _OWN, _SHARED, _STEP = 512, MIB, 10 * MIB, 20 * MIB, 2 * MIB


class Block(NamedTuple):
    """A piece of a segment; segment 0 stands for the small pool, whose bytes are only counted."""

    size: int
    segment: int
    start: int


class Allocator:
    """`live` bytes are handed out, `reserved` ones taken from the device."""

    def __init__(self) -> None:
        self._segments: dict[int, int] = {}
        self._free: list[Block] = []  # by size
        self._starts: dict[tuple[int, int], Block] = {}
        self._ends: dict[tuple[int, int], Block] = {}
        self._made = 0
        self._small = 0
        self.live = 0

    @property
    def reserved(self) -> int:
        """What the device has given."""
        return sum(self._segments.values()) + self._small

    def take(self, size: int) -> Block:
        """A block for so many bytes."""
        size = round_up(size, _ROUNDING)
        if size <= _SMALL:
            self._small += size
            self.live += size
            return Block(size, 0, 0)
        at = bisect_left(self._free, Block(size, 0, 0))
        block = self._free[at] if at < len(self._free) else self._segment(size)
        if at < len(self._free):
            self._remove(block)
        if block.size - size > _SMALL:
            self._insert(Block(block.size - size, block.segment, block.start + size))
            block = Block(size, block.segment, block.start)
        self.live += block.size
        return block

    def give(self, block: Block) -> None:
        """A block back to the cache, joined with its free neighbours."""
        self.live -= block.size
        if not block.segment:
            self._small -= block.size
            return
        before = self._ends.get((block.segment, block.start))
        after = self._starts.get((block.segment, block.start + block.size))
        for neighbour in (before, after):
            if neighbour is not None:
                self._remove(neighbour)
        start = before.start if before else block.start
        size = block.size + (before.size if before else 0) + (after.size if after else 0)
        self._insert(Block(size, block.segment, start))

    def empty_cache(self) -> None:
        """Wholly free segments back to the device."""
        for block in [one for one in self._free if one.size == self._segments[one.segment]]:
            self._remove(block)
            del self._segments[block.segment]

    def _segment(self, size: int) -> Block:
        self._made += 1
        self._segments[self._made] = _SHARED if size < _OWN else round_up(size, _STEP)
        return Block(self._segments[self._made], self._made, 0)

    def _insert(self, block: Block) -> None:
        insort(self._free, block)
        self._starts[block.segment, block.start] = block
        self._ends[block.segment, block.start + block.size] = block

    def _remove(self, block: Block) -> None:
        del self._free[bisect_left(self._free, block)]
        del self._starts[block.segment, block.start]
        del self._ends[block.segment, block.start + block.size]
