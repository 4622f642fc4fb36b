"""Rows of a comparison against targets: how many replicas of a row keep them, or why none does."""

from __future__ import annotations

from math import ceil

from vram.ask import Question, redeploy
from vram.components import compute
from vram.errors import VramError
from vram.models.comparison import Row
from vram.models.performance import Workload
from vram.models.record import evolve
from vram.models.targets import Targets
from vram_plugins.compare.speed import timed
from vram_plugins.targets.arrivals import at_once
from vram_plugins.targets.capacity import replicas_for, users_within
from vram_plugins.targets.lengths import lengths_alike
from vram_plugins.targets.pace import pace_at, pace_with

_MOST_REPLICAS = 1024


def against_targets(row: Row, question: Question, load: Workload, targets: Targets) -> Row:
    """The row with its replicas, each with its share of the load; `meets` is None where the GPU's speed is not known, or the model
    generates nothing.
    """
    if question.spec.runner == "pooling":
        return row
    lengths, parts = lengths_alike(load.prompt_tokens, load.gen_tokens), compute(question)
    try:
        replicas = replicas_for(parts, lengths, targets, load.concurrency, most=_MOST_REPLICAS)
        if not replicas:
            broken = pace_with(parts, lengths, targets.percentile, 1).broken(targets) or "KV cache"
            return evolve(timed(row, question, evolve(load, concurrency=1)), meets=False, limited_by=broken)
        users, most = ceil(load.concurrency / replicas), users_within(parts, lengths, targets)
        if (rate := targets.requests_per_second) is not None:
            pace = pace_at(parts, lengths, targets.percentile, rate / replicas)
            users = max(users, at_once(rate / replicas * pace.seconds(load.gen_tokens), targets.percentile))
    except VramError:
        return row
    users = min(users, max(1, row.most_requests))
    shared = redeploy(question, concurrency=users)
    return evolve(
        timed(row, shared, evolve(load, concurrency=users)),
        concurrency=users,
        headroom_bytes=compute(shared).headroom_bytes,
        meets=True,
        replicas=replicas,
        users_within_targets=int(most.amount) * replicas,
        limited_by=most.limited_by,
    )
