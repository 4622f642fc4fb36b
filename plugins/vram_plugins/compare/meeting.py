"""Rows of a comparison against targets: how many replicas of a row keep them, or why none does."""

from __future__ import annotations

from functools import partial
from math import ceil

from vram.ask import Question, redeploy
from vram.components import compute
from vram.errors import VramError
from vram.models.comparison import Row
from vram.models.performance import Workload
from vram.models.record import evolve
from vram.models.targets import Targets
from vram_plugins.compare.speed import timed
from vram_plugins.targets.capacity import capacity_of, held_by_cache, replicas_for, users_for
from vram_plugins.targets.lengths import lengths_alike
from vram_plugins.targets.pace import pace_of


def against_targets(row: Row, question: Question, load: Workload, targets: Targets) -> Row:
    """The row with its replicas, each with its share of the load; `meets` is None where the GPU's speed is not known, or the model
    generates nothing.
    """
    if question.spec.runner == "pooling":
        return row
    lengths, parts = lengths_alike(load.prompt_tokens, load.gen_tokens), compute(question)
    try:
        capacity = capacity_of(
            parts,
            lengths,
            targets,
            by_cache=held_by_cache(parts, lengths),
            by_batch=question.deployment.max_num_seqs,
        )
        replicas = replicas_for(targets, load.concurrency, capacity)
        if not replicas:
            return evolve(
                timed(row, question, evolve(load, concurrency=1)), meets=False, limited_by=capacity.limited_by
            )
        users = ceil(load.concurrency / replicas)
        if targets.requests_per_second is not None:
            pace = partial(pace_of, parts, lengths, targets.percentile)
            users = max(users, users_for(targets.requests_per_second / replicas, capacity, pace, targets.percentile)[1])
    except VramError:
        return row
    shared = redeploy(question, concurrency=min(users, max(1, row.most_requests)))
    return evolve(
        timed(row, shared, evolve(load, concurrency=users)),
        concurrency=users,
        headroom_bytes=compute(shared).headroom_bytes,
        meets=True,
        replicas=replicas,
        users_within_targets=capacity.users * replicas,
        limited_by=capacity.limited_by,
    )
