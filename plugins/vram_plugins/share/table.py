"""A sharing as a person reads it: whether it works, each start in its order, each GPU, the commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

import click

from vram.report import columns
from vram.units import GIB, format_gib
from vram_plugins.share.records import Sharing, Start

_WIDEST = 80


def print_sharing(found: Sharing) -> None:
    """Write the answer to the terminal."""
    click.echo("\n".join(_lines(found)))


def _lines(found: Sharing) -> Iterator[str]:
    wide = min(_WIDEST, columns() or _WIDEST)
    where = " + ".join(f"{sum(gpu.name == name for gpu in found.gpus)} × {name}" for name in _kinds(found))
    if not found.feasible:
        yield from wrap(f"✗ They do not share {where}: {found.obstacle}.", wide, subsequent_indent="  ")
        return
    number = len(found.starts)
    if number > 1:
        told = f"{number} models share {where}. Start them in this order, each when the one before answers."
    else:
        told = f"The model starts and does its work on {where} with this share of it."
    yield from wrap(f"✓ {told}", wide)
    yield ""
    yield from _table(found, wide)
    yield ""
    for gpu in found.gpus:
        others = f" ({gpu.used_before_bytes / GIB:.2f} by others)" if gpu.used_before_bytes else ""
        held, left = gpu.held_bytes / GIB, format_gib(gpu.memory_bytes - gpu.held_bytes)
        yield f"GPU {gpu.index}, {gpu.name}: {held:.2f} of {format_gib(gpu.memory_bytes)} held{others}, {left} left"
    yield ""
    for start in found.starts:
        yield start.command
    yield ""
    yield from wrap(
        "util: --gpu-memory-utilization, the least that surely starts and does the work; before: held when it starts; "
        "holds: its budget and what no budget counts, CUDA's context and graphs among it.",
        wide,
    )


def _kinds(found: Sharing) -> Sequence[str]:
    return tuple(dict.fromkeys(gpu.name for gpu in found.gpus))


def _table(found: Sharing, wide: int) -> Iterator[str]:
    header = ("", "model", "GPU", "util", "before", "holds", "work", "users")
    rows = [header, *(_row(number, start) for number, start in enumerate(found.starts, 1))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(header))]
    name = min(widths[1], max(5, wide - sum(widths) + widths[1] - 2 * (len(header) - 1)))
    for row in rows:
        model = row[1] if len(row[1]) <= name else row[1].rpartition("/")[2]
        number = row[0]
        if len(model) > name:  # on a line of its own
            yield f"{number:>{widths[0]}}  {model}"
            number = model = ""
        cells = [f"{number:>{widths[0]}}", f"{model:<{name}}", f"{row[2]:<{widths[2]}}"]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[3:], widths[3:], strict=True)]
        yield "  ".join(cells).rstrip()


def _row(number: int, start: Start) -> tuple[str, ...]:
    return (
        str(number),
        start.model,
        ",".join(map(str, start.devices)),
        f"{start.gpu_memory_utilization:.2f}",
        f"{start.used_bytes / GIB:.1f}",
        f"{start.holds_bytes / GIB:.1f}",
        f"{start.concurrency} × {start.max_model_len:,}",
        f"{start.users:,}",
    )
