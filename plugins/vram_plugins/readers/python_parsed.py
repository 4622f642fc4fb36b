"""vLLM's own parser in a program: what `parse_args(words)` makes of words, and the engine that takes its arguments from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.serving.flags import find_flag
from vram_plugins.readers.python_engine import Room, engine_servers, is_engine_argument
from vram_plugins.readers.python_held import Called, Missing, Names, Parser

#: functions of vLLM that start an engine, or its server, with what its parser gave; True for those without a server
_TAKING = {
    "EngineArgs.from_cli_args": True,
    "AsyncEngineArgs.from_cli_args": False,
    "api_server.run_server": False,
    "api_server.build_async_engine_client": False,
}


def parsed_servers(
    text: DeploymentText, whole: str, call: Called, names: Names, line: int, room: Room
) -> Iterator[FoundServer] | None:
    """The servers of such a function by its whole name, `call.name` being that of what it is given; None for any other."""
    last = ".".join(whole.rsplit(".", 2)[-2:])
    if not whole.startswith("vllm.") or last not in _TAKING:
        return None
    held = call.values[0] if call.values else call.named.get("args")
    if not isinstance(held, Parser):
        return None
    named = dict(held.defaults)
    if held.words is not None:
        named |= _given(held.words)
    named |= names.under(call.name)
    taken = {
        name: one
        for name, one in named.items()
        if is_engine_argument(name) and not (isinstance(one, Missing) and one.name == "--" + name.replace("_", "-"))
    }
    taken.setdefault("model", Missing("--model"))
    return engine_servers(text, Called("EngineArgs", (), taken), line, room, offline=_TAKING[last])


def _given(words: Sequence[Any]) -> dict[str, Any]:
    """Words of a command line by the names of their arguments."""
    found: dict[str, Any] = {}
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if not isinstance(word, str) or not word.startswith("--"):
            found.setdefault("model", word)
            continue
        spelling, equals, value = word.partition("=")
        name = spelling[2:].replace("-", "_")
        flag = find_flag(spelling)
        if equals:
            found[name] = value
        elif flag is not None and flag.takes == "switch":
            found[name.removeprefix("no_")] = not name.startswith("no_")
        else:
            values = []
            while index < len(words) and not (isinstance(words[index], str) and words[index].startswith("--")):
                values.append(words[index])
                index += 1
            found[name] = values[0] if len(values) == 1 else values or True
    return found
