"""The server that a pasted report starts: in a code block, in a line of prose, in compose's YAML or in Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram.errors import VramError
from vram.models.record import evolve
from vram.serving import ReadServer, servers_of

_NEEDLE = re.compile(r"vllm", re.IGNORECASE)
_LONGEST = 1 << 14  # characters of one command
_MOST = 64  # commands of one report
#: where a command begins in a line of prose, a prompt or a list
_COMMAND = re.compile(
    r"(?:[A-Z][A-Z0-9_]{1,60}=[^\s`]{1,200} ){0,8}"
    r"(?:(?:docker|podman|nerdctl) run |vllm serve |python3? -m vllm\.entrypoints\.|(?:srun|torchrun|uv run) [^`\n]{0,200}vllm)"
)
_COMPOSE = re.compile(r"^[ \t]{0,16}(?:services|apiVersion):", re.MULTILINE)
_PYTHON = re.compile(r"\b(?:Async)?(?:LLM|EngineArgs)\(")


def server_in(text: str, *, model: str | None = None) -> ReadServer | None:
    """The last server of a report that is vLLM's, of the model that the log names where it does. None where none is told."""
    if _NEEDLE.search(text) is None:
        return None
    last = model.rstrip("/").rsplit("/", 1)[-1].lower() if model else ""
    found = [server for server in _servers(text) if server.command and server.command.model.lower().endswith(last)]
    return found[-1] if found else None


def _servers(text: str) -> Iterator[ReadServer]:
    """As Markdown first, whose blocks say what they are; then what stands elsewhere, each piece as the kind it looks like."""
    blocks = _read("report.md", text, 1)
    yield from blocks
    if any(server.command for server in blocks):
        return
    for name, piece, line in _pieces(text):
        yield from (server for server in _read(name, piece, line) if server.problem is None or _names_a_model(server))


def _names_a_model(server: ReadServer) -> bool:
    """Whether words that vLLM's parser refuses are a command with a fault, and not a sentence with "vllm serve" in it."""
    return server.command is not None and "/" in server.command.model


def _read(name: str, text: str, line: int) -> tuple[ReadServer, ...]:
    try:
        found = servers_of(name, text)
    except VramError:
        return ()  # what looks like a command in prose need not be one
    return tuple(evolve(one, found=evolve(one.found, line=one.found.line + line - 1)) for one in found)


def _pieces(text: str) -> Iterator[tuple[str, str, int]]:
    for pattern, name, piece_of in (
        (_COMPOSE, "compose.yaml", _indented),
        (_PYTHON, "program.py", _call),
        (_COMMAND, "command.sh", _continued),
    ):
        for number, match in enumerate(pattern.finditer(text)):
            if number >= _MOST:
                break
            yield name, piece_of(text, match.start()), text.count("\n", 0, match.start()) + 1


def _continued(text: str, start: int) -> str:
    """A command up to the end of its line, or of the last that it goes on to; a quoted one up to its quote."""
    end = start
    while end < len(text) and end - start < _LONGEST:
        stop = text.find("\n", end)
        stop = len(text) if stop < 0 else stop
        line = text[end:stop]
        end = stop + 1
        if not line.rstrip().endswith("\\"):
            break
    quote = text[start - 1] if start else ""
    command = text[start:end]
    return command.split(quote, 1)[0] if quote in {"`", '"', "'"} and quote else command


def _indented(text: str, start: int) -> str:
    """YAML from a key on: up to the first line that no YAML of it can be."""
    start = text.rfind("\n", 0, start) + 1
    depth = len(text[start:]) - len(text[start:].lstrip(" \t"))
    kept = []
    for line in text[start : start + _LONGEST].split("\n"):
        if line.strip() and line[:depth].strip():
            break
        plain = line[depth:]
        if plain and not re.match(r"[ \t#-]|[A-Za-z][\w.-]*:", plain):
            break
        kept.append(plain)
    return "\n".join(kept)


def _call(text: str, start: int) -> str:
    """A call up to the bracket that closes it, as a program of its own."""
    depth, quote = 0, ""
    for at in range(start, min(len(text), start + _LONGEST)):
        char = text[at]
        if quote:
            quote = "" if char == quote and text[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if not depth:
                return f"from vllm import LLM, AsyncLLM, EngineArgs, AsyncEngineArgs\nengine = {text[start : at + 1]}\n"
    return ""
