"""From a command's options to an Estimate."""

from __future__ import annotations

from typing import Any

import click

from vram.cli._options import engine_arguments, policy_of
from vram.errors import InputError
from vram.models.estimate import Estimate


def estimate_from(options: dict[str, Any]) -> Estimate:
    """Answer for a command's options. Raises VramError."""
    import vram

    model = model_from(options)
    arguments = engine_arguments(options)
    return vram.estimate(
        model,
        gpu=options["gpu"],
        gpu_memory_gib=options["gpu_memory_gib"],
        gpus=options["gpus"],
        concurrency=options["concurrency"],
        vllm_version=options["vllm_version"],
        profile=options["profile"],
        policy=policy_of(options),
        trust_remote_code=options["trust_remote_code"],
        revision=options["revision"],
        **arguments,
    )


def model_from(options: dict[str, Any]) -> Any:
    """The model an option or argument names, or one from dimensions by hand. Raises InputError."""
    named = options["model"] or options["model_argument"]
    if options["model"] and options["model_argument"] and options["model"] != options["model_argument"]:
        raise InputError(name="model", value=options["model_argument"], problem="contradicts --model")
    if named:
        return named
    if options["params_billion"] is None and options["layers"] is None:
        raise InputError(
            name="model",
            value=None,
            problem="give a model id, a folder, or dimensions by hand (--params-billion, --layers ...)",
        )
    from vram.checkpoint.manual import manual_checkpoint

    return manual_checkpoint(
        params_billion=options["params_billion"],
        layers=options["layers"],
        kv_heads=options["kv_heads"],
        head_dim=options["head_dim"],
        hidden_size=options["hidden_size"],
        vocab_size=options["vocab_size"],
        vision_gib=options["vision_gib"] or 0.0,
        quantization=options.pop("quantization"),
    )


def warn_about_plugins() -> None:
    """Name every plugin that could not be used, once, on standard error."""
    from vram.manager import plugins

    for info in plugins().failures:
        click.echo(
            f"Warning: plugin {info.name} ({info.distribution} {info.version}) was skipped: {info.error}", err=True
        )
