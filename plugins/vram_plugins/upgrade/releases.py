"""Release by release from one vLLM to another: where each quantity moves, and through what.

A change is put down to a default where asking again with the default as it was leaves it out; what is left is put down to the
rules that `behaviour` says changed with that release, the engine or runner that serves, or constants measured for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vram.ask import Question, redeploy
from vram.components import compute
from vram.errors import VramError
from vram.models.record import frozen, record_fields
from vram.vllm import Behaviour, Version, behaviour, format_version
from vram_plugins.upgrade.records import Reason

#: published releases that are known here, patches that change nothing left out
RELEASES: tuple[Version, ...] = (
    (0, 6, 0), (0, 6, 2), (0, 6, 3), (0, 6, 4), (0, 6, 5), (0, 6, 6), (0, 7, 0), (0, 7, 1), (0, 7, 2), (0, 7, 3), (0, 8, 0),
    (0, 8, 1), (0, 8, 2), (0, 8, 3), (0, 8, 4), (0, 8, 5), (0, 9, 0), (0, 9, 1), (0, 9, 2), (0, 10, 0), (0, 10, 1), (0, 10, 2),
    (0, 11, 0), (0, 11, 1), (0, 11, 2), (0, 12, 0), (0, 13, 0), (0, 14, 0), (0, 14, 1), (0, 15, 0), (0, 16, 0), (0, 17, 0),
    (0, 17, 1), (0, 18, 0), (0, 18, 1), (0, 19, 0), (0, 19, 1), (0, 20, 0), (0, 20, 1), (0, 20, 2), (0, 21, 0), (0, 22, 0),
    (0, 22, 1), (0, 23, 0), (0, 24, 0), (0, 25, 0), (0, 25, 1), (0, 26, 0), (0, 27, 0), (0, 27, 1), (0, 28, 0), (0, 29, 0),
    (0, 30, 0), (0, 31, 0), (0, 32, 0), (0, 33, 0),
)  # fmt: skip

#: the quantities that are followed
FOLLOWED = ("weights", "activation_peak", "cuda_graphs", "non_torch", "kv_cache_available", "kv_tokens")
#: defaults that a release may change, by the argument that fixes each
DEFAULTS = {
    "max_num_batched_tokens": "tokens of a batch",
    "max_num_seqs": "sequences of a batch",
    "gpu_memory_utilization": "share of the GPU",
}
#: what a changed rule of `Behaviour` means, and the quantities that it moves
_RULES: Mapping[str, tuple[str, frozenset[str]]] = {
    "v1": ("the V1 engine came", frozenset(FOLLOWED)),
    "group_padding_factor": ("layers of several kinds are grouped otherwise in the cache", frozenset({"kv_tokens"})),
    "in_flight_windows": ("sliding windows keep every token in flight", frozenset({"kv_tokens"})),
    "reserves_null_block": ("one block is kept as the null block", frozenset({"kv_tokens"})),
    "tokens_from_concurrency": ("tokens are reckoned from the concurrency", frozenset({"kv_tokens"})),
    "blocks_per_request": ("concurrency is reckoned from the blocks of a request", frozenset({"kv_tokens"})),
    "total_consumed": (
        "all memory that is consumed is charged, the sampler's state and CUDA's context with it",
        frozenset({"activation_peak", "non_torch", "kv_cache_available", "kv_tokens"}),
    ),
    "charges_cuda_graphs": (
        "an estimate of CUDA graphs is taken from the cache's memory",
        frozenset({"kv_cache_available", "kv_tokens"}),
    ),
    "batches_hold_items": (
        "a batch holds the largest image whole",
        frozenset({"activation_peak", "kv_cache_available"}),
    ),
}
#: what came with a release for a quantity, where no rule of `Behaviour` and no note of the answer says it
_CAME_WITH: Mapping[tuple[Version, str], str] = {
    ((0, 9, 1), "non_torch"): "CUDA's own context is charged no longer",
    ((0, 11, 0), "non_torch"): "NCCL is set up before the first reading of free memory",
    ((0, 17, 0), "non_torch"): "FlashInfer's fused all-reduce takes a workspace",
    ((0, 11, 2), "cuda_graphs"): "fewer sizes are captured: from 256 on one in 16",
    ((0, 28, 0), "cuda_graphs"): "data-centre Blackwell captures up to 1,024",
    ((0, 12, 0), "activation_peak"): "the experts' workspace is free again after a forward",
    ((0, 14, 0), "activation_peak"): "the experts' workspace stays while sampling is measured",
    ((0, 26, 0), "activation_peak"): "PyTorch times the first compiled kernel on tensors of the real sizes",
}
#: how constants that belong to a quantity begin
_CONSTANTS = {"cuda_graphs": "graph_", "non_torch": "non_torch_"}
_TO_THE_CACHE = {"weights", "activation_peak", "cuda_graphs", "non_torch"}
_SMALL_BYTES, _SMALL_SHARE = 8 << 20, 0.001


@frozen(kw_only=True, eq=False)
class _At:
    """The deployment under one release."""

    question: Question
    figures: Mapping[str, float]
    notes: Mapping[str, str]

    @classmethod
    def of(cls, question: Question) -> _At:
        """Raises VramError."""
        parts = compute(question)
        overhead = parts.overhead
        return cls(
            question=question,
            figures={
                "weights": parts.weights_bytes,
                "activation_peak": overhead.activation_peak.expected,
                "cuda_graphs": overhead.cuda_graphs_logged.expected,
                "non_torch": overhead.non_torch.expected,
                "kv_cache_available": parts.cache_bytes.expected,
                "kv_tokens": parts.plan.tokens,
            },
            notes={note.component: note.note for note in overhead.notes},
        )


def reasons_between(
    before: Question, after: Question, arguments: Callable[[Version], Mapping[str, Any]]
) -> tuple[Reason, ...]:
    """Why each quantity moves from the one release to the other, which may be the older one. `arguments` are those that a
    release takes of what was given, None for one that it does not.
    """
    low, high = sorted((before.deployment.vllm_version, after.deployment.vllm_version))
    versions = [low, *(release for release in RELEASES if low < release < high), high]
    if before.deployment.vllm_version == high:
        versions.reverse()
    found: list[Reason] = []
    previous = _At.of(before)
    for version in versions[1:]:
        try:
            at = _At.of(redeploy(before, version=version, **arguments(version)))
        except VramError:
            continue  # a release between that refuses the deployment: what it changed shows at the next
        found += _step(previous, at)
        previous = at
    return tuple(found)


def _step(previous: _At, at: _At) -> Iterator[Reason]:
    moved = {name for name in FOLLOWED if _notable(previous.figures[name], at.figures[name])}
    if not moved:
        return
    newer = max(previous.question.deployment.vllm_version, at.question.deployment.vllm_version)
    release = format_version(newer)
    left = dict(previous.figures)
    for words, figures in _by_defaults(previous, at):
        for name in FOLLOWED:
            change = figures[name] - left[name]
            if name in moved and _notable(left[name], figures[name]):
                yield Reason(release=release, name=name, change=change, why=words)
            left[name] = figures[name]
    for name in FOLLOWED:
        if name not in moved or not _notable(left[name], at.figures[name]):
            continue
        rest = at.figures[name] - left[name]
        if name == "kv_tokens":
            by_rule = _by_rule(previous, at)
            if abs(rest - by_rule) > _SMALL_SHARE * abs(left[name]):
                yield Reason(release=release, name=name, change=rest - by_rule, why="the memory of the cache")
            if abs(by_rule) <= _SMALL_SHARE * abs(left[name]):
                continue
            rest = by_rule
        yield Reason(release=release, name=name, change=rest, why=_why(name, previous, at, moved))


def _by_rule(previous: _At, at: _At) -> float:
    """Tokens that the older release's memory holds under the newer one's plan, less those that it held."""
    memory = int(previous.figures["kv_cache_available"])
    try:
        planned = _At.of(redeploy(at.question, kv_cache_memory_bytes=memory)) if memory > 0 else previous
    except VramError:
        return 0
    return planned.figures["kv_tokens"] - previous.figures["kv_tokens"]


def _by_defaults(previous: _At, at: _At) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The older figures with one default after the other as the newer release has it, asked anew under the older release."""
    settled: dict[str, Any] = {}
    for name, words in DEFAULTS.items():
        old, new = (getattr(one.question.deployment, name) for one in (previous, at))
        if old == new or getattr(at.question.deployment.args, name) is not None:
            continue
        settled[name] = new
        try:
            asked = _At.of(redeploy(previous.question, **settled))
        except VramError:
            del settled[name]
            continue
        yield f"{words}: {shown(old)} → {shown(new)} (default)", asked.figures


