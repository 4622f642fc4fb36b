"""A command's options, and a pasted `vllm serve`, as the request that is written to a profile file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from vram.deploy import split_extra
from vram.errors import InputError, VramError
from vram.gpus import find_gpu
from vram.models.deployment import EngineArgs
from vram.models.record import evolve, record_fields
from vram.models.saved_request import SavedRequest, Serving
from vram.models.serve_flags import serve_flags
from vram.plugin import plugins
from vram.vllm import NEWEST, format_version

if TYPE_CHECKING:
    from vram.models.plan import Recommendation
    from vram.serving import ServeCommand


def saved_request(
    options: Mapping[str, Any], arguments: Mapping[str, Any], pasted: ServeCommand | None, emit: tuple[str, ...]
) -> tuple[SavedRequest, tuple[str, ...]]:
    """What options and a pasted `vllm serve` ask for, and the secrets' flags that were left out.

    `arguments` are those of `vram.estimate` made of the two. Raises InputError.
    """
    chosen = {n: options[n] for n in record_fields(Serving) if n in options and n != "extra_flags"}
    words = (*(pasted.extra if pasted else ()), *_split(options["extra_flags"] or ""))
    asked = click.get_current_context().get_parameter_source("port")
    serving, secret = split_extra(words, Serving(**chosen), keep_port=asked is click.core.ParameterSource.COMMANDLINE)
    passed_over = [name for name, flag in serve_flags().items() if flag.effect == "decides"]
    given = {name: arguments[name] for name in (*record_fields(EngineArgs), *passed_over) if name in arguments}
    named = isinstance(arguments["model"], str)
    if not named and options["quantization"]:
        given["quantization"] = options["quantization"]  # of a model by hand it is part of the model
    both = {
        name: {**options, **arguments}[name] for name in record_fields(SavedRequest) if name in {*options, *arguments}
    }
    both |= dict.fromkeys(
        ("ttft_ms", "tpot_ms", "requests_per_second", "percentile", "goal", "lengths")
    )  # flags and replicas now
    both |= {"model": arguments["model"] if named else None, "engine_args": given, "emit": emit, "serving": serving}
    return SavedRequest(**both), secret


def as_recommended(asked: SavedRequest, found: Recommendation, model: str) -> SavedRequest:
    """What was asked of a model with a recommendation filled in; users are those of one replica, as its estimate counts them."""
    engine = {"tensor_parallel_size": 1, **found.engine_args}
    # a plan has JSON values as text, and a length for those who asked for the longest
    engine |= {name: value for name, value in asked.engine_args.items() if name != "max_model_len"}
    chosen = asked.model if found.model == model else found.model
    users, version = found.estimate.deployment.concurrency, found.estimate.deployment.vllm_version
    if asked.vllm_version is None and version != format_version(NEWEST):
        asked = evolve(asked, vllm_version=version)  # the last that has kernels for this GPU
    if asked.gpu is not None and not _is_gpu(asked.gpu):
        asked = evolve(asked, gpu=found.gpu)  # of several kinds of machine the one that was taken
    gpus, serving = (
        found.gpus // found.servers,
        evolve(asked.serving, replicas=max(asked.serving.replicas, found.servers)),
    )
    return evolve(asked, model=chosen, gpus=gpus, engine_args=engine, concurrency=users, serving=serving)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(name="extra-flags", value=text[:80], problem=f"has {error}".lower()) from None


def _is_gpu(name: str) -> bool:
    """Whether every command takes it for a GPU."""
    if name.lower() == "auto":
        return True
    try:
        return bool(find_gpu(name, plugins().profiles))
    except VramError:
        return False
