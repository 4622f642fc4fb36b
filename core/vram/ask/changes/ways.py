"""The ways out, in the order of what people give up least of: settings, the cache's precision, inputs, length, users, the
weights' precision, money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vram.ask.changes import axes as of
from vram.ask.changes.axes import Axis, Step
from vram.ask.changes.trying import Trials, holds
from vram.ask.limits import longest_context
from vram.estimate.parts import Parts
from vram.units import counted

_SHORTEST = 256  # a context below it is no answer
_ROUND = 1024  # what people type
_SLACK = (1.0, 0.97, 0.9, 0.75, 0.5)  # of the longest context, to what holds with the least pool, too
_OTHER_GPUS = 24  # kinds of GPU asked about

Way = tuple[Step, ...]


def ways_out(trials: Trials, parts: Parts) -> Iterator[Way]:
    """Ways out of `parts`, which are the trials' own with the repairs made."""
    if holds(parts):
        yield ()
        return
    free = _Supports(parts)
    hand = of.by_hand(parts)
    if hand and trials.holds(hand):
        yield hand
    for supports in (free.less, *free.sets[1:]):
        found = trials.least(supports, fixed=0) if supports else None
        if found is not None:
            yield found
            break
    kept = of.cache_dtype(parts)
    for headline in (kept, of.media(parts), of.draft(parts)):
        yield from _with_supports(trials, headline, free.sets)
    yield from _shorter(trials, free.sets, ())
    if kept and not trials.holds(kept):
        yield from _shorter(trials, free.sets[:1], kept)
    yield from _fewer_users(trials, parts, free)
    yield from _published(trials, parts, free)
    yield from _first(trials, of.layouts(parts), (free.cheap, free.less))
    yield from _with_supports(trials, of.offload(parts), (free.cheap,))
    yield from _other_gpus(trials, parts)


class _Supports:
    """Settings that cost people little: growing sets of them (none, more of the GPU, smaller batches, fewer sequences, no
    graphs), `cheap` for what costs much anyway, and `less` of the GPU, for graphs that find no room beside the cache.
    """

    def __init__(self, parts: Parts) -> None:
        more, batch = of.more_of_it(parts), of.batch(parts)
        sequences, eager = of.sequences(parts), of.eager(parts)
        sets: list[list[Axis]] = [[], [more], [batch, more], [sequences, batch, more], [eager, sequences, batch, more]]
        self.less = _given((of.less_of_it(parts),))
        self.cheap = _given((batch, more))
        self.sets = tuple(dict.fromkeys(_given(one) for one in sets))


def _given(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis)


def _with_supports(trials: Trials, headline: Axis, sets: Sequence[tuple[Axis, ...]]) -> Iterator[Way]:
    """The headline alone, or beside the first set of settings with which it is enough."""
    for supports in sets if headline else ():
        found = trials.least((headline, *supports), fixed=1)
        if found is not None:
            yield found
            return


def _shorter(trials: Trials, sets: Sequence[tuple[Axis, ...]], headline: Axis) -> Iterator[Way]:
    """The longest context that holds, as it is typed; beside settings only where nothing holds without."""
    for supports in sets:
        beside = (*headline[:1], *(axis[-1] for axis in supports))
        parts = trials.ask(beside)
        longest = longest_context(parts) if parts is not None else 0
        for slack in _SLACK:
            length = _rounded(int(longest * slack))
            if length < _SHORTEST:
                break
            step = Step(arguments={"max_model_len": length}, gives_up=f"context beyond {length:,} tokens")
            if trials.holds((*beside, step)):
                yield (*beside, step)
                return


def _rounded(length: int) -> int:
    return length // _ROUND * _ROUND if length >= 2 * _ROUND else length // 16 * 16


def _fewer_users(trials: Trials, parts: Parts, free: _Supports) -> Iterator[Way]:
    """As many users as the cache holds; beside settings only where it holds none without."""
    asked = parts.question.deployment.concurrency
    for supports in ((), free.cheap) if asked > 1 and parts.plan.groups else ():
        beside = tuple(axis[-1] for axis in supports)
        enough = trials.ask(beside)
        users = min(enough.most_requests(enough.plan.max_model_len), asked - 1) if enough is not None else 0
        for count in dict.fromkeys(int(users * slack) for slack in _SLACK):
            step = Step(arguments={"concurrency": count}, gives_up=f"more than {counted(count, 'request')} at once")
            if count >= 1 and trials.holds((*beside, step)):
                yield (*beside, step)
                return


def _published(trials: Trials, parts: Parts, free: _Supports) -> Iterator[Way]:
    """The first published checkpoint that is enough: those that take more keep more. Else the one that holds the longest context."""
    published = of.checkpoints(parts)
    found = tuple(_first(trials, published, (free.cheap,)))
    if found or not published:
        yield from found
    else:
        yield from _shorter(trials, free.sets[:1], published[-1:])


def _first(trials: Trials, steps: Axis, sets: Sequence[tuple[Axis, ...]]) -> Iterator[Way]:
    """The first step that is enough, beside as little as it takes of the first set of settings with which it is."""
    for step in steps:
        tried = (trials.least(((step,), *supports), fixed=1) for supports in sets)
        found = next((way for way in tried if way is not None), None)
        if found is not None:
            yield found
            return


def _other_gpus(trials: Trials, parts: Parts) -> Iterator[Way]:
    """The smallest GPU on which it holds. GPUs of one memory and capability are asked about once."""
    seen: set[tuple[int, tuple[int, int]]] = set()
    for step in of.other_gpus(parts):
        gpu = step.again["hardware"].gpu
        kind = (gpu.memory_bytes >> 30, gpu.compute_capability)
        if kind in seen or gpu.memory_bytes < parts.weights_bytes:
            continue
        seen.add(kind)
        if len(seen) > _OTHER_GPUS:
            return
        if trials.holds((step,)):
            yield (step,)
            return
