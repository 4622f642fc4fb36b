"""`vram additions`: what a deployment that fits could have besides."""

from __future__ import annotations

from typing import Any

import click

from vram.commands import GroupedCommand, engine_options, hardware_options, model_options, workload_options


@click.command("additions", cls=GroupedCommand)
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--json", "as_json", is_flag=True, help="The answer and every addition as JSON.")
def command(**options: Any) -> None:
    """What would sleep mode, LoRA slots or a draft cost MODEL, where it fits?

    Each is asked as a whole: what the KV cache has less, RAM, the longest context and the most requests then. A draft is offered
    where the model has prediction layers of its own or the catalog one for it, and as guesses from the prompt.

    \b
    vram additions Qwen/Qwen3-8B --gpu L40S -c 8k --concurrency 4
    """
    from vram.commands import arguments_from, opened, pasted_command, warn_about_plugins
    from vram_plugins.additions.additions import additions

    asked = opened(arguments_from(options, pasted_command(options)))
    found = additions(asked.pop("model"), **asked)
    warn_about_plugins()
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
        return
    from vram_plugins.additions.table import print_additions

    print_additions(found)
