"""The servers of `LLM(...)` and of engine arguments, whose keywords become the words of a command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vram.models.deployment import EngineArgs
from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen, record_fields
from vram.serving.flags import find_flag
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.python_functions import plain_json
from vram_plugins.readers.python_held import Called, Missing, Parser, text_of
from vram_plugins.readers.splitting import split_words


@frozen(kw_only=True)
class Room:
    """Where a call stands: what Modal gives a function around it, and the release that is installed, or whether that is the newest."""

    kind: str = "python"
    name: str = ""
    gpu: str | None = None
    gpus: int | None = None
    environment: dict[str, str] = field(factory=dict, repr=False)
    assumed: tuple[str, ...] = ()
    version: str | None = None
    newest: bool = False


def placed(room: Room, server: FoundServer) -> dict[str, Any]:
    """What a room says of a server in it."""
    return {
        "name": server.name or room.name,
        "gpu": server.gpu or room.gpu,
        "gpus": server.gpus if server.gpus is not None else room.gpus,
        "assumed": (*server.assumed, *room.assumed),
    }


def engine_servers(
    text: DeploymentText, call: Called, line: int, room: Room, *, offline: bool
) -> Iterator[FoundServer]:
    """The server of `LLM(...)` or engine arguments, its keywords written as flags."""
    words: list[str] = []
    left_out: list[str] = []
    problem = None
    named = dict(call.named)
    model = named.pop("model", call.values[0] if call.values else None)
    if model is not None:
        words.append(text_of(model))
    for name, held in named.items():
        if name == "**":
            problem = f"takes arguments that only a run would tell ({held.name if isinstance(held, Missing) else '**'})"
            continue
        if held is None:
            continue
        flag = find_flag("--" + name.replace("_", "-"))
        if flag is not None and flag.effect == "none" and not _told(held):
            left_out.append(name)
            continue
        if isinstance(held, Missing | Called | Parser) and (flag is None or flag.takes == "switch"):
            if name in record_fields(EngineArgs) and problem is None:
                problem = f"needs {name}, which only a run would tell"
            left_out.append(name)
            continue
        words += _flag(name, held)
    process = Process(
        line=line,
        kind=room.kind,
        name=room.name,
        argv=("vllm", "serve", *words),
        vllm_version=room.version,
        newest=room.newest,
        environment=dict(room.environment),
        gpu=room.gpu,
        gpus=room.gpus if room.gpus is not None else _shown_gpus(room.environment),
        assumed=room.assumed,
        left_out=tuple(left_out),
    )
    for one in servers(text, process):
        server = evolve(one, offline=offline)
        yield (
            evolve(server, status="not_understood", problem=problem) if problem and server.status == "vllm" else server
        )


def is_engine_argument(name: str) -> bool:
    """Whether vLLM has an argument by that name."""
    return name == "model" or find_flag("--" + name.replace("_", "-")) is not None


def _told(held: Any) -> bool:
    """Whether a value is all in the file."""
    return not isinstance(plain_json(held), Missing)


def _flag(name: str, held: Any) -> list[str]:
    """A keyword argument as words of a command."""
    spelling = "--" + name.replace("_", "-")
    if isinstance(held, bool):
        flag = find_flag(spelling)
        if flag is not None and flag.takes != "switch":
            return [spelling, str(held).lower()]
        if flag is not None and not held and not flag.negatable:
            return []  # such a switch is off where it is not given
        return [spelling if held else "--no-" + spelling[2:]]
    if isinstance(held, dict | list | Called):
        plain = plain_json(held)
        if isinstance(plain, Missing):
            return [spelling, str(Missing(name) if plain.name == "…" else plain)]
        flag = find_flag(spelling)
        if isinstance(held, list) and flag is not None and flag.takes == "many":
            return [spelling, *map(text_of, held)]
        return [spelling, json.dumps(plain)]
    return [spelling, text_of(held)]


def _shown_gpus(environment: dict[str, str]) -> int | None:
    value = environment.get("CUDA_VISIBLE_DEVICES", "")
    return len(value.split(",")) if re.fullmatch(r"\d+(?:\s*,\s*\d+)*", value) else None


def container_servers(text: DeploymentText, call: Called, line: int, room: Room) -> Iterator[FoundServer]:
    """The server of Docker's client for Python: `client.containers.run(image, command=…, environment=…)`."""
    image = call.named.get("image", call.values[0] if call.values else None)
    command = call.named.get("command", call.values[1] if len(call.values) > 1 else None)
    if not isinstance(image, str):
        return
    words = split_words(command) if isinstance(command, str) else command
    environment = call.named.get("environment")
    name = call.named.get("name")
    process = Process(
        line=line,
        kind=room.kind,
        name=name if isinstance(name, str) else room.name,
        argv=tuple(text_of(word) for word in words) if isinstance(words, list) else (),
        image=image,
        replaces="entrypoint" in call.named,
        environment={key: text_of(held) for key, held in environment.items()} if isinstance(environment, dict) else {},
    )
    yield from servers(text, process)
