"""From what a caller typed to a question: a model by name or path, a GPU by name, engine arguments under vLLM's names."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from vram.ask.describe import with_graph
from vram.ask.resolve import pose
from vram.checkpoint.open import open_checkpoint
from vram.checkpoint.stamp import stamp as stamp_of
from vram.errors import InputError
from vram.estimate.question import Question
from vram.gpus.choose import choose_hardware
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import EngineArgs, Policy
from vram.plugin.manager import plugins
from vram.vllm.versions import NEWEST, parse_version

Model = str | os.PathLike[str] | Checkpoint


def ask(
    model: Model,
    *,
    gpu: str | None = None,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    concurrency: int = 1,
    vllm_version: str | None = None,
    profile: str | None = None,
    policy: Policy | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    **engine_args: Any,
) -> Question:
    """The question that `estimate` answers, with every name resolved. Arguments as `estimate`. Raises VramError."""
    registry = plugins()
    if gpus is not None and not {"tensor_parallel_size", "pipeline_parallel_size"} & engine_args.keys():
        engine_args["tensor_parallel_size"] = gpus
    args = EngineArgs.from_mapping(engine_args)
    users = checked_concurrency(concurrency)
    checkpoint = as_checkpoint(model, revision=revision)
    return pose(
        with_graph(registry, checkpoint, trust_remote_code),
        choose_hardware(registry, gpu=gpu, gpu_memory_gib=gpu_memory_gib, profile=profile),
        args,
        version=parse_version(vllm_version) if vllm_version else NEWEST,
        concurrency=users,
        policy=policy,
    )


def as_checkpoint(
    model: Model,
    *,
    revision: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Checkpoint:
    """Open a model once; local files are read again when they change. Raises VramError.

    `progress` is called with what is read, how much of it, and of how much (0: not known), where it is on the Hub.
    """
    if isinstance(model, Checkpoint):
        return model
    path = os.fspath(model)
    if not isinstance(path, str) or not path or "\0" in path:
        raise InputError(name="model", value=model, problem="must be a Hub id or a path")
    return _opened(path, revision, stamp_of(path), progress)


@lru_cache(maxsize=128)
def _opened(
    path: str,
    revision: str | None,
    stamp: tuple[object, ...],
    progress: Callable[[str, int, int], None] | None,
) -> Checkpoint:
    del stamp  # part of the key: a changed file is read again
    return open_checkpoint(path, revision=revision, progress=progress)


def checked_concurrency(value: int) -> int:
    """A positive count. Raises InputError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**31:
        raise InputError(name="concurrency", value=value, problem="must be a whole number from 1 to 2^31")
    return value
