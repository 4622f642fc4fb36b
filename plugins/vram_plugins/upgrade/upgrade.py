"""The same deployment under two releases: `vram.upgrade`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from vram.ask import Model, Question, answer, ask, redeploy
from vram.models.deployment import ENGINE_DEFAULTS
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram.models.serve_flags import serve_flags
from vram.vllm import NEWEST, Fault, Version, assumed_of, format_version, met_by, parse_version
from vram_plugins.upgrade.records import Figure, FlagChange, KnownFault, Setting, Upgrade
from vram_plugins.upgrade.releases import reasons_between, shown

if TYPE_CHECKING:
    from vram.models.engine_arguments import EstimateArguments

_SETTINGS = ("max_num_batched_tokens", "max_num_seqs", "gpu_memory_utilization", "max_model_len", "dtype")


def upgrade(
    model: Model,
    *,
    from_version: str,
    to_version: str | None = None,
    used: Iterable[str] = (),
    **asked: Unpack[EstimateArguments],
) -> Upgrade:
    """What changes for a deployment from one vLLM to another (default: the newest known). `asked` as `vram.estimate` takes it;
    `used` are further flags of the deployment that decide no memory ("--swap-space").

    Raises VramError where a release could not be asked for the deployment at all.
    """
    old, new = parse_version(from_version), parse_version(to_version) if to_version else NEWEST
    given = _given(asked)
    rest: dict[str, Any] = {name: value for name, value in asked.items() if name not in given}
    before = ask(model, **rest, **_taken(given, old), vllm_version=from_version)
    after = evolve(redeploy(before, version=new, **_dropped(given, new)), assumed=assumed_of(to_version))
    answers = answer(before), answer(after)
    return Upgrade(
        before=answers[0],
        after=answers[1],
        figures=tuple(_figures(*answers)),
        settings=tuple(_settings(before, after, answers)),
        reasons=reasons_between(before, after, lambda version: _dropped(given, version)),
        flags=tuple(_flags([*given, *used], old, new)),
        faults=tuple(_faults(before, after)),
    )


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The engine arguments that were given."""
    flags = serve_flags()
    engine = ENGINE_DEFAULTS.keys() | {name for name, flag in flags.items() if flag.effect in ("same", "decides")}
    return {
        name: value for name, value in asked.items() if name in engine & flags.keys() and value not in (None, False)
    }


def _taken(given: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """Those that a release takes; it stops at the others, which are told as flags."""
    return {name: value for name, value in given.items() if serve_flags()[name].in_release(version)}


def _dropped(given: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """The same for asking again: those that the release does not take go back to its default."""
    taken = _taken(given, version)
    return {name: taken.get(name) for name in given}


def _figures(before: Estimate, after: Estimate) -> Iterator[Figure]:
    for name in ("weights", "activation_peak", "cuda_graphs", "non_torch"):
        old, new = (getattr(one.memory, name).expected for one in (before, after))
        yield Figure(name=name, unit="bytes", before=old, after=new)
    yield Figure(name="budget", unit="bytes", before=before.memory.budget_bytes, after=after.memory.budget_bytes)
    for name in ("kv_cache_available", "kv_cache_required", "headroom"):
        old, new = (getattr(one.memory, name).expected for one in (before, after))
        yield Figure(name=name, unit="bytes", before=old, after=new)
    plans, limits = (before.kv_cache, after.kv_cache), (before.limits, after.limits)
    yield Figure(name="kv_tokens", unit="tokens", before=plans[0].tokens, after=plans[1].tokens)
    yield Figure(name="max_concurrency", unit="ratio", before=plans[0].max_concurrency, after=plans[1].max_concurrency)
    contexts, users = (
        [getattr(one, name) for one in limits] for name in ("max_context_at_concurrency", "max_concurrency_at_context")
    )
    yield Figure(name="max_context_at_concurrency", unit="tokens", before=contexts[0], after=contexts[1])
    yield Figure(name="max_concurrency_at_context", unit="requests", before=users[0], after=users[1])


def _settings(before: Question, after: Question, answers: tuple[Estimate, Estimate]) -> Iterator[Setting]:
    args = before.deployment.args
    for name in _SETTINGS:
        old, new = (getattr(one.deployment, name) for one in (before, after))
        if old != new:
            yield Setting(
                name=name, before=shown(old), after=shown(new), given=getattr(args, name) not in (None, "auto")
            )
    for name in ("block_size", "dtype"):
        old, new = (getattr(one.kv_cache, name) for one in answers)
        if old != new:
            yield Setting(
                name="block_size" if name == "block_size" else "kv_cache_dtype", before=shown(old), after=shown(new)
            )
    servers = [_server(one) for one in (before, after)]
    if servers[0] != servers[1]:
        yield Setting(name="engine", before=servers[0], after=servers[1])


def _server(question: Question) -> str:
    deployment = question.deployment
    return "V0" if deployment.v0_engine else f"V1, Model Runner V{2 if deployment.v2_runner else 1}"


def _flags(used: Iterable[str], old: Version, new: Version) -> Iterator[FlagChange]:
    """Those of the flags used that one of the releases does not take."""
    known = serve_flags()
    for word in dict.fromkeys(used):
        flag = known.get(word.lstrip("-").removeprefix("no-").replace("-", "_"))
        if flag is None or (flag.in_release(old) and flag.in_release(new)):
            continue
        taken = flag.in_release(old), flag.in_release(new)
        yield FlagChange(
            flag=flag.spelling,
            state="gone" if taken[0] else "not yet" if taken[1] else "neither",
            since=format_version(flag.since) if any(flag.since) else None,
            gone=format_version(flag.gone) if flag.gone else None,
            instead=flag.instead or None,
        )


def _faults(before: Question, after: Question) -> Iterator[KnownFault]:
    met = [{one.id: one for one in _met(question)} for question in (before, after)]
    for name, fault in (met[0] | met[1]).items():
        when = "both" if name in met[0] and name in met[1] else "before" if name in met[0] else "after"
        yield KnownFault(id=name, when=when, words=str(fault), source=fault.source)  # type: ignore[arg-type]


def _met(question: Question) -> tuple[Fault, ...]:
    weights = question.quantization.name if question.quantization else ""
    return met_by(question.deployment, question.spec, weights)
