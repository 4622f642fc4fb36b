"""Ready changes: other answers to nearly the same question, each asked and found to fit before it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vram.ask import judge_cell, published_variants, redeploy
from vram.errors import VramError
from vram.models.estimate import Change
from vram.models.record import frozen
from vram.units import GIB, counted
from vram_plugins.web.answers import Shown
from vram_plugins.web.fields import label_of
from vram_plugins.web.keys import canonical
from vram_plugins.web.state import change_fields

_MOST = 5
_NOTABLY = 1.2  # times what was asked: less is no news
_ENGINE = "tensor_parallel_size", "pipeline_parallel_size"


@frozen(kw_only=True)
class Chip:
    """A change as a person reads it: what, what comes of it, what it costs; `fields` are the page's."""

    what: str
    comes: str
    costs: str
    fields: Mapping[str, str]


def chips_of(found: Shown) -> tuple[Chip, ...]:
    """Three to five changes where there are so many: ways out of a refusal, or what else the same hardware would do."""
    offered = _more(found) if found.surely_fits else (*_ways_out(found), *_less(found))
    chosen: dict[tuple[tuple[str, str], ...], Chip] = {}
    for chip in offered:
        state = canonical({**found.state, **chip.fields})
        if state != canonical(found.state):
            chosen.setdefault(tuple(state.items()), chip)
    return tuple(chosen.values())[:_MOST]


