"""A real start-up against the estimate: `vram.reconcile` and `vram reconcile`."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from vram.errors import VramError
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram_plugins.logs.parse import read_log
from vram_plugins.logs.records import EngineStart, StartupLog
from vram_plugins.logs.stages import stage_of
from vram_plugins.reconcile.compare import compare
from vram_plugins.reconcile.diagnose import diagnose, with_ways_out
from vram_plugins.reconcile.question import Asked, Given, asked_of, without_speculation
from vram_plugins.reconcile.records import Reconciliation
from vram_plugins.reconcile.told import Told, told_in
from vram_plugins.reconcile.ways_out import changes_after

if TYPE_CHECKING:
    from vram.ask import Model
    from vram.models.engine_arguments import EngineArguments


def reconcile(
    path: str | os.PathLike[str],
    *,
    model: Model | None = None,
    gpu: str | None = None,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    vllm_version: str | None = None,
    profile: str | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    save: str | None = None,
    **engine_args: Unpack[EngineArguments],
) -> Reconciliation:
    """Compare vLLM's start-up log at `path` ("-": standard input) with what would have been predicted.

    The text may be a whole report with the log in it: model, GPU, version and engine arguments come from the log where it prints
    them, else from the command, the environment report and nvidia-smi's table around it; what is given here stands over
    all. Of several engine starts in one log the last counts. A log of a crash has the `stage` at which it failed, `findings`, and
    `changes` that were asked anew. Where no GPU is named, what does not depend on it is compared. Where nothing can be predicted
    (an unknown model) `problem` says why and the log's own numbers are still there. `save` stores a correction profile of that
    name, which `estimate(profile=name)` uses.

    Raises LogError where the file cannot be read or has none of vLLM's lines, VramError on impossible arguments.
    """
    given = Given(
        model=model,
        gpu=gpu,
        gpu_memory_gib=gpu_memory_gib,
        gpus=gpus,
        vllm_version=vllm_version,
        profile=profile,
        trust_remote_code=trust_remote_code,
        revision=revision,
        engine_args=engine_args,
    )
    result = reconcile_log(read_log(path), given)
    if save is None:
        return result
    from vram_plugins.reconcile.correction import save_correction

    return evolve(result, saved=save_correction(result, save))


def reconcile_log(log: StartupLog, given: Given) -> Reconciliation:
    """As `reconcile`, of a log that is already read. Raises VramError on what the user gave."""
    _check(given)
    start, told = log.last, told_in(log, given.vllm_version)
    stage = stage_of(start)
    plain = Reconciliation(
        path=log.path, start=start, starts=len(log.starts), notes=_about(log, told), stage=stage, told=told
    )
    try:
        asked = asked_of(start, given, told)
        estimate, asked = _predict(asked)
    except VramError as error:
        return evolve(plain, problem=str(error), findings=diagnose(start, None, stage))
    answered = evolve(
        plain,
        model=estimate.model.id,
        vllm_version=estimate.deployment.vllm_version,
        components=compare(start, estimate, _planned(start, asked), gpu_known=asked.gpu_known),
        notes=(*plain.notes, *asked.notes),
    )
    if not asked.gpu_known:
        return evolve(answered, findings=diagnose(start, None, stage))
    changes, beside = changes_after(start, stage, estimate, partial(_estimate, asked))
    return evolve(
        answered,
        gpu=estimate.deployment.gpu,
        gpu_memory_bytes=estimate.deployment.gpu_memory_bytes,
        profile=estimate.deployment.profile,
        findings=with_ways_out(diagnose(start, estimate, stage), changes),
        changes=changes,
        no_change=None if changes or not (stage or beside) else estimate.verdict.no_change,
        notes=(*answered.notes, *((beside,) if beside else ())),
    )


def _check(given: Given) -> None:
    """What the user gave has to be right by itself; what a log says may be wrong. Raises VramError."""
    from vram.gpus import find_gpu, profile_named
    from vram.models.deployment import EngineArgs
    from vram.plugin import plugins
    from vram.vllm import parse_version

    registry = plugins()
    EngineArgs.from_mapping(given.engine_args, beside=reconcile.__kwdefaults__)
    if given.gpu is not None and given.gpu.lower() != "auto":
        find_gpu(given.gpu, registry.profiles)
    if given.vllm_version is not None:
        parse_version(given.vllm_version)
    if given.profile is not None:
        profile_named(registry, given.profile)


def _about(log: StartupLog, told: Told) -> tuple[str, ...]:
    notes = []
    if len(log.starts) > 1:
        which = f"the last one counts (from line {log.last.line:,})"
        notes.append(f"{len(log.starts)} engine starts in this log; {which}")
    if told.problem is not None:
        notes.append(f"the command in line {told.line:,} {told.problem}")
    return tuple(notes)


def _predict(asked: Asked) -> tuple[Estimate, Asked]:
    """The estimate; without a draft that cannot be read. Raises VramError."""
    try:
        return _estimate(asked), asked
    except VramError as error:
        plainer = without_speculation(asked, error)
        return _estimate(plainer), plainer


def _estimate(asked: Asked, **more: Any) -> Estimate:
    import vram

    hardware = {"gpu": asked.gpu, "gpu_memory_gib": asked.gpu_memory_gib, "gpus": asked.gpus}
    versions = {"vllm_version": asked.vllm_version, "profile": asked.profile}
    return vram.estimate(asked.checkpoint, **{**hardware, **versions, **asked.engine_args, **more})


def _planned(start: EngineStart, asked: Asked) -> Estimate | None:
    """The estimate with exactly the KV memory of the log, so that the plan is compared by itself."""
    available = start.smallest("available_kv_bytes")
    if available is None or available < 1:
        return None
    try:
        return _estimate(asked, kv_cache_memory_bytes=int(available))
    except VramError:
        return None
