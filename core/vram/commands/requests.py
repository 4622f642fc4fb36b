"""A command's options, and a pasted `vllm serve`, as the request that is written to a profile file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from vram.commands.answers import engine_from, gpus_of, named_model
from vram.errors import InputError
from vram.models.record import record_fields

if TYPE_CHECKING:
    from vram.models.saved_request import SavedRequest
    from vram.serving.command import ServeCommand


def saved_request(
    options: Mapping[str, Any], command: ServeCommand | None, emit: tuple[str, ...]
) -> tuple[SavedRequest, tuple[str, ...]]:
    """What a command's options and a pasted `vllm serve` ask for, and the secrets' flags that were left out.

    Raises InputError.
    """
    from vram.deploy.generate import split_extra
    from vram.models.saved_request import SavedRequest, Serving

    given = engine_from(dict(options), command)
    chosen = {n: options[n] for n in record_fields(Serving) if n in options and n != "extra_flags"}
    words = (*(command.extra if command else ()), *_split(options["extra_flags"] or ""))
    asked = click.get_current_context().get_parameter_source("port")
    serving, secret = split_extra(words, Serving(**chosen), keep_port=asked is click.core.ParameterSource.COMMANDLINE)
    plain = {
        name: options[name] for name in record_fields(SavedRequest) if name in options and name not in {"model", "emit"}
    }
    plain |= {
        "model": command.model if command else named_model(dict(options)),
        "revision": options["revision"] or (command.revision if command else None),
        "trust_remote_code": options["trust_remote_code"] or bool(command and command.trust_remote_code),
        "gpus": gpus_of(options, command),
        "vllm_version": options["vllm_version"] or (command.vllm_version if command else None),
    }
    return SavedRequest(**plain, engine_args=given, emit=emit, serving=serving), secret


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(name="extra-flags", value=text[:80], problem=f"has {error}".lower()) from None