def _why(name: str, previous: _At, at: _At, moved: set[str]) -> str:
    """What changed in vLLM, as far as the rules of the releases tell it."""
    told = [words for words, names in _changed_rules(previous, at) if name in names]
    serves = [_server(one.question) for one in (previous, at)]
    if serves[0] != serves[1]:
        told.insert(0, f"{serves[1]} serves ({serves[0]} before)")
    block = [one.question.deployment.args.block_size or "" for one in (previous, at)]
    if block[0] != block[1]:
        told.append("another block size")
    if name == "kv_cache_available" and not told:
        causes = [one.replace("_", " ") for one in sorted(moved & _TO_THE_CACHE)]
        taken = _charged(previous), _charged(at)
        causes += [f"of CUDA graphs {taken[0]} → {taken[1]} is taken from it"] if taken[0] != taken[1] else []
        if causes:
            return "what else is held: " + ", ".join(causes)
    notes = [one.notes.get(name, "") for one in (previous, at)]
    if not told and notes[0] != notes[1]:
        return _difference(*notes)
    known = [words for (since, of), words in _CAME_WITH.items() if of == name and _between(since, previous, at)]
    if not told and known:
        return "; ".join(known)
    measured = [
        one.name
        for one in at.question.profile.constants
        if _between(one.since, previous, at) or (one.until is not None and _between(one.until, previous, at))
    ]
    own = [one for one in measured if one.startswith(_CONSTANTS.get(name, ""))]
    if not told and own:
        return "what was measured for the release: " + ", ".join(sorted(set(own)))
    return "; ".join(told) or "a rule of the release"


