"""`vram upgrade`: the same deployment under two releases of vLLM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands import (
    GroupedCommand,
    engine_options,
    hardware_options,
    model_options,
    report_options,
    workload_options,
    write_reports,
)

if TYPE_CHECKING:
    from vram.report import Document
    from vram_plugins.upgrade.records import Upgrade


@click.command("upgrade", cls=GroupedCommand)
@model_options
@click.option(
    "--from", "from_version", default=None, metavar="VERSION", help="vLLM now; default: that of the command's image."
)
@click.option("--to", "to_version", default=None, metavar="VERSION", help="vLLM then; default: the newest known.")
@hardware_options
@engine_options
@workload_options
@report_options
@click.option("--json", "as_json", is_flag=True, help="Both answers, every change and its reasons as JSON.")
@click.option("--check", is_flag=True, help="Exit with 1 when it fitted before and does not after.")
def command(**options: Any) -> None:
    """What changes for MODEL, or a whole `vllm serve` command, from one vLLM to another?

    Each part of memory and each limit before and after, the release in which it moved and why, defaults that changed, flags that
    came and went, and known faults of the two releases that this deployment meets.

    \b
    vram upgrade Qwen/Qwen3-8B --gpu "RTX 4090" -c 16k --from 0.10.2 --to 0.33
    vram upgrade --gpu L40S -- docker run vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-8B --swap-space 8
    """
    from vram.commands import arguments_from, opened, pasted_command, warn_about_plugins
    from vram_plugins.upgrade.upgrade import upgrade

    options["vllm_version"] = options["from_version"] or options["vllm_version"]
    pasted = pasted_command(options)
    asked = opened(arguments_from(options, pasted))
    old = asked.pop("vllm_version")
    if old is None:
        raise click.UsageError("Say which vLLM it is now: --from 0.10.2.")
    used = (*pasted.ignored, *pasted.unknown) if pasted else ()
    found = upgrade(asked.pop("model"), from_version=old, to_version=options["to_version"], used=used, **asked)
    warn_about_plugins()
    told = write_reports(options, lambda: _document(found))
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
    elif not told:
        from vram_plugins.upgrade.table import print_upgrade

        print_upgrade(found)
    if options["check"] and found.before.verdict.fits and not found.after.verdict.fits:
        raise click.exceptions.Exit(1)


def _document(found: Upgrade) -> Document:
    from vram_plugins.upgrade.document import upgrade_document

    return upgrade_document(found)
