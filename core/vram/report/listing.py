"""Plain lists for the terminal, and the same facts for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import asdict

from vram.models.detected import DetectedGpu
from vram.models.profile import Gpu, OverheadProfile
from vram.units import format_gib


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without frames, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    Console().print(table)


def print_facts(facts: Mapping[str, Any], indent: int = 0) -> None:
    """Nested facts, one a line."""
    import click

    for key, value in facts.items():
        if isinstance(value, Mapping):
            click.echo(f"{' ' * indent}{key}:")
            print_facts(value, indent + 2)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            click.echo(f"{' ' * indent}{key}:")
            for item in value:
                print_facts(item, indent + 2)
                click.echo()
        elif value not in (None, "", [], ()):
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            click.echo(f"{' ' * indent}{key}: {text}")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def gpu_to_dict(gpu: Gpu) -> dict[str, Any]:
    """One GPU's facts for JSON."""
    facts = asdict(gpu)
    facts["compute_capability"] = ".".join(map(str, gpu.compute_capability))
    facts["dense_flops"] = dict(gpu.dense_flops)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}


def profile_to_dict(profile: OverheadProfile) -> dict[str, Any]:
    """One profile's facts for JSON, its GPUs under `gpus`."""
    facts = asdict(profile, filter=lambda a, _: a.name not in {"gpus", "constants"})
    return {
        **{key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()},
        "gpus": [gpu_to_dict(gpu) for gpu in profile.gpus],
        "constants": [asdict(constant) for constant in profile.constants],
    }


def print_detected(found: Iterable[DetectedGpu]) -> None:
    """This machine's GPUs with their profile, and the processes that hold memory."""
    import click

    from vram.errors import UnknownNameError
    from vram.gpus.find import find_gpu, profile_for
    from vram.plugin.manager import plugins

    profiles = plugins().profiles
    rows, holders = [], []
    for gpu in found:
        try:
            profile = profile_for(find_gpu(gpu.name, profiles), profiles).name
        except UnknownNameError:
            profile = "generic"
        capability = ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else "?"
        links = f"NVLink to {', '.join(map(str, gpu.nvlink_peers))}" if gpu.nvlink_peers else ""
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
