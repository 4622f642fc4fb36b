"""Where commands in Python end: each list of words or text that starts a program, and the servers found so far, each once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.python_engine import Room, placed
from vram_plugins.readers.python_held import Called, Listed, Missing, text_of
from vram_plugins.readers.shell_servers import command_servers, deciding, script_servers, untold

#: the name of a command that is made elsewhere, where it says what that starts
_TELLING = re.compile(r"vllm(?!.*(?:bench|test|client|install|stop|kill|version))", re.IGNORECASE)
_MAX_TABLES, _MAX_SERVICES = 3, 200


class Starts:
    """The servers of a module as they are found, and the lists that may be commands of more."""

    def __init__(self, text: DeploymentText) -> None:
        self.text = text
        self.found: list[FoundServer] = []
        self.lists: dict[int, tuple[Listed, Room]] = {}
        self._seen: set[tuple[int, tuple[str, ...], str | None]] = set()
        self._used: set[int] = set()

    def register(self, held: Any, room: Room, depth: int = 0) -> None:
        """Keep a list that may be a command that some other function starts; also one in a table of services."""
        if isinstance(held, dict) and depth < _MAX_TABLES:
            for inner in list(held.values())[:_MAX_SERVICES]:
                self.register(inner, room, depth + 1)
        if isinstance(held, Listed) and held and id(held) not in self.lists and _is_command(held):
            self.lists[id(held)] = (held, room)

    def started(self, call: Any, line: int, room: Room) -> None:
        """A command given to subprocess or os."""
        if isinstance(call, Called) and not call.values and "args" in call.named:
            call = call._replace(values=(call.named["args"],))
        if not isinstance(call, Called) or not call.values:
            return
        environment = dict(room.environment)
        given = call.named.get("env")
        if isinstance(given, dict):
            environment |= {k: text_of(v) for k, v in given.items() if isinstance(v, str | int) and k != "**"}
        command = call.values[0] if len(call.values) == 1 or not call.name.endswith("_exec") else Listed(call.values)
        if call.name.rsplit(".", 1)[-1].startswith("exec") and len(call.values) > 1:
            command = call.values[1] if isinstance(call.values[1], list) else Listed(call.values[1:])
        if isinstance(command, str):
            line = getattr(command, "line", 0) or line
            found = script_servers(
                self.text,
                untold(command),
                kind=room.kind,
                variables=environment,
                marked="${" in command,
                version=room.version,
            )
            self.add(evolve(server, line=line, **placed(room, server)) for server in found)
        elif isinstance(command, Missing) and _TELLING.search(command.name):
            problem = f"starts {command.name[:60]}, which another file tells"
            told = (FoundServer(line=line, kind=room.kind, status="not_understood", problem=problem),)
            self.add(evolve(server, **placed(room, server)) for server in told)
        elif isinstance(command, list):
            self._used.add(id(command))
            self._command(command, getattr(command, "line", 0) or line, environment, room)

    def _command(self, command: list[Any], line: int, environment: dict[str, str], room: Room) -> None:
        words = [text_of(word) for word in command if not isinstance(word, list | dict)]
        if len(words) == 1 or any(isinstance(word, list | dict) for word in command):
            return
        if words and words[0].startswith("${"):
            words[0] = "python" if "executable" in words[0] else words[0]
        found = command_servers(
            self.text,
            words,
            line=line,
            kind=room.kind,
            environment=environment,
            version=room.version,
            newest=room.newest,
        )
        self.add(evolve(server, **placed(room, server)) for server in found)

    def rest(self) -> None:
        """Commands that are written down and that some function, here or elsewhere, starts."""
        shown = {server.line for server in self.found}
        for key, (held, room) in self.lists.items():
            if key not in self._used and held.line not in shown:
                self._command(held, held.line, dict(room.environment), room)

    def add(self, found: Iterable[FoundServer]) -> None:
        for server in found:
            key = (server.line, deciding(server.words), server.problem)
            if key not in self._seen:
                self._seen.add(key)
                self.found.append(server)


def _is_command(words: Sequence[Any]) -> bool:
    texts = [word for word in words[:8] if isinstance(word, str)]
    return any(a.rsplit("/", 1)[-1] == "vllm" and b == "serve" for a, b in pairwise(texts)) or any(
        t.startswith("vllm.entrypoints") for t in texts
    )
