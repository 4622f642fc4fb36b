"""The library: what the command line does, without the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from vram.ask.build import Inputs, build_inputs
from vram.ask.crosscheck import disagreement
from vram.checkpoint.open import open_checkpoint
from vram.errors import InputError
from vram.estimate.assemble import Question, answer
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import EngineArgs, Policy
from vram.models.estimate import Estimate, ProvenanceNote
from vram.models.record import evolve
from vram.models.request import Request
from vram.vllm.versions import beyond_knowledge

Model = str | os.PathLike[str] | Checkpoint


def estimate(
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
) -> Estimate:
    """Predict what vLLM prints when it starts `model` on `gpu`, and whether the workload fits.

    `model`: Hub id, folder, config.json, GGUF file or an opened Checkpoint. `gpu`: a name people use ("H100",
    "RTX 4090", "NVIDIA H100 80GB HBM3"); `gpu_memory_gib` overrides its memory (or stands alone). `gpus` is a number of
    GPUs to spread over by tensor parallelism when no parallel size is given. `engine_args` have vLLM's names
    (`tensor_parallel_size`, `max_model_len`, `kv_cache_dtype` ...).

    Raises VramError on bad input. A context that does not fit is an answer, not an error.
    """
    return answer(
        ask(
            model,
            gpu=gpu,
            gpu_memory_gib=gpu_memory_gib,
            gpus=gpus,
            concurrency=concurrency,
            vllm_version=vllm_version,
            profile=profile,
            policy=policy,
            trust_remote_code=trust_remote_code,
            revision=revision,
            **engine_args,
        )
    )


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
    checkpoint = as_checkpoint(model, revision=revision, trust_remote_code=trust_remote_code)
    if gpus is not None and not {"tensor_parallel_size", "pipeline_parallel_size"} & engine_args.keys():
        engine_args["tensor_parallel_size"] = gpus
    request = Request(
        args=EngineArgs.from_mapping(engine_args),
        gpu=gpu,
        gpu_memory_gib=gpu_memory_gib,
        gpus=gpus,
        concurrency=checked_concurrency(concurrency),
        vllm_version=vllm_version,
        profile=profile,
        policy=policy or Policy(),
        trust_remote_code=trust_remote_code,
    )
    return question_of(build_inputs(checkpoint, request))


def max_context(model: Model, **arguments: Any) -> int:
    """The largest context (tokens) that fits at the asked concurrency. Arguments as `estimate`. Raises VramError."""
    return estimate(model, **arguments).limits.max_context_at_concurrency


def max_concurrency(model: Model, **arguments: Any) -> int:
    """The most requests of the asked context that fit at once. Arguments as `estimate`. Raises VramError."""
    return estimate(model, **arguments).limits.max_concurrency_at_context


def as_checkpoint(
    model: Model,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
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
    return _opened(path, revision, trust_remote_code, _stamp(path), progress)


@lru_cache(maxsize=128)
def _opened(
    path: str,
    revision: str | None,
    trust_remote_code: bool,
    stamp: tuple[object, ...],
    progress: Callable[[str, int, int], None] | None,
) -> Checkpoint:
    del stamp  # part of the key: a changed file is read again
    return open_checkpoint(path, revision=revision, trust_remote_code=trust_remote_code, progress=progress)


def _stamp(path: str) -> tuple[object, ...]:
    """Changes when a local checkpoint does; constant for Hub ids (whose revision is cached anyway)."""
    found: list[object] = []
    for name in (path, os.path.join(path, "config.json"), os.path.join(path, "model.safetensors.index.json")):
        try:
            status = os.stat(name)
        except (OSError, ValueError):
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    return tuple(found)


def checked_concurrency(value: int) -> int:
    """A positive count. Raises InputError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**31:
        raise InputError(name="concurrency", value=value, problem="must be a whole number from 1 to 2^31")
    return value


def question_of(inputs: Inputs) -> Question:
    """What the pure arithmetic is asked, with notes on where the model's facts are from."""
    checkpoint = inputs.checkpoint
    doubts = (disagreement(checkpoint, inputs.spec, inputs.quantization), beyond_knowledge(inputs.behaviour.version))
    note = ProvenanceNote(component="model", source=checkpoint.source, note="; ".join(checkpoint.notes))
    return evolve(bare_question(inputs), notes=(note,), warnings=tuple(filter(None, doubts)))


def bare_question(inputs: Inputs) -> Question:
    """The same without notes and warnings, for cells that nobody reads."""
    return Question(
        model_id=inputs.checkpoint.id,
        source=inputs.checkpoint.source,
        spec=inputs.spec,
        scheme=inputs.scheme,
        quantization=inputs.quantization,
        kv_dtype=inputs.kv_dtype,
        kv_dtype_name=inputs.kv_dtype_name,
        deployment=inputs.deployment,
        behaviour=inputs.behaviour,
        profile=inputs.profile,
        policy=inputs.policy,
    )
