"""The question behind each server, asked once however many files ask it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vram.ask import answer, as_checkpoint, ask
from vram.commands import arguments_from, models_for
from vram.errors import VramError
from vram.gpus import find_gpu, profile_named
from vram.models.deployment import EngineArgs
from vram.models.estimate import Estimate
from vram.models.record import evolve, field, frozen, record_fields
from vram.plugin import plugins
from vram.serving import ServeCommand, with_models
from vram.vllm import parse_version
from vram_plugins.readers.gpu_counts import kind_of

#: what `arguments_from` looks for beside a pasted command
_NOT_TYPED: dict[str, Any] = {
    **dict.fromkeys(record_fields(EngineArgs)),
    **dict.fromkeys(("model", "from_file", "revision", "gpus", "gpu", "vllm_version", "gpu_memory_gib", "profile")),
    "words": (), "trust_remote_code": False,
}  # fmt: skip


@frozen(kw_only=True)
class Asked:
    """What files do not say: `gpus` are (name, number or None) where they name none, and so `vllm_version` and `gpu_memory_gib`."""

    gpus: tuple[tuple[str, int | None], ...] = ()
    gpu_memory_gib: float | None = None
    vllm_version: str | None = None
    models: Mapping[str, str] = field(factory=dict)
    concurrency: int = 1
    headroom_gib: float = 1.0
    fragmentation_factor: float | None = None
    overhead_gib: float | None = None
    used_gib: float | None = None
    profile: str | None = None
    trust_remote_code: bool = False
    accept_borderline: bool = False


def asked_from(
    *, gpu: Iterable[str] = (), gpu_memory_gib: float | None = None, model_for: Iterable[str] = (), **others: Any
) -> Asked:
    """Checked before any file is read. Raises InputError for a GPU, a version, a profile or a mapping that means nothing."""
    names = tuple((str(kind.gpu), kind.count) for kind in map(kind_of, gpu))
    for name, _ in names:
        if name != "auto":
            find_gpu(name, plugins().profiles)
    if others.get("vllm_version") is not None:
        parse_version(others["vllm_version"])
    if others.get("profile") is not None:
        profile_named(plugins(), others["profile"])
    return Asked(gpus=names, gpu_memory_gib=gpu_memory_gib, models=models_for(model_for), **others)


class Asker:
    """Answers, kept by question; what a model's files were refused with is kept, too, and the Hub is asked once."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._answers: dict[str, Estimate | VramError] = {}
        self._models: dict[tuple[str, str | None], Any] = {}

    def answered(self, command: ServeCommand) -> Estimate:
        """The answer for a command. Raises VramError."""
        arguments = self._arguments(command)
        key = repr(sorted(arguments.items(), key=lambda item: item[0]))
        found = self._answers.get(key)
        if found is None:
            try:
                found = answer(ask(**{**arguments, "model": self._opened(arguments["model"], arguments["revision"])}))
            except VramError as error:
                found = error
            self._answers[key] = found
        if isinstance(found, VramError):
            raise found
        return found

    def refusal_of(self, command: ServeCommand) -> VramError | None:
        """Why its model is not to be had, whatever the GPU."""
        try:
            self._opened(with_models(command, self.asked.models).model, command.revision)
        except VramError as error:
            return error
        return None

    def _arguments(self, command: ServeCommand) -> dict[str, Any]:
        asked = self.asked
        trusted = asked.trust_remote_code and command.trust_remote_code
        options = {
            **_NOT_TYPED,
            "gpu_memory_gib": None if command.gpu else asked.gpu_memory_gib,
            "vllm_version": command.vllm_version or asked.vllm_version,
            "concurrency": asked.concurrency,
            "headroom_gib": asked.headroom_gib,
            "fragmentation_factor": asked.fragmentation_factor,
            "overhead_gib": asked.overhead_gib,
            "used_gib": asked.used_gib,
            "profile": asked.profile,
        }
        return arguments_from(options, evolve(with_models(command, asked.models), trust_remote_code=trusted))

    def _opened(self, model: str, revision: str | None) -> Any:
        """Raises VramError, the same one again for a model that was refused."""
        key = (model, revision)
        if key not in self._models:
            try:
                self._models[key] = as_checkpoint(model, revision=revision)
            except VramError as error:
                self._models[key] = error
        if isinstance(self._models[key], VramError):
            raise self._models[key]
        return self._models[key]
