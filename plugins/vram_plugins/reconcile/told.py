"""What a text tells beside the log in it: the machine, and the command."""

from __future__ import annotations

from vram.errors import VramError
from vram.models.record import frozen
from vram.serving import ServeCommand
from vram.vllm import parse_version
from vram_plugins.logs.records import StartupLog
from vram_plugins.logs.surroundings import Surroundings
from vram_plugins.reconcile.pasted_command import server_in


@frozen(kw_only=True)
class Told:
    """`problem` says of the command why vLLM's parser stops at it whatever the memory, `line` and `kind` where it was found."""

    surroundings: Surroundings = Surroundings()
    command: ServeCommand | None = None
    line: int = 0
    kind: str = ""
    problem: str | None = None


def told_in(log: StartupLog, given: str | None = None) -> Told:
    """Of a text that was read, its command as the release `given`, or else told in it, reads it."""
    server = server_in(log.text, model=log.last.model)
    if server is None:
        return Told(surroundings=log.surroundings)
    version = given or log.last.version or log.surroundings.vllm_version
    if version is not None and _known(version):
        server = server.on(version=version)
    return Told(
        surroundings=log.surroundings,
        command=server.command,
        line=server.found.line,
        kind=server.found.kind,
        problem=server.problem,
    )


def _known(version: str) -> bool:
    try:
        return parse_version(version) > (0, 0, 0)
    except VramError:
        return False
