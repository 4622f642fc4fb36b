"""GPUs of this machine as a list."""

from __future__ import annotations

from collections.abc import Iterable

import click

from vram.errors import UnknownNameError
from vram.gpus import find_gpu, profile_for
from vram.models.detected import DetectedGpu
from vram.models.platform import architecture_name, platform_name
from vram.plugin import plugins
from vram.report import print_rows
from vram.units import format_gib


def print_detected(found: Iterable[DetectedGpu]) -> None:
    """This machine's GPUs with their profile, and the processes that hold memory."""
    profiles = plugins().profiles
    rows, holders = [], []
    for gpu in found:
        try:
            profile = profile_for(find_gpu(gpu.name, profiles), profiles).name
        except UnknownNameError:
            profile = "generic"
        chip = gpu.compute_capability
        capability = architecture_name(chip) if chip is not None else "?"
        links = (
            f"{'xGMI' if platform_name(chip) == 'rocm' else 'NVLink'} to {', '.join(map(str, gpu.nvlink_peers))}"
            if gpu.nvlink_peers
            else ""
        )
        note = gpu.problem or ("MIG enabled" if gpu.mig_enabled else links)
        rows.append((str(gpu.index), gpu.name, _memory(gpu), capability, gpu.driver_version, profile, note))
        holders += [f"  GPU {gpu.index}: process {p.pid} {p.name or ''}" for p in gpu.processes]
    print_rows(("GPU", "name", "free of total", "capability", "driver", "profile", ""), rows)
    if holders:
        click.echo("Memory is held by:")
        for line in holders:
            click.echo(line)


def _memory(gpu: DetectedGpu) -> str:
    total = gpu.cuda_total_bytes or gpu.total_bytes
    if total is None:
        return "shared with the host"
    free = format_gib(gpu.free_bytes) if gpu.free_bytes is not None else "?"
    return f"{free} of {format_gib(total)}"