def _changed_rules(previous: _At, at: _At) -> Iterator[tuple[str, frozenset[str]]]:
    rules = [behaviour(one.question.deployment.vllm_version) for one in (previous, at)]
    for name in record_fields(Behaviour):
        if name in _RULES and getattr(rules[0], name) != getattr(rules[1], name):
            words, names = _RULES[name]
            older = rules[1].version < rules[0].version
            yield (f"not yet: {words}" if older else words), names


def _between(boundary: Version, previous: _At, at: _At) -> bool:
    low, high = sorted(one.question.deployment.vllm_version for one in (previous, at))
    return low < boundary <= high


def _charged(at: _At) -> str:
    """How much of the graphs is taken from the cache's memory, in the words of the answer's note."""
    return (
        at.notes.get("cuda_graphs", "").split(" of it is taken", 1)[0]
        if "of it is taken" in at.notes.get("cuda_graphs", "")
        else "nothing"
    )


def _difference(before: str, after: str) -> str:
    """The parts of two notes that are not the same."""
    pairs = list(zip(before.split(", "), after.split(", "), strict=False))
    told = []
    for old, new in pairs:
        if old == new:
            continue
        words, others = old.split(), new.split()
        same = next((n for n, (one, two) in enumerate(zip(words, others, strict=False)) if one != two), 0)
        told.append(" ".join([*words[:same], *words[same:], "→", *others[same:]]))
    return ", ".join(told) or f"{before} → {after}"


def _server(question: Question) -> str:
    deployment = question.deployment
    return "the V0 engine" if deployment.v0_engine else f"Model Runner V{2 if deployment.v2_runner else 1}"


def _notable(before: float, after: float) -> bool:
    return abs(after - before) > max(
        _SMALL_BYTES if max(abs(before), abs(after)) > 1e8 else 0, _SMALL_SHARE * abs(before)
    )


def shown(value: object) -> str:
    """A setting as a person reads it."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
