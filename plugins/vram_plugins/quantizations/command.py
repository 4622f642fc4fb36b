"""`vram quantizations`: which form of a model fits these GPUs."""

from __future__ import annotations

from typing import Any

import click

from vram.commands import GroupedCommand, engine_options, hardware_options, model_options, workload_options


@click.command("quantizations", cls=GroupedCommand)
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--prompt-tokens", type=int, default=None, help="Tokens of a prompt, for speed.  [default: 1024]")
@click.option("--gen-tokens", type=int, default=None, help="Tokens of an answer, for speed.  [default: 256]")
@click.option("--all", "unfold", is_flag=True, help="Also what this model cannot be stored in, with the reason.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--check", is_flag=True, help="Exit with 1 when none that there is surely fits.")
@click.option("--accept-borderline", is_flag=True, help="A start that is too close to be sure counts.")
def command(**options: Any) -> None:
    """Which quantization of MODEL fits? As it is, published ones, what vLLM makes while loading, and unpublished ones.

    Each is asked the whole question on these GPUs and this vLLM: does it start, does the work fit, how long a context, how many
    users, how fast. Without a length 8,192 tokens are looked for.

    \b
    vram quantizations Qwen/Qwen3-14B --gpu "RTX 4090"
    vram quantizations Qwen/Qwen3-32B --gpu L4 --gpus 4 --max-model-len 16384 --concurrency 4
    """
    from vram.commands import arguments_from, opened, pasted_command, warn_about_plugins
    from vram_plugins.quantizations.forms import quantizations

    found = quantizations(
        **opened(arguments_from(options, pasted_command(options))),
        prompt_tokens=options["prompt_tokens"],
        gen_tokens=options["gen_tokens"],
    )
    warn_about_plugins()
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
    else:
        from vram_plugins.quantizations.table import print_quantizations

        print_quantizations(found, unfold=options["unfold"])
    there = [form for form in found.forms if form.source != "unpublished"]
    sure = any(form.fits and (options["accept_borderline"] or form.surely_fits) for form in there)
    if options["check"] and not sure:
        raise click.exceptions.Exit(1)
