"""`vram detect`: this machine's GPUs."""

from __future__ import annotations

import click


@click.command("detect")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(as_json: bool) -> None:
    """List this machine's GPUs (NVIDIA's through NVML): memory, capability, driver, NVLink, MIG, and who holds memory.

    `--gpu auto` of the other commands uses the first one, with its free memory.

    \b
    vram detect
    vram estimate Qwen/Qwen3-8B --gpu auto
    """
    from vram.commands import warn_about_plugins
    from vram.gpus import detect_gpus

    found = detect_gpus()
    warn_about_plugins()
    if as_json:
        from json import dumps

        from attrs import asdict

        click.echo(dumps([asdict(gpu) for gpu in found], indent=1))
        return
    from vram_plugins.detect.table import print_detected

    print_detected(found)
