"""From a command's options to an Estimate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from vram.commands.options import engine_arguments, policy_of
from vram.errors import InputError
from vram.models.estimate import Estimate
from vram.models.record import evolve

if TYPE_CHECKING:
    from vram.models.checkpoint import Checkpoint
    from vram.serving.command import ServeCommand


_BY_HAND = ("params_billion", "layers", "kv_heads", "head_dim", "hidden_size", "vocab_size", "vision_gib")


def estimate_from(options: dict[str, Any]) -> Estimate:
    """Answer for a command's options. Raises VramError."""
    from vram.ask.answering import answer
    from vram.ask.asking import ask
    from vram.commands.pasted import pasted_command

    pasted = pasted_command(options)
    return noted(answer(ask(**opened(arguments_from(options, pasted)))), pasted)


def noted(estimate: Estimate, pasted: ServeCommand | None) -> Estimate:
    """The answer with what could not be read of the command it is about, and what was assumed for it."""
    left_out, assumed = (pasted.left_out, pasted.assumed) if pasted else ((), ())
    return evolve(estimate, left_out=(*left_out, *estimate.left_out), assumed=(*assumed, *estimate.assumed))


def arguments_from(options: Mapping[str, Any], pasted: ServeCommand | None) -> dict[str, Any]:
    """The arguments of `vram.estimate` that options and a pasted command ask for, the model as it is named there.

    Raises VramError.
    """
    engine = _engine_from(options, pasted)
    return {
        "model": _model_of(options, pasted) or _model_by_hand(options, engine.pop("quantization", None)),
        "revision": options["revision"] or (pasted.revision if pasted else None),
        "trust_remote_code": options["trust_remote_code"] or bool(pasted and pasted.trust_remote_code),
        "gpu": options["gpu"] or (pasted.gpu if pasted else None),
        "gpu_memory_gib": options["gpu_memory_gib"],
        "gpus": _gpus_of(options),
        "used_gib": options.get("used_gib"),
        "concurrency": options["concurrency"],
        "vllm_version": options["vllm_version"] or (pasted.vllm_version if pasted else None),
        "profile": options["profile"],
        "policy": policy_of(options),
        **engine,
    }


def opened(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the model read, with progress on standard error where it is on the Hub. Raises VramError."""
    from vram.ask.asking import as_checkpoint
    from vram.commands.progress import Progress

    progress = Progress()
    try:
        checkpoint = as_checkpoint(arguments["model"], revision=arguments["revision"], progress=progress)
    finally:
        progress.close()
    return {**arguments, "model": checkpoint}


def _gpus_of(options: Mapping[str, Any]) -> int | None:
    """How many GPUs to spread over: as typed. What a file gives is no parallel size. Raises InputError on a contradiction."""
    typed: int | None = options["gpus"]
    ranks = (options["tensor_parallel_size"] or 1) * (options["pipeline_parallel_size"] or 1)
    if typed is not None and ranks > typed:
        raise InputError(name="gpus", value=typed, problem=f"the parallel sizes ask for {ranks} GPUs")
    return typed


def _engine_from(options: Mapping[str, Any], command: ServeCommand | None) -> dict[str, Any]:
    """Engine arguments: typed ones win over a pasted command's, and those over a profile file's. Raises InputError."""
    typed = engine_arguments(options)
    if command is None:
        return typed
    from vram.vllm.faults import deciding

    surroundings = {**deciding(command.environment), **typed.pop("environment", {})}
    typed |= {"environment": surroundings} if surroundings else {}
    context = click.get_current_context(silent=True)
    saved = click.core.ParameterSource.DEFAULT_MAP
    from_file = {name for name in typed if context and context.get_parameter_source(name) is saved}
    return {
        **{name: typed[name] for name in from_file},
        **command.engine_args,
        **{k: v for k, v in typed.items() if k not in from_file},
    }


def _model_by_hand(options: Mapping[str, Any], quantization: str | None) -> Checkpoint:
    """A model from dimensions. Raises InputError."""
    if options["params_billion"] is None and options["layers"] is None:
        where = ", before --ask-vllm," if options.get("ask_vllm") else ","
        problem = f"give a model id, a folder{where} or dimensions by hand (--params-billion, --layers ...)"
        raise InputError(name="model", value=None, problem=problem)
    from vram.checkpoint.manual import manual_checkpoint

    return manual_checkpoint(
        params_billion=options["params_billion"],
        layers=options["layers"],
        kv_heads=options["kv_heads"],
        head_dim=options["head_dim"],
        hidden_size=options["hidden_size"],
        vocab_size=options["vocab_size"],
        vision_gib=options["vision_gib"] or 0.0,
        quantization=quantization,
    )


def _refuse_dimensions_beside_a_model() -> None:
    """Dimensions typed beside a model would be read by nobody. Raises InputError."""
    context = click.get_current_context(silent=True)
    for name in _BY_HAND if context else ():
        if context and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise InputError(
                name=name, value=context.params[name], problem="is for dimensions by hand, not beside a model"
            )


def _model_of(options: Mapping[str, Any], pasted: ServeCommand | None) -> str | None:
    """The model typed, which wins over a pasted command's, and that over a profile file's. Raises InputError."""
    if pasted is None:
        return _named_model(options)
    if options["from_file"] and options["words"]:
        return _named_model(options)  # the words are no command then
    context = click.get_current_context(silent=True)
    saved = context and context.get_parameter_source("model") is click.core.ParameterSource.DEFAULT_MAP
    return pasted.model if saved or not options["model"] else str(options["model"])


def _named_model(options: Mapping[str, Any]) -> str | None:
    """The model that an option, an argument or, after them, a profile file names. Raises InputError."""
    argument = options["words"][0] if options["words"] else None
    option = options["model"]
    context = click.get_current_context(silent=True)
    if argument and context and context.get_parameter_source("model") is click.core.ParameterSource.DEFAULT_MAP:
        option = None
    if option and argument and option != argument:
        raise InputError(name="model", value=argument, problem="contradicts --model")
    named = option or argument
    if named:
        _refuse_dimensions_beside_a_model()
    return named


def warn_about_plugins() -> None:
    """Name every plugin that could not be used, once, on standard error."""
    from vram.plugin.manager import plugins

    for info in plugins().failures:
        click.echo(f"Warning: plugin {info.source} was skipped: {info.error}", err=True)
