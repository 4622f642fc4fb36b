"""Throughput against latency over the number of requests at once: the points of one replica, for a plot, a table or JSON."""

from __future__ import annotations

from typing import Any

from vram.ask import Model, ask
from vram.components import Parts, compute
from vram.errors import InputError
from vram.models.deployment import checked_concurrency
from vram.models.performance import Range, Workload
from vram.models.targets import Lengths, SpeedCurve, SpeedPoint, Targets
from vram_plugins.targets.lengths import lengths_alike
from vram_plugins.targets.pace import speed_with

_POINTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def curve_of(
    parts: Parts,
    lengths: Lengths,
    *,
    most: int,
    chosen: int | None = None,
    replicas: int = 1,
    targets: Targets | None = None,
) -> SpeedCurve:
    """The curve of `parts` (`vram.components.compute(question)`) from one request at once to `most`; `chosen` is a point of its own,
    and marked. Raises VramError for a GPU whose speed is not known.
    """
    users = {count for count in _POINTS if count <= most} | {most, *((chosen,) if chosen else ())}
    return SpeedCurve(
        points=tuple(_point(parts, lengths, count, chosen=count == chosen) for count in sorted(users)),
        replicas=replicas,
        ttft_ms=targets.ttft_ms if targets else None,
        tpot_ms=targets.tpot_ms if targets else None,
    )


def speed_curve(
    model: Model,
    *,
    prompt_tokens: int,
    gen_tokens: int,
    most: int | None = None,
    concurrency: int = 1,
    **arguments: Any,
) -> SpeedCurve:
    """`vram.speed_curve`: the curve of one deployment up to `most` requests at once (max_num_seqs), with `concurrency` marked.

    The other `arguments` are those of `vram.performance`. Raises VramError, as that does.
    """
    load = Workload(prompt_tokens=prompt_tokens, gen_tokens=gen_tokens, concurrency=concurrency)
    question = ask(model, concurrency=concurrency, **arguments)
    if question.spec.runner == "pooling":
        problem = "generates no tokens; only generation is timed"
        raise InputError(name="model", value=question.checkpoint.id, problem=problem)
    last = checked_concurrency(question.deployment.max_num_seqs if most is None else most)
    lengths = lengths_alike(load.prompt_tokens, load.gen_tokens)
    return curve_of(compute(question), lengths, most=max(last, concurrency), chosen=concurrency)


def _point(parts: Parts, lengths: Lengths, users: int, *, chosen: bool) -> SpeedPoint:
    found = speed_with(parts, lengths, users)
    tpot = found.tpot_ms
    alone = Range(low=0.0, expected=0.0, high=0.0)
    if tpot.expected:
        alone = Range(low=1e3 / tpot.high, expected=1e3 / tpot.expected, high=1e3 / tpot.low)
    return SpeedPoint(
        users=users,
        ttft_ms=found.ttft_ms,
        tpot_ms=tpot,
        tokens_per_s_per_user=alone,
        output_tokens_per_s=found.output_tokens_per_s,
        requests_per_s=found.requests_per_s,
        chosen=chosen,
    )