def fields_for(found: Shown, arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """The fields that a change's arguments set; None where one of the other flags has to go.

    The page says the number of GPUs in one field: whoever changes one parallel size says them all.
    """
    if set(_ENGINE) & arguments.keys():
        facts = found.estimate.deployment
        arguments = {**{name: getattr(facts, name) for name in _ENGINE}, **arguments}
    return change_fields(arguments, found.state.get("flags", ""))


def _ways_out(found: Shown) -> Iterator[Chip]:
    """The library's, one of each kind first."""
    kinds: dict[frozenset[str], list[Change]] = {}
    for change in found.estimate.verdict.changes:
        kinds.setdefault(frozenset(change.arguments), []).append(change)
    turns = max(map(len, kinds.values()), default=0)
    for turn in range(turns):
        for changes in kinds.values():
            fields = fields_for(found, changes[turn].arguments) if turn < len(changes) else None
            if fields:
                change = changes[turn]
                yield Chip(what=_words(change), comes=_held(change), costs=change.gives_up, fields=fields)


def _less(found: Shown) -> Iterator[Chip]:
    """The same with less asked of it."""
    limits, facts = found.estimate.limits, found.estimate.deployment
    length, users = limits.max_context_at_concurrency, limits.max_concurrency_at_context
    if 0 < length < facts.max_model_len and _fits(found, max_model_len=length):
        yield _context(length, facts.concurrency, f"context beyond {length:,} tokens")
    if 0 < users < facts.concurrency and _fits(found, concurrency=users):
        yield _users(users, facts.max_model_len, f"more than {counted(users, 'user')} at once")


def _more(found: Shown) -> Iterator[Chip]:
    """What the hardware would do besides, or with less of it."""
    limits, facts = found.estimate.limits, found.estimate.deployment
    yield from _fewer_gpus(found)
    users, length = limits.max_concurrency_at_context, limits.max_context_at_concurrency
    if users > facts.concurrency and _fits(found, concurrency=users):
        yield _users(users, facts.max_model_len, "")
    longest = min(length, found.longest)
    if longest > facts.max_model_len * _NOTABLY and _fits(found, max_model_len=longest):
        yield _context(longest, facts.concurrency, "")
    if not found.question.kv_dtype.quantized and found.estimate.kv_cache.groups:
        most = _most(found, kv_cache_dtype="fp8")
        if most > users * _NOTABLY:
            yield Chip(
                what="fp8 KV cache",
                comes=f"room for {counted(most, 'user')}",
                costs="precision of the KV cache",
                fields={"kv_cache_dtype": "fp8"},
            )
    yield from _quantized(found, users)


def _fewer_gpus(found: Shown) -> Iterator[Chip]:
    facts = found.estimate.deployment
    present = facts.tensor_parallel_size * facts.pipeline_parallel_size
    for count in (2**n for n in range(10)):
        if count < present and _fits(found, tensor_parallel_size=count, pipeline_parallel_size=1):
            yield Chip(
                what=counted(count, "GPU"),
                comes="does the same",
                costs="speed",
                fields={"gpus": str(count), "tensor_parallel_size": "", "pipeline_parallel_size": ""},
            )
            return


def _quantized(found: Shown, users: int) -> Iterator[Chip]:
    """The published checkpoint of the model that leaves the most room."""
    question = found.question
    if question.checkpoint.quantization or question.deployment.args.quantization:
        return
    held = [
        (_most(found, checkpoint=one.checkpoint), one.published) for one in published_variants(question.checkpoint.id)
    ]
    most, published = max(held, key=lambda pair: pair[0], default=(0, None))
    if published is not None and most > users * _NOTABLY:
        yield Chip(
            what=published.id.rpartition("/")[2],
            comes=f"room for {counted(most, 'user')}",
            costs=f"precision of the weights ({published.quantization})",
            fields={"model": published.id, "revision": ""},
        )


def _context(length: int, users: int, costs: str) -> Chip:
    told = f"the longest for {counted(users, 'user')}"
    return Chip(what=f"{length:,} tokens", comes=told, costs=costs, fields={"max_model_len": str(length)})


def _users(users: int, length: int, costs: str) -> Chip:
    told = f"the most with {length:,} tokens each"
    return Chip(what=counted(users, "user"), comes=told, costs=costs, fields={"concurrency": str(users)})


def _fits(found: Shown, **changes: Any) -> bool:
    return _judged(found, changes, lambda cell: bool(cell.surely_fits)) is True


def _most(found: Shown, **changes: Any) -> int:
    """The most requests that fit so; 0 where it does not surely start."""
    return int(_judged(found, changes, lambda cell: cell.most_requests if cell.surely_fits else 0) or 0)


def _judged(found: Shown, changes: Mapping[str, Any], of: Callable[[Any], Any]) -> Any:
    try:
        return of(judge_cell(redeploy(found.question, **changes)))
    except VramError:
        return None


def _held(change: Change) -> str:
    """What a change leads to."""
    length, users = change.limits.max_context_at_concurrency, change.limits.max_concurrency_at_context
    return f"fits: to {length:,} tokens, {counted(users, 'user')}" if length else "starts and fits"


def _words(change: Change) -> str:
    """A change's arguments in the page's words."""
    left = dict(change.arguments)
    told = []
    count = (left.pop("tensor_parallel_size", None) or 1) * (left.pop("pipeline_parallel_size", None) or 1)
    if "gpu" in left:
        told.append(f"{count} × {left.pop('gpu')}")
    elif set(_ENGINE) & change.arguments.keys():
        told.append(_layout(change.arguments))
    for name, value in left.items():
        told.append(_one(name, value))
    return ", ".join(told)


def _layout(arguments: Mapping[str, Any]) -> str:
    tensor, pipeline = (arguments.get(name) for name in _ENGINE)
    if pipeline in (None, 1):
        return counted(tensor or 1, "GPU")
    return f"{tensor} × {pipeline} GPUs" if tensor else f"{pipeline} stages"


def _one(name: str, value: Any) -> str:
    match name:
        case "model":
            return str(value).rpartition("/")[2]
        case "max_model_len":
            return f"{value:,} tokens"
        case "concurrency":
            return counted(value, "user")
        case "kv_cache_dtype":
            return f"{value} KV cache"
        case "gpu_memory_utilization":
            return f"{value:g} of the GPU's memory"
        case "cpu_offload_gb":
            return f"{value:g} GiB of weights in host memory"
        case "kv_cache_memory_bytes" if value:
            return f"{value / GIB:.1f} GiB of KV cache"
    words = label_of(name)
    if value is None:
        return f"without {words}"
    return words if value is True else f"{words} {value}"
