"""A `vllm serve` command among a command's options: behind `--`, in one quoted argument, in a file or from a pipe."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from vram.errors import InputError

if TYPE_CHECKING:
    from vram.serving.command import ServeCommand
    from vram.serving.reading import ReadServer

_PIPE = "-"


def pasted_command(options: Mapping[str, Any]) -> ServeCommand | None:
    """The `vllm serve` command behind `--`, in one quoted argument, or in --from-file; None where there is none.

    What was understood is told on standard error, and what was not. Raises InputError, CheckpointError.
    """
    server = _server(options)
    if server is None or server.command is None:
        return None
    from vram.serving.one import read_as, with_models
    from vram.vllm.versions import NEWEST, format_version

    command = with_models(server.command, models_for(options.get("model_for") or ()))
    version = options["vllm_version"] or command.vllm_version or format_version(NEWEST)
    click.echo(f"read as: {read_as(server, gpu=options['gpu'], vllm_version=version)}", err=True)
    for note in (*server.found.assumed, *server.found.left_out, *([server.problem] if server.problem else ())):
        click.echo(f"Note: {note}.", err=True)
    if command.unknown:
        click.echo(f"Not understood and left out: {', '.join(command.unknown)}", err=True)
    return command


def models_for(pairs: Iterable[str]) -> dict[str, str]:
    """`--model-for /models/x=Qwen/Qwen3-8B`, any number of them: what is served, and what it is here. Raises InputError."""
    found: dict[str, str] = {}
    for pair in pairs:
        served, equals, model = pair.partition("=")
        if not served.strip() or not equals or not model.strip():
            raise InputError(
                name="model-for", value=pair, problem="must be SERVED=MODEL, as in /models/x=Qwen/Qwen3-8B"
            )
        found[served.strip().rstrip("/") or served.strip()] = model.strip()
    return found


def _server(options: Mapping[str, Any]) -> ReadServer | None:
    words, file, wanted = options["words"], options["from_file"], options.get("server")
    if file:
        from vram.serving.one import one_server, servers_in
        from vram.serving.reading import servers_of

        if file == _PIPE:
            return one_server(servers_in(sys.stdin.read()), "standard input", server=wanted)
        return one_server(servers_of(file), file, server=wanted)
    if len(words) > 1:
        return _typed(words, wanted)
    if words and " " in words[0] and "vllm" in words[0] and not os.path.exists(words[0]):
        return _typed(words, wanted)
    return None


def _typed(words: tuple[str, ...], wanted: str | None) -> ReadServer:
    """A command of one word is text; one of several is read as it is where nothing stands before `vllm serve`."""
    from vram.models.deployment_reader import FoundServer
    from vram.serving.command import parse_text, parse_words
    from vram.serving.one import one_server, servers_in
    from vram.serving.reading import ReadServer

    command = None
    if words[:2] == ("vllm", "serve"):
        command = parse_words(words)
    else:
        found = servers_in(words[0] if len(words) == 1 else shlex.join(words), "command.sh")
        if found:
            return one_server(found, "command", server=wanted)
        command = parse_words(words) if len(words) > 1 else parse_text(words[0])
    return ReadServer(found=FoundServer(line=0, kind="command"), command=command)
