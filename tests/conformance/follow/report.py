"""The report of a release: what came and went, what moved and why, what `vram` says. Markdown, facts only."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.conformance.follow.asking import Answer
from tests.conformance.follow.causes import Sources
from tests.conformance.follow.moves import KINDS, Move

_TITLES = {
    "architecture": "Architectures",
    "flag": "Flags of `vllm serve` and their defaults",
    "format": "Quantization formats",
    "deprecated": "Deprecated formats",
    "capability": "Least capability of formats",
    "cache_dtype": "KV cache dtypes",
}
_MOST = 3


@dataclass(frozen=True, kw_only=True)
class Told:
    """A moved answer with what explains it: `files` of vLLM that changed, and as which release `vram` answers."""

    move: Move
    files: tuple[str, ...]
    says: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a report is written from. `unequal` are new answers that `vram` does not give, and what it says instead;
    `unbuilt` are those that it gives and the new release refuses.
    """

    old: str
    new: str
    facts: tuple[str, ...]
    told: tuple[Told, ...]
    came: tuple[Answer, ...]
    same: int
    unequal: Mapping[str, str]
    unbuilt: tuple[str, ...]
    asked: Mapping[str, str]


def page(report: Report, sources: Sources) -> str:
    """The whole report."""
    parts = [f"# vLLM {report.new} against {report.old}", "", *_asked(report), *_came_and_went(report.facts)]
    parts += [*_moved(report.told, sources), *_new(report.came), *_says(report)]
    return "\n".join(parts) + "\n"


def _asked(report: Report) -> Iterator[str]:
    moved = len(report.told)
    yield f"Both releases were asked {moved + report.same} questions: {report.same} answers are the same, {moved} moved."
    if report.asked:
        yield ""
        yield from (f"- {name}: {told}" for name, told in report.asked.items())
    yield ""


def _came_and_went(facts: Sequence[str]) -> Iterator[str]:
    yield "## What came and went"
    yield ""
    if not facts:
        yield "Nothing."
    for kind, title in _TITLES.items():
        its = [(fact[0], fact[2:].removeprefix(f"{kind} ")) for fact in facts if fact[2:].startswith(f"{kind} ")]
        if not its:
            continue
        came, went = ([name for sign, name in its if sign == wanted] for wanted in "+-")
        told = [f"{word} {_listed(names)}" for word, names in (("came", came), ("went", went)) if names]
        yield f"- **{title}**: " + "; ".join(told)
    yield ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _moved(told: Sequence[Told], sources: Sources) -> Iterator[str]:
    yield "## What moved"
    yield ""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Told]] = defaultdict(list)
    for one in told:
        groups[one.move.kinds, one.files].append(one)
    if not groups:
        yield "Nothing."
        yield ""
    for (kinds, files), its in sorted(
        groups.items(), key=lambda group: (list(KINDS).index(group[0][0][0]), -len(group[1]))
    ):
        yield f"### {', '.join(kinds)}: {len(its)}"
        yield ""
        for path in files[:_MOST]:
            yield f"- `vllm/{path}` ({sources.change(path)})"
        if len(files) > _MOST:
            yield f"- and {len(files) - _MOST} more files, in which the same answers differ from the others"
        if not files:
            yield "- no file that these answers go through changed: look at what vLLM requires (transformers, kernels)"
        for one in _examples(its):
            yield f"- {one}"
        counted = Counter(one.says for one in its)
        yield "- `vram` says " + ", ".join(f"{word}: {count}" for word, count in sorted(counted.items()))
        yield ""


def _examples(told: Sequence[Told]) -> Iterator[str]:
    by_id: dict[str, Told] = {}
    for one in told:
        by_id.setdefault(one.move.new["id"], one)
    for name, one in list(by_id.items())[:_MOST]:
        move = one.move
        numbers = "; ".join(f"{field} {_shown(move.old, field)} → {_shown(move.new, field)}" for field in move.fields())
        yield f"{name} on {move.new['tp']} × {move.new['gpu']}: {numbers}"
    if len(by_id) > _MOST:
        yield "also " + ", ".join(list(by_id)[_MOST:])


def _shown(answer: Answer, field: str) -> str:
    if field == "error":
        return f"refused ({_short(answer)})" if "error" in answer else "built"
    value: Any = answer.get(field, "–")
    if field == "parameter_bytes":
        return " / ".join(f"{number:,}" for number in value)
    if field == "specs":
        return " + ".join(f"{layers} × {name} of {tokens} tokens, {size:,} B" for name, layers, tokens, size in value)
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else json.dumps(value).replace('"', "")


def _short(answer: Answer) -> str:
    return " ".join(str(answer["error"]).split())[:120]


def _new(came: Sequence[Answer]) -> Iterator[str]:
    yield "## New architectures"
    yield ""
    if not came:
        yield "None was asked about."
    for answer in came:
        told = f"refused ({_short(answer)})" if "error" in answer else f"{sum(answer['parameter_bytes']):,} B"
        yield f"- `{answer['id']}`: {told}"
    yield ""


def _says(report: Report) -> Iterator[str]:
    yield f"## What `vram` says about {report.new}"
    yield ""
    counted = Counter(one.says for one in report.told)
    moved = ", ".join(f"{word} {count}" for word, count in sorted(counted.items())) or "nothing moved"
    yield f"Of what moved, equal to: {moved}. Of all answers of {report.new} that were asked, {len(report.unequal)} are not equal:"
    yield ""
    yield from (f"- {name}: {told[:300]}" for name, told in sorted(report.unequal.items()))
    if report.unbuilt:
        yield ""
        yield f"vLLM {report.new} does not build, and `vram` answers: {', '.join(report.unbuilt)}."
