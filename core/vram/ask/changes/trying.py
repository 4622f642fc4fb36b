"""One deployment asked with other arguments, as often as a search likes: what was answered once is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vram.ask.changes.axes import Axis, Step
from vram.ask.resolve import parts_of
from vram.estimate.parts import Parts
from vram.estimate.verdict.cell import obstacle_of
from vram.estimate.verdict.certainty import captures, starts_at

#: a position on each axis: -1 is as asked, else the number of a step
Places = tuple[int, ...]


def holds(parts: Parts | None) -> bool:
    """Whether it starts, with the least pool of the interval too, and what was asked fits."""
    return parts is not None and not obstacle_of(parts) and starts_at(parts, least=True)


class Trials:
    """The same question under other arguments; `base` are changes without which nothing helps."""

    def __init__(self, parts: Parts, base: Sequence[Step] = ()) -> None:
        self.parts = parts
        self.base = tuple(base)
        self._asked: dict[tuple[int, ...], Parts | None] = {}
        self._kept: dict[int, Step] = {}  # ids are keys while their steps live

    def ask(self, steps: Iterable[Step]) -> Parts | None:
        """The parts with these steps made; None where vLLM takes no such thing."""
        made = (*self.base, *steps)
        if not made:
            return self.parts
        key = tuple(sorted(id(step) for step in made))
        if key not in self._asked:
            self._kept.update((id(step), step) for step in made)
            self._asked[key] = parts_of(self.parts.question, **_together(step.asked for step in made))
        return self._asked[key]

    def holds(self, steps: Iterable[Step]) -> bool:
        """Whether these steps are a way out."""
        return holds(self.ask(steps))

    def may(self, steps: Iterable[Step]) -> bool:
        """Whether these steps are a way out, or might be with less of the GPU: graphs find no room beside the pool."""
        parts = self.ask(steps)
        return holds(parts) or (parts is not None and not captures(parts, least=True))

    def least(self, axes: Sequence[Axis], *, fixed: int) -> tuple[Step, ...] | None:
        """A way out on these axes that gives up little; None where none is found. The first `fixed` axes always move.

        From the far end of every axis each one is brought back, the dearest first, as far as the deployment still holds.
        More of the GPU is no help where graphs find no room beside the pool, nor is less of it where the pool is too small
        then: where one of these is what fails, places nearer than the ends are tried, too.
        """
        ends = _far_ends(axes)
        if not any(self.may(_steps(axes, at)) for at in (ends[0], ends[-1])):
            return None
        start = next((at for at in ends if self.holds(_steps(axes, at))), None)
        if start is None:
            return None
        for axis in range(len(axes)):
            start = self._brought_back(axes, start, axis, lowest=0 if axis < fixed else -1)
        return _steps(axes, start)

    def _brought_back(self, axes: Sequence[Axis], at: Places, axis: int, *, lowest: int) -> Places:
        """The nearest place on one axis at which it still holds; nearer ones that hold are taken to hold in between."""
        low, high = lowest, at[axis]
        while low < high:
            middle = (low + high) // 2
            tried = (*at[:axis], middle, *at[axis + 1 :])
            if self.holds(_steps(axes, tried)):
                high = middle
            else:
                low = middle + 1
        return (*at[:axis], high, *at[axis + 1 :])


def _together(asked: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for one in asked for name, value in one.items()}


def _far_ends(axes: Sequence[Axis]) -> tuple[Places, ...]:
    """The ends of all axes, then nearer places on each."""
    ends = tuple(len(axis) - 1 for axis in axes)
    return tuple(dict.fromkeys(tuple(end // part for end in ends) for part in (1, 2, 4, 8)))


def _steps(axes: Sequence[Axis], at: Places) -> tuple[Step, ...]:
    return tuple(axis[place] for axis, place in zip(axes, at, strict=True) if place >= 0)
