"""From an engine start to the question that the estimate answers: what the log tells, completed by what the user adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vram.errors import InputError, ModelNotFoundError, VramError
from vram.models.checkpoint import Checkpoint
from vram.models.record import evolve, field, frozen
from vram.models.serve_flags import serve_flags
from vram.vllm import NEWEST, Version, assumed_of, format_version, parse_version
from vram_plugins.logs.patterns import TELLING
from vram_plugins.logs.records import EngineStart
from vram_plugins.reconcile.machine import machine_of
from vram_plugins.reconcile.told import Told

if TYPE_CHECKING:
    from vram.ask import Model

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
    """What to estimate, and what was assumed on the way; without `gpu_known` the GPU is a stand-in."""

    checkpoint: Checkpoint
    gpu: str | None
    gpu_memory_gib: float | None
    gpus: int | None
    vllm_version: str
    profile: str | None
    engine_args: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    gpu_known: bool = True


def asked_of(start: EngineStart, given: Given, told: Told) -> Asked:
    """The question. Raises VramError where the text and the user together do not say enough."""
    notes: list[str] = []
    version = _version(start, given, told, notes)
    machine = machine_of(start, told, gpu=given.gpu, gpu_memory_gib=given.gpu_memory_gib, profile=given.profile)
    notes += [machine.note] if machine.note else []
    checkpoint = _checkpoint(start, given, told, notes)
    arguments = _arguments(start, given, told, checkpoint, parse_version(version), notes)
    unstated = [name for name in _DEFAULTED if name not in arguments]
    if unstated and start.arguments and start.asked is None and told.command is None:
        notes.append(
            f"the log does not show the arguments given; vLLM's defaults are assumed for {', '.join(unstated)}"
        )
    return Asked(
        checkpoint=checkpoint,
        gpu=machine.gpu,
        gpu_memory_gib=machine.memory_gib,
        gpu_known=machine.known,
        gpus=given.gpus if "tensor_parallel_size" not in arguments else None,
        vllm_version=version,
        profile=given.profile,
        engine_args=arguments,
        notes=tuple(notes),
    )


def _version(start: EngineStart, given: Given, told: Told, notes: list[str]) -> str:
    text = given.vllm_version or start.version or told.surroundings.vllm_version
    text = text or (told.command.vllm_version if told.command else None)
    if text is None:
        likely = next((version for name, version in TELLING if name in start.order), format_version(NEWEST))
        notes.append(f"the log does not say vLLM's version; {likely} is assumed from its lines (--vllm-version)")
        return likely
    version = parse_version(text)
    notes += [f"{said.rstrip('.')} (--vllm-version)" for said in assumed_of(text)]
    if "rc" in text and not assumed_of(text):
        notes.append(f"vLLM {text} is a build between releases, predicted as {format_version(version)}")
    return format_version(version)


def _checkpoint(start: EngineStart, given: Given, told: Told, notes: list[str]) -> Checkpoint:
    """The model's files. Raises VramError."""
    from vram.ask import as_checkpoint

    if given.model is not None:
        return as_checkpoint(given.model, revision=given.revision)
    named = start.model or (told.command.model if told.command else None)
    if named is None:
        raise InputError(name="model", value=None, problem="the log does not name the model; add --model")
    if named.startswith(("\\\\", "//")):  # another machine's share: a log must not make this one connect to it
        raise InputError(name="model", value=named[:200], problem="is on a network share; add --model")
    try:
        return as_checkpoint(named, revision=given.revision or start.revision or _revision(start, told))
    except ModelNotFoundError:
        found = _by_last_name(named)
        if found is None:
            problem = "is named in the log and not to be had here; add --model with its Hub id or a folder"
            raise InputError(name="model", value=named[:200], problem=problem) from None
    notes.append(f"{named} is not to be had here; taken for {found.id}, which has the same name (--model for another)")
    return found


def _revision(start: EngineStart, told: Told) -> str | None:
    """The command's, of the command's model."""
    return told.command.revision if told.command and start.model in (None, told.command.model) else None


def _by_last_name(named: str) -> Checkpoint | None:
    """The one bundled model whose name is the last part of a path."""
    from vram.checkpoint import find, list_catalog

    last = named.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    ids = [entry.id for entry in list_catalog() if entry.id.rsplit("/", 1)[-1].lower() == last]
    return find(ids[0]) if len(ids) == 1 else None


def _arguments(
    start: EngineStart, given: Given, told: Told, checkpoint: Checkpoint, version: Version, notes: list[str]
) -> dict[str, Any]:
    """Engine arguments: the command's, the dump's, the asked ones, what single lines settle, and the user's on top."""
    found: dict[str, Any] = {**(told.command.engine_args if told.command else {}), **start.arguments}
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
    gone = [name for name in found if name in serve_flags() and not serve_flags()[name].in_release(version)]
    if gone:
        flags = ", ".join(serve_flags()[name].spelling for name in gone)
        notes.append(f"vLLM {format_version(version)} has no {flags}: left out")
    found = {name: value for name, value in found.items() if name not in gone}
    found.update({name: value for name, value in given.engine_args.items() if value is not None})
    return found


def without_speculation(asked: Asked, error: VramError) -> Asked:
    """The same without a draft that cannot be read. Raises `error` where there is none."""
    if "speculative_config" not in asked.engine_args:
        raise error
    arguments = {name: value for name, value in asked.engine_args.items() if name != "speculative_config"}
    note = f"without the draft model ({error})"
    return evolve(asked, engine_args=arguments, notes=(*asked.notes, note))
