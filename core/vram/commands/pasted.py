"""A `vllm serve` command among a command's options: behind `--`, in one quoted argument, in a file or from a pipe."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from vram.errors import InputError
from vram.models.record import evolve

if TYPE_CHECKING:
    from vram.serving.command import ServeCommand
    from vram.serving.reading import ReadServer

_PIPE = "-"


def pasted_command(options: Mapping[str, Any]) -> ServeCommand | None:
    """The `vllm serve` command behind `--`, in one quoted argument, or in --from-file; None where there is none.

    What was understood is told on standard error. Raises InputError, also where the parser of its vLLM stops at it, CheckpointError.
    """
    server = _server(options)
    if server is None or server.command is None:
        return None
    from vram.serving.one import check_platform, read_as, with_models

    check_platform(server, options["gpu"])
    if server.command.refusals:
        raise InputError(name="command", value=None, problem=f"stops vLLM: {server.command.refusals[0]}")
    command = with_models(server.command, models_for(options.get("model_for") or ()))
    server = evolve(server, command=command)
    click.echo(f"read as: {read_as(server, gpu=options['gpu'], vllm_version=options['vllm_version'])}", err=True)
    for note in (*command.assumed, *([server.problem] if server.problem else ())):
        click.echo(f"Note: {note.rstrip('.')}.", err=True)
    return command


def models_for(pairs: Iterable[str]) -> dict[str, str]:
    """`--model-for /models/x=Qwen/Qwen3-8B`, any number of them: what is served, and what it is here. Raises InputError."""
    found: dict[str, str] = {}
    for pair in pairs:
        served, _, model = (part.strip() for part in pair.partition("="))
        if not served or not model:
            raise InputError(
                name="model-for", value=pair, problem="must be SERVED=MODEL, as in /models/x=Qwen/Qwen3-8B"
            )
        found[served.rstrip("/") or served] = model
    return found


def _server(options: Mapping[str, Any]) -> ReadServer | None:
    words, file, version = options["words"], options["from_file"], options["vllm_version"]
    if not file and len(words) < 2 and not (words and _is_command(words[0])):
        return None
    from vram.serving.one import one_server, servers_in, typed
    from vram.serving.reading import MAX_BYTES, servers_of

    if file:
        found = servers_in(sys.stdin.read(MAX_BYTES + 1)) if file == _PIPE else servers_of(file)
        return one_server(found, "standard input" if file == _PIPE else file, options.get("server")).on(version=version)
    if words[:2] != ("vllm", "serve"):  # else there is nothing to be understood, or to be misunderstood
        found = servers_in(words[0] if len(words) == 1 else shlex.join(words), "command.sh")
        if found or len(words) == 1:
            return one_server(found, "command", options.get("server")).on(version=version)
    return typed(words, version)


def _is_command(text: str) -> bool:
    return " " in text and "vllm" in text and not os.path.exists(text)
