"""From what a caller typed to a question: a model by name or path, a GPU by name, engine arguments under vLLM's names."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Unpack

from vram.architecture.engine import EngineRequest, engine_named, told_by
from vram.ask.describe import with_graph
from vram.ask.given import check_types, shown
from vram.ask.resolve import pose
from vram.checkpoint.open import has_answered, open_checkpoint
from vram.checkpoint.stamp import stamp as stamp_of
from vram.errors import InputError
from vram.estimate.parts import compute
from vram.estimate.question import Question
from vram.gpus.choose import choose_hardware
from vram.models.checkpoint import Checkpoint, Model, Reading
from vram.models.deployment import EngineArgs, Policy, checked_concurrency
from vram.plugin.manager import plugins
from vram.vllm.versions import NEWEST, assumed_of, parse_version

if TYPE_CHECKING:
    from vram.models.engine_arguments import EngineArguments


def ask(
    model: Model,
    *,
    gpu: str | None = None,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    used_gib: float | None = None,
    concurrency: int = 1,
    vllm_version: str | None = None,
    profile: str | None = None,
    policy: Policy | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    ask_vllm: bool | str | os.PathLike[str] = False,
    **engine_args: Unpack[EngineArguments],
) -> Question:
    """The question that `estimate` answers, with every name resolved. Arguments as `estimate`. Raises VramError."""
    check_types(
        gpu=gpu,
        gpu_memory_gib=gpu_memory_gib,
        gpus=gpus,
        used_gib=used_gib,
        vllm_version=vllm_version,
        profile=profile,
        policy=policy,
        trust_remote_code=trust_remote_code,
        revision=revision,
        ask_vllm=ask_vllm,
    )
    registry = plugins()
    undivided = not {"tensor_parallel_size", "pipeline_parallel_size"} & engine_args.keys()
    if gpus is not None and undivided:
        engine_args["tensor_parallel_size"] = gpus
    args = EngineArgs.from_mapping(engine_args, beside=ask.__kwdefaults__)
    users = checked_concurrency(concurrency)
    checkpoint = as_checkpoint(model, revision=revision)
    hardware = choose_hardware(registry, gpu=gpu, gpu_memory_gib=gpu_memory_gib, profile=profile, used_gib=used_gib)
    if gpus is None and undivided and hardware.profile.gpu_count:  # a preset of a machine is all of its GPUs
        args = args.changed({"tensor_parallel_size": hardware.profile.gpu_count})
    if not ask_vllm:
        version = parse_version(vllm_version) if vllm_version else NEWEST
        known = with_graph(registry, checkpoint, trust_remote_code)
        assumed = assumed_of(vllm_version)
        return pose(known, hardware, args, version=version, concurrency=users, policy=policy, assumed=assumed)
    if vllm_version:
        raise InputError(name="vllm_version", value=vllm_version, problem="is that of the vLLM that is asked")
    request = EngineRequest(
        checkpoint=checkpoint,
        gpu=hardware.gpu,
        gpu_memory_bytes=hardware.memory_bytes,
        args=args,
        where=None if ask_vllm is True else os.fspath(ask_vllm),
        trust_remote_code=trust_remote_code,
    )
    posed = partial(pose, checkpoint, hardware, args, concurrency=users, policy=policy)
    engine = engine_named(registry.engines)
    told = told_by(engine, request, lambda so_far: compute(posed(version=so_far.version, told=so_far)))
    return posed(version=told.version, told=told)


def as_checkpoint(
    model: Model,
    *,
    revision: str | None = None,
    progress: Reading | None = None,
) -> Checkpoint:
    """Open a model once; local files are read again when they change. Raises VramError.

    `progress` is called with what is read, how much of it, and of how much (0: not known), where it is on the Hub.
    """
    if isinstance(model, Checkpoint):
        return model
    if not isinstance(model, str | os.PathLike):
        raise InputError(name="model", value=shown(model), problem="must be a Hub id, a path or an opened Checkpoint")
    path = os.fspath(model)
    if not isinstance(path, str) or not path or "\0" in path:
        raise InputError(name="model", value=model, problem="must be a Hub id or a path")
    tell: Any = progress  # a hashable callable: the cache keeps what was read with it
    stamp = stamp_of(path)
    found = _opened(path, revision, stamp, tell)
    if found.awaits is not None and has_answered(found):
        return _opened(path, revision, stamp, tell, again=True)
    return found


@lru_cache(maxsize=128)
def _opened(
    path: str,
    revision: str | None,
    stamp: tuple[object, ...],
    progress: Reading | None,
    again: bool = False,
) -> Checkpoint:
    del (
        stamp,
        again,
    )  # parts of the key: a changed file is read again, and so is what the Hub says after others have answered
    return open_checkpoint(path, revision=revision, progress=progress)
