"""The ways out, in the order of what people give up least of: settings, the cache's precision, inputs, length, users, the
weights' precision, money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from vram.ask.changes import axes as of
from vram.ask.changes.axes import Axis, Step
from vram.ask.changes.trying import Trials, holds
from vram.ask.limits import longest_context
from vram.estimate.parts import Parts
from vram.estimate.verdict.cell import obstacle_of
from vram.units import counted

_SHORTEST = 256  # a context below it is no answer
_ROUND = 1024  # what people type
_SLACK = (1.0, 0.97, 0.9, 0.75, 0.5)  # of the longest context, to what holds with the least pool, too
_ENOUGH = 2  # ways that give up one thing; with fewer, pairs are looked for

Way = tuple[Step, ...]


def ways_out(trials: Trials, parts: Parts) -> Iterator[Way]:
    """Ways out of `parts`, which are the trials' own with the repairs made."""
    if holds(parts):
        yield ()
        return
    free, kept = _Supports(parts), of.cache_dtype(parts)
    structural = (of.checkpoints(parts), of.layouts(parts))
    found = 0
    for way in _one_thing_less(trials, parts, free, kept, structural):
        found += 1
        yield way
    for steps in (*structural, of.other_gpus(parts, less_work=True)) if found < _ENOUGH else ():
        yield from _next(way for step in steps for way in _less_work(trials, (step,)))


def _one_thing_less(
    trials: Trials, parts: Parts, free: _Supports, kept: Axis, structural: tuple[Axis, ...]
) -> Iterator[Way]:
    """Ways that give up one thing, and settings where they must."""
    hand = of.by_hand(parts)
    if hand and trials.holds(hand):
        yield hand
    obstacle = obstacle_of(parts)
    loads = obstacle != "weights"  # else nothing that leaves the weights as they are helps
    if obstacle == "mamba_blocks":  # each sequence needs a block: the refusal names what to change
        yield from _with_supports(trials, of.sequences(parts), free.sets)
    if loads:
        yield from _next(_settings(trials, free))
    for headline in (kept if loads else (), of.media(parts), of.draft(parts)):
        yield from _with_supports(trials, headline, free.sets)
    if loads:
        yield from _next(way for supports in free.sets for way in _shorter(trials, _ends(supports)))
        if kept and not trials.holds(kept):
            yield from _shorter(trials, kept)
        yield from _next(way for supports in ((), free.cheap) for way in _fewer_users(trials, _ends(supports)))
    published, layouts = structural
    yield from _smaller(trials, published, free)
    yield from _first(trials, layouts, ((), free.cheap, free.less, free.light, free.sets[-1]))
    yield from _with_supports(trials, of.offload(parts), ((), free.cheap))
    yield from _next((step,) for step in of.other_gpus(parts) if trials.holds((step,)))


def _settings(trials: Trials, free: _Supports) -> Iterator[Way]:
    """Settings alone."""
    sets = (free.less, *(free.sets[1:] if trials.may(_ends(free.sets[-1])) else ()))
    plain = (trials.least(supports, fixed=0) for supports in sets if supports)
    yield from (way for way in plain if way is not None)


def _next(ways: Iterator[Way]) -> Iterator[Way]:
    """The first of some ways."""
    yield from islice(ways, 1)


def _ends(supports: Iterable[Axis]) -> Way:
    return tuple(axis[-1] for axis in supports)


class _Supports:
    """Settings that cost people little: growing sets of them (none, more of the GPU, smaller batches, fewer sequences, no
    graphs), `cheap` and `light` for what costs much anyway, and `less` of the GPU, for graphs that find no room beside the cache.
    """

    def __init__(self, parts: Parts) -> None:
        more, batch = of.more_of_it(parts), of.batch(parts)
        sequences, eager = of.sequences(parts), of.eager(parts)
        self.less = _given((of.less_of_it(parts),))
        self.cheap, self.light = _given((batch, more)), _given((sequences, batch, more))
        self.sets = tuple(dict.fromkeys(((), _given((more,)), self.cheap, self.light, _given((eager, *self.light)))))


def _given(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis)


def _with_supports(trials: Trials, headline: Axis, sets: Sequence[tuple[Axis, ...]]) -> Iterator[Way]:
    """The headline alone, or beside the first set of settings with which it is enough."""
    if headline and trials.may((headline[-1], *_ends(sets[-1]))):
        tried = (trials.least((headline, *supports), fixed=1) for supports in sets)
        yield from _next(way for way in tried if way is not None)


def _less_work(trials: Trials, beside: Way) -> Iterator[Way]:
    """Fewer users, else a shorter context, else one user and a shorter context, beside steps that are not enough alone."""
    ways = chain(_fewer_users(trials, beside), _shorter(trials, beside))
    one = Step(arguments={"concurrency": 1}, gives_up="more than 1 request at once")
    yield from _next(chain(ways, _shorter(trials, (*beside, one))))


def _shorter(trials: Trials, beside: Way) -> Iterator[Way]:
    """The longest context that holds, as it is typed."""
    parts = trials.ask(beside)
    longest = longest_context(parts) if parts is not None else 0
    for slack in _SLACK:
        length = _rounded(int(longest * slack))
        if length < _SHORTEST:
            return
        if parts is not None and length >= parts.plan.max_model_len:
            continue  # no shorter than it is
        step = Step(arguments={"max_model_len": length}, gives_up=f"context beyond {length:,} tokens")
        if trials.holds((*beside, step)):
            yield (*beside, step)
            return


def _rounded(length: int) -> int:
    return length // _ROUND * _ROUND if length >= 2 * _ROUND else length // 16 * 16


def _fewer_users(trials: Trials, beside: Way) -> Iterator[Way]:
    """As many users as the cache holds, if any and fewer than asked."""
    parts = trials.ask(beside)
    asked = trials.parts.question.deployment.concurrency
    users = min(parts.most_requests(parts.plan.max_model_len), asked - 1) if parts and parts.plan.groups else 0
    for count in dict.fromkeys(int(users * slack) for slack in _SLACK):
        step = Step(arguments={"concurrency": count}, gives_up=f"more than {counted(count, 'request')} at once")
        if count >= 1 and trials.holds((*beside, step)):
            yield (*beside, step)
            return


def _first(trials: Trials, steps: Axis, sets: Sequence[tuple[Axis, ...]]) -> Iterator[Way]:
    """The first step that is enough, beside as little as it takes of the first set of settings with which it is."""
    yield from _next(way for step in steps for way in _with_supports(trials, (step,), sets))


def _smaller(trials: Trials, published: Axis, free: _Supports) -> Iterator[Way]:
    """The largest published checkpoint that is enough; where none is, one with less work: still cheaper than another GPU."""
    ways = _first(trials, published, ((), free.cheap))
    less = ((step, *_ends(supports)) for step in published for supports in (free.cheap, free.sets[-1]))
    yield from _next(chain(ways, (way for beside in less for way in _less_work(trials, beside))))
