"""From an engine start to the question that the estimate answers: what the log tells, completed by what the user adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vram.errors import InputError, ModelNotFoundError, VramError
from vram.models.checkpoint import Checkpoint
from vram.models.profile import Gpu
from vram.models.record import evolve, field, frozen
from vram.units import format_gib
from vram.vllm import NEWEST, format_version, parse_version
from vram_plugins.logs.patterns import TELLING
from vram_plugins.logs.records import EngineStart

if TYPE_CHECKING:
    from vram.ask import Model

_SAME_MEMORY = 0.004  # boards of one model report totals this close to each other
_DEFAULTED = ("max_num_seqs", "max_num_batched_tokens")


@frozen(kw_only=True)
class Given:
    """What the user says of the deployment; it stands over the log."""

    model: Model | None = None
    gpu: str | None = None
    gpu_memory_gib: float | None = None
    gpus: int | None = None
    vllm_version: str | None = None
    profile: str | None = None
    trust_remote_code: bool = False
    revision: str | None = None
    engine_args: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Asked:
    """What to estimate, and what was assumed on the way."""

    checkpoint: Checkpoint
    gpu: str | None
    gpu_memory_gib: float | None
    gpus: int | None
    vllm_version: str
    profile: str | None
    engine_args: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def asked_of(start: EngineStart, given: Given) -> Asked:
    """The question. Raises VramError where the log and the user together do not say enough."""
    notes: list[str] = []
    version = _version(start, given, notes)
    gpu, memory = _gpu(start, given, notes)
    checkpoint = _checkpoint(start, given, notes)
    arguments = _arguments(start, given, checkpoint)
    unstated = [name for name in _DEFAULTED if name not in arguments]
    if unstated and start.arguments and start.asked is None:
        notes.append(
            f"the log does not show the arguments given; vLLM's defaults are assumed for {', '.join(unstated)}"
        )
    return Asked(
        checkpoint=checkpoint,
        gpu=gpu,
        gpu_memory_gib=memory,
        gpus=given.gpus if "tensor_parallel_size" not in arguments else None,
        vllm_version=version,
        profile=given.profile,
        engine_args=arguments,
        notes=tuple(notes),
    )


def _version(start: EngineStart, given: Given, notes: list[str]) -> str:
    text = given.vllm_version or start.version
    if text is None:
        told = next((version for name, version in TELLING if name in start.order), format_version(NEWEST))
        notes.append(f"the log does not say vLLM's version; {told} is assumed from its lines (--vllm-version)")
        return told
    version = parse_version(text)
    if text.startswith("0.1.dev"):
        notes.append(f"vLLM {text} is a build without a version; {format_version(NEWEST)} is assumed (--vllm-version)")
    elif ".dev" in text or "rc" in text:
        notes.append(f"vLLM {text} is a build between releases, predicted as {format_version(version)}")
    return format_version(version)


def _gpu(start: EngineStart, given: Given, notes: list[str]) -> tuple[str | None, float | None]:
    """GPU by name and its memory in GiB. Raises InputError where neither is known, or several GPUs come into question."""
    total = start.largest("total_bytes")
    memory = given.gpu_memory_gib if given.gpu_memory_gib is not None else total / 2**30 if total else None
    if given.gpu is not None or given.profile is not None:
        return given.gpu, memory
    if start.gpu is not None:
        return start.gpu, memory
    if given.gpu_memory_gib is not None:
        return None, memory
    if total is None:
        raise InputError(name="gpu", value=None, problem="the log does not say which GPU it is about; add --gpu")
    likely = _with_memory(total)
    if len(likely) == 1:
        notes.append(f"the log does not name the GPU; {likely[0].name} is the one with {format_gib(total)}")
        return likely[0].name, memory
    if not likely:
        raise InputError(
            name="gpu", value=None, problem=f"the log does not name the GPU, only {format_gib(total)}; add --gpu"
        )
    names = ", ".join(gpu.name for gpu in likely[:8])
    problem = f"the log does not name the GPU; with {format_gib(total)} it may be {names}; add --gpu"
    raise InputError(name="gpu", value=None, problem=problem)


def _with_memory(total: float) -> list[Gpu]:
    from vram.gpus import all_gpus
    from vram.plugin import plugins

    def near(readings: Iterable[int]) -> bool:
        return any(abs(reading - total) <= _SAME_MEMORY * total for reading in readings)

    whole = [gpu for gpu in all_gpus(plugins().profiles) if gpu.kind != "partition"]
    return [gpu for gpu in whole if near((gpu.memory_bytes, *gpu.memory_readings))]


def _checkpoint(start: EngineStart, given: Given, notes: list[str]) -> Checkpoint:
    """The model's files. Raises VramError."""
    from vram.ask import as_checkpoint

    if given.model is not None:
        return as_checkpoint(given.model, revision=given.revision)
    named = start.model
    if named is None:
        raise InputError(name="model", value=None, problem="the log does not name the model; add --model")
    if named.startswith(("\\\\", "//")):  # another machine's share: a log must not make this one connect to it
        raise InputError(name="model", value=named[:200], problem="is on a network share; add --model")
    try:
        return as_checkpoint(named, revision=given.revision or start.revision)
    except ModelNotFoundError:
        found = _by_last_name(named)
        if found is None:
            problem = "is named in the log and not to be had here; add --model with its Hub id or a folder"
            raise InputError(name="model", value=named[:200], problem=problem) from None
    notes.append(f"{named} is not to be had here; taken for {found.id}, which has the same name (--model for another)")
    return found


def _by_last_name(named: str) -> Checkpoint | None:
    """The one bundled model whose name is the last part of a path."""
    from vram.checkpoint import find, list_catalog

    last = named.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    ids = [entry.id for entry in list_catalog() if entry.id.rsplit("/", 1)[-1].lower() == last]
    return find(ids[0]) if len(ids) == 1 else None


def _arguments(start: EngineStart, given: Given, checkpoint: Checkpoint) -> dict[str, Any]:
    """Engine arguments: the dump's, the asked ones, what single lines settle, and the user's on top."""
    found: dict[str, Any] = dict(start.arguments)
    for name in ("max_model_len", "max_num_batched_tokens", "max_num_seqs", "tensor_parallel_size"):
        value = start.largest(name)
        if value is not None and 1 <= value <= 2**40:
            found.setdefault(name, int(value))
    utilization = start.largest("gpu_memory_utilization")
    if utilization is not None and 0 < utilization <= 1:
        found.setdefault("gpu_memory_utilization", utilization)
    online = start.resolved_quantization
    if "quantization" not in found and online not in (None, "None") and checkpoint.quantization is None:
        found["quantization"] = online  # the checkpoint has none, so it was asked for
    found.update({name: value for name, value in given.engine_args.items() if value is not None})
    return found


def without_speculation(asked: Asked, error: VramError) -> Asked:
    """The same without a draft that cannot be read. Raises `error` where there is none."""
    if "speculative_config" not in asked.engine_args:
        raise error
    arguments = {name: value for name, value in asked.engine_args.items() if name != "speculative_config"}
    note = f"without the draft model ({error})"
    return evolve(asked, engine_args=arguments, notes=(*asked.notes, note))
