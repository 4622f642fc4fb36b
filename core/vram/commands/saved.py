"""-p/--config: a profile file's values where the command line says nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vram.commands.groups import MODEL, option
from vram.models.record import record_fields

if TYPE_CHECKING:
    from vram.models.saved_request import SavedRequest

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
    from vram.models.saved_request import SavedRequest, Serving

    found = {name: getattr(request, name) for name in record_fields(SavedRequest)}
    found |= {name: getattr(request.serving, name) for name in record_fields(Serving)}
    del found["engine_args"], found["serving"]
    for name, value in request.engine_args.items():
        listed = " ".join(map(str, value)) if isinstance(value, list | tuple) else value
        found[name] = json.dumps(value) if isinstance(value, Mapping) else listed
    if "max_model_len" in request.engine_args:
        found["max_model_len"] = str(request.engine_args["max_model_len"])
    variables = request.engine_args.get("environment")
    if isinstance(variables, Mapping):
        found["environment"] = [f"{name}={text}" for name, text in variables.items()]
    found["percentile"] = None if request.percentile is None else str(request.percentile)
    found["emit"] = ",".join(request.emit)
    found["extra_flags"] = shlex.join(request.serving.extra_flags)
    return {name: value for name, value in found.items() if value not in (None, "")}
