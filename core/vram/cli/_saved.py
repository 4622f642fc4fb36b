"""-p/--config: a profile file's values where the command line says nothing; and a command's options as such a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vram.cli._groups import MODEL, option
from vram.models.record import record_fields

if TYPE_CHECKING:
    from vram.models.saved_request import SavedRequest
    from vram.serving.command import ServeCommand

C = TypeVar("C", bound=Callable[..., Any])


def saved_option(command: C) -> C:
    """-p/--config FILE, read before every other option and standing in for those that are not given."""
    return option(
        MODEL, "-p", "--config", "config", metavar="FILE", default=None, is_eager=True, expose_value=False,
        callback=_use_file, help="A profile file (profile_version: 1); flags given here win over it.",
    )(command)  # fmt: skip


def _use_file(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    from vram.deploy.profile_file import read_profile

    ctx.default_map = {**(ctx.default_map or {}), **_as_options(read_profile(value))}


def _as_options(request: SavedRequest) -> dict[str, Any]:
    """A request by the names of the options, in the form in which they are typed. Options a command lacks do no harm."""
    import shlex

    from vram.models.saved_request import SavedRequest, Serving

    found = {name: getattr(request, name) for name in record_fields(SavedRequest)}
    found |= {name: getattr(request.serving, name) for name in record_fields(Serving)}
    del found["engine_args"], found["serving"]
    found |= {name: json.dumps(v) if isinstance(v, Mapping) else v for name, v in request.engine_args.items()}
    if "max_model_len" in request.engine_args:
        found["max_model_len"] = str(request.engine_args["max_model_len"])
    found["emit"] = ",".join(request.emit)
    found["extra_flags"] = shlex.join(request.serving.extra_flags)
    return {name: value for name, value in found.items() if value not in (None, "")}


def saved_request(
    options: Mapping[str, Any], command: ServeCommand | None, emit: tuple[str, ...]
) -> tuple[SavedRequest, tuple[str, ...]]:
    """What a command's options and a pasted `vllm serve` ask for, and the secrets' flags that were left out.

    Raises InputError.
    """
    from vram.cli._answer import engine_from, gpus_of, named_model
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
    import shlex

    from vram.errors import InputError

    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(name="extra-flags", value=text[:80], problem=f"has {error}".lower()) from None
