"""One server of a file that may have several, text that has no path, and what was understood of either."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from vram.errors import CheckpointError, InputError, VramError
from vram.gpus.find import find_gpu
from vram.models.deployment_reader import FoundServer
from vram.models.record import evolve
from vram.plugin.manager import plugins
from vram.serving.command import ServeCommand, parse_words
from vram.serving.config_file import text_at
from vram.serving.reading import MAX_BYTES, ReadServer, servers_of
from vram.vllm.versions import NEWEST, format_version

#: as what text without a name is read, in turn: a kind that is not its own finds no server in it
_KINDS = ("notebook.ipynb", "compose.yaml", "program.py", "Dockerfile", "script.sh", "page.md")
_MOST_LISTED = 12


def parse_file(path: str | Path, *, server: str | None = None) -> ServeCommand:
    """The vLLM server of a file, or that of several which `server` names. Raises InputError, CheckpointError."""
    command = one_server(servers_of(path), str(path), server).command
    assert command is not None
    return command


def parse_text(text: str, *, version: str | None = None) -> ServeCommand:
    """The last server in a script's text, with the flags of a release as `parse_words` takes it. Raises InputError."""
    found = [one for one in servers_in(text, "command.sh") if one.found.status != "not_vllm"]
    command = one_server(found[-1:], "command").on(version=version).command
    assert command is not None
    return command


def typed(words: Sequence[str], version: str | None = None) -> ReadServer:
    """A command as it was typed here, whose config file may lie on this machine. Raises InputError."""
    command = parse_words(words, version=version, beside=text_at)
    return ReadServer(found=FoundServer(line=0, kind="command"), command=command)


def servers_in(text: str, name: str = "") -> tuple[ReadServer, ...]:
    """Every server of a text that is no file: pasted, or from a pipe. `name` tells its kind; without one all are tried.

    Raises CheckpointError.
    """
    if len(text) > MAX_BYTES:
        raise CheckpointError(path=name or "the text", problem="is larger than any deployment file")
    if name:
        return servers_of(name, text)
    unclear: tuple[ReadServer, ...] = ()
    for kind in _KINDS:
        with suppress(CheckpointError):
            found = servers_of(kind, text)
            if any(server.command for server in found):
                return found
            unclear = unclear or found
    return unclear


def one_server(servers: Sequence[ReadServer], where: str, server: str | None = None) -> ReadServer:
    """The one with a command among them; of several the one with that name, or line. Raises InputError, naming all."""
    likely = [each for each in servers if each.found.status != "not_vllm"] or servers
    if not likely:
        raise InputError(name=where, value=None, problem="has no vLLM server in it that can be read")
    if server is not None:
        likely = [each for each in servers if server in _names(each)]
    if len(likely) != 1:
        listed = ", ".join(place_of(each) for each in servers[:_MOST_LISTED])
        more = f" and {len(servers) - _MOST_LISTED} more" if len(servers) > _MOST_LISTED else ""
        problem = f"has {listed}{more}; name one of them, or its line, with --server"
        raise InputError(name=where, value=server, problem=problem)
    if likely[0].command is None:
        problem = f"{place_of(likely[0])} {likely[0].found.problem or 'is not understood'}"
        raise InputError(name=where, value=None, problem=problem.rstrip("."))
    return likely[0]


def check_platform(server: ReadServer, gpu: str | None) -> None:
    """Raises InputError where a file's server runs on GPUs of another platform than the one that is named for it."""
    found = server.found
    own = found.platform or (_platform(found.gpu) if found.gpu else "")
    named = _platform(gpu) if gpu else ""
    if own not in ("", "cuda", named) and named:
        problem = (
            f"is a GPU of {named}, and {place_of(server) or 'the command'} runs on GPUs of {own}; name one of those"
        )
        raise InputError(name="gpu", value=gpu, problem=problem)


def _platform(gpu: str) -> str:
    """The platform of a GPU by its name, "" for this machine's, and for one that nobody knows."""
    with suppress(VramError):
        return "" if gpu == "auto" else find_gpu(gpu, plugins().profiles).platform
    return ""


def with_models(command: ServeCommand, models: Mapping[str, str]) -> ServeCommand:
    """The command with paths and ids that mean nothing here replaced, the draft's model among them."""
    arguments = dict(command.engine_args)
    draft = arguments.get("speculative_config")
    if isinstance(draft, Mapping) and isinstance(draft.get("model"), str):
        arguments["speculative_config"] = {**draft, "model": models.get(draft["model"].rstrip("/"), draft["model"])}
    return evolve(command, model=models.get(command.model.rstrip("/"), command.model), engine_args=arguments)


def read_as(server: ReadServer, *, gpu: str | None = None, vllm_version: str | None = None) -> str:
    """What was understood, in one line: `vllm serve` with what decides memory, the GPU, the version, the place. No secrets."""
    command = server.command
    assert command is not None
    words = [word for name, value in command.engine_args.items() for word in _flag(name, value)]
    gpu, count, place = gpu or command.gpu, command.gpus or 1, place_of(server)
    on = f" on {f'{count} × ' if count > 1 else ''}{gpu}" if gpu else ""
    version = vllm_version or command.vllm_version or format_version(NEWEST)
    shown = re.sub(r"(?<=://)[^\s/@]+@", "***@", shlex.join(["vllm", "serve", command.model, *words]))
    told = f"{shown}{on}, vLLM {version}"
    return printable(f"{told}, from {place}" if place else told)


def place_of(server: ReadServer) -> str:
    """Where a server stands in its file: "Deployment/qwen in line 12"; empty for a command that was typed."""
    found = server.found
    name = found.name if "/" in found.name else f"{found.kind} {found.name}".strip()
    return printable(f"{name} in line {found.line}") if found.line else ""


def printable(text: str) -> str:
    """On one line, and without what a terminal would take for a command."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def _names(server: ReadServer) -> set[str]:
    name, line = server.found.name, server.found.line
    return {name, name.rpartition("/")[2], f"{server.found.kind} {name}", str(line), f"line {line}"} - {""}


def _flag(name: str, value: object) -> list[str]:
    spelling = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [spelling if value else "--no-" + spelling[2:]]
    return [spelling, json.dumps(value) if isinstance(value, Mapping | list | tuple) else str(value)]
