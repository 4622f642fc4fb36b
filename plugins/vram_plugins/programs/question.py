"""From a question's fields to the arguments of the library: the model however it is told, the policy, the engine arguments."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vram.commands import arguments_from
from vram.errors import CheckpointError, InputError
from vram.models.deployment import EngineArgs, Policy
from vram.models.record import evolve, record_fields
from vram_plugins.programs.fields import engine_fields, without
from vram_plugins.programs.files import Files

if TYPE_CHECKING:
    from vram.models.checkpoint import Checkpoint
    from vram.serving import ServeCommand

_POLICY = ("headroom_gib", "fragmentation_factor", "overhead_gib")
_BY_HAND = ("params_billion", "layers", "kv_heads", "head_dim", "hidden_size", "vocab_size", "vision_gib")
_TOLD_BY = ("model", "command", "config")
_SIZES = ("tensor_parallel_size", "pipeline_parallel_size")
#: what `arguments_from` looks for, where nothing is given
_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(record_fields(EngineArgs)),
    **dict.fromkeys(("model", "from_file", "revision", "gpu", "gpus", "gpu_memory_gib", "vllm_version", "profile", *_BY_HAND)),
    **{name: one.default for name, one in record_fields(Policy).items()},
    "words": (), "trust_remote_code": False, "concurrency": 1,
}  # fmt: skip


def pasted_in(question: Mapping[str, Any]) -> ServeCommand | None:
    """The server in `command`; None where there is none. Raises InputError, CheckpointError."""
    from vram.serving import check_platform, one_server, servers_in
    from vram.vllm import parse_version

    text = question.get("command")
    if text is None:
        if "server" in question:
            raise InputError(name="server", value=None, problem="names one of several in `command`, which is not given")
        return None
    if "vllm" not in text.lower() and "\n" not in text.strip():
        text = f"vllm serve {text}"
    name = "" if "\n" in text.strip() else "command.sh"
    server = one_server(servers_in(text, name), "command", question.get("server"))
    version = question.get("vllm_version")
    if version is not None:
        parse_version(version)  # of one that is none the command is not to be blamed
    server = server.on(version=version)
    check_platform(server, question.get("gpu"))
    found = server.command
    if found is None:
        raise InputError(
            name="command", value=None, problem=str(server.found.problem or "is not understood").rstrip(".")
        )
    if found.refusals:
        raise InputError(name="command", value=None, problem=f"stops vLLM: {found.refusals[0]}")
    return found


def arguments_of(question: Mapping[str, Any], files: Files, pasted: ServeCommand | None = None) -> dict[str, Any]:
    """The arguments of `vram.estimate`, and whatever else the question has. Code of a model's repository is never run.

    Raises VramError.
    """
    _check_model(question)
    engine = engine_in(question)
    sizes = {name: engine[name] for name in _SIZES if name in engine}
    if not _is_by_hand(question):
        own = without(question, engine)
    else:
        own = {**question, **dict.fromkeys(engine), "quantization": engine.pop("quantization", None)}
    model = "config" if "config" in question else question.get("model")
    found = arguments_from({**_NOTHING, **own, **sizes, "model": model}, pasted)
    if "config" in question:
        found["model"] = opened_config(question["config"])
    elif isinstance(found["model"], str):
        found["model"] = files.model(found["model"])
    environment = {**(found.get("environment") or {}), **engine.pop("environment", {})}
    more = without(question, (*_NOTHING, *_TOLD_BY, "server", *engine_fields()))
    return {
        **found,
        **more,
        **engine,
        **({"environment": environment} if environment else {}),
        "trust_remote_code": False,
    }


def policy_in(question: Mapping[str, Any]) -> Policy:
    """What counts as fitting. Raises InputError."""
    return Policy(**{name: question[name] for name in _POLICY if name in question})


def engine_in(question: Mapping[str, Any]) -> dict[str, Any]:
    """The engine arguments alone."""
    return {name: value for name, value in question.items() if name in engine_fields()}


def opened_config(config: Mapping[str, Any]) -> Checkpoint:
    """The model whose config.json was pasted. Raises CheckpointError, ConfigError."""
    from vram.ask import as_checkpoint
    from vram.checkpoint import models_only_from

    with tempfile.TemporaryDirectory() as folder, models_only_from(folder):
        path = os.path.join(folder, "config.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        try:
            checkpoint = as_checkpoint(path)
        except CheckpointError as error:
            raise type(error)(**{**error.data, "path": "config"}) from None
    return evolve(checkpoint, id="config.json", config=evolve(checkpoint.config, path="config"))


def _check_model(question: Mapping[str, Any]) -> None:
    """Raises InputError unless the model is told in one way; a name beside a command stands for the command's."""
    told = [name for name in _TOLD_BY if name in question]
    by_hand = [name for name in _BY_HAND if name in question]
    if not told and not by_hand:
        problem = "give a Hub id, or `command`, `config`, or dimensions (params_billion, layers ...)"
        raise InputError(name="model", value=None, problem=problem)
    if "config" in told and len(told) > 1:
        raise InputError(name="config", value=None, problem=f"stands in place of {told[0]}; give one of them")
    if told and by_hand:
        raise InputError(name=by_hand[0], value=None, problem=f"is for dimensions by hand, not beside {told[0]}")


def _is_by_hand(question: Mapping[str, Any]) -> bool:
    return not any(name in question for name in _TOLD_BY)
