"""supervisord's programs: a command each, with the variables of its section and of the supervisor (supervisord.org, configuration)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.shell_servers import command_servers
from vram_plugins.readers.splitting import split_words

_SECTION = re.compile(r"\[(?:(program|fcgi-program):([^\]\n]+)|([^\]\n]+))\]\s*$")
_PROGRAM = re.compile(r"^\[(?:program|fcgi-program):", re.MULTILINE)
_FIRST = re.compile(r"(?:[^\S\n]*(?:[#;].*)?\n)*\[[\w:.-]+\]")
_KEY = re.compile(r"(\w+)\s*[=:]\s*(.*)")
_COMMENT = re.compile(r"\s+;.*")
_VARIABLE = re.compile(r"%\(ENV_(\w+)\)s")
_LONGEST = 1 << 15
_ENGINE = re.compile(r"vllm|sglang|text-generation-launcher|ollama|lmdeploy|docker|podman")


class Supervisord(DeploymentReader):
    """One server for each program that starts one."""

    name = "supervisord"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        """A file of sections from its first line on: a script that writes such a file is a script."""
        return (
            _FIRST.match(text.text) is not None
            and _PROGRAM.search(text.text) is not None
            and _ENGINE.search(text.text) is not None
        )

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        settings = list(_settings(text.text))
        around = _environment(value for program, key, value, _ in settings if not program and key == "environment")
        found: list[FoundServer] = []
        for program, key, value, line in settings:
            if not program or key != "command":
                continue
            own = (given for name, key, given, _ in settings if name == program and key == "environment")
            environment = around | _environment(own)
            put = [_VARIABLE.sub(lambda m: environment.get(m[1], f"${{{m[1]}}}"), word) for word in _words(value)]  # noqa: B023
            for server in command_servers(text, put, line=line, kind="supervisord", environment=environment):
                found.append(evolve(server, line=line, name=server.name or program))
        return found


def _settings(text: str) -> Iterator[tuple[str, str, str, int]]:
    """Program, key, value and line of each setting; "" for the supervisor's own; indented lines go on with the value before."""
    program: str | None = None
    held: tuple[str, str, str, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        whole = _COMMENT.sub("", line)
        if not whole.strip() or whole.lstrip().startswith(("#", ";")):
            continue
        if held is not None and whole[:1].isspace():
            ends = (
                "\n" if held[2].endswith("\\") else " "
            )  # a shell in quotes takes a backslash before a line's end away
            held = (*held[:2], f"{held[2]}{ends}{whole.strip()}"[:_LONGEST], held[3])
            continue
        if held is not None:
            yield held
            held = None
        if section := _SECTION.match(whole):
            program = section[2] if section[1] else "" if section[3] == "supervisord" else None
        elif (match := _KEY.match(whole)) and program is not None:
            held = (program, match[1], match[2].strip(), number)
    if held is not None:
        yield held


def _environment(values: Iterable[str]) -> dict[str, str]:
    """`KEY="value",OTHER=value` as variables."""
    found: dict[str, str] = {}
    for value in values:
        for match in re.finditer(r"(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^,\s]*))", value):
            found[match[1]] = next((one for one in match.groups()[1:] if one is not None), "")
    return found


def _words(value: str) -> list[str]:
    return split_words(value) if len(value) <= _LONGEST else []


def reader() -> Supervisord:
    """The reader of supervisord's configuration."""
    return Supervisord()
