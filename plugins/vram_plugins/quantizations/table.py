"""Quantizations as a person reads them: the one to take first, then every form under where it is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

import click

from vram.models.record import frozen
from vram.report import columns
from vram.units import GIB
from vram_plugins.compare.words import speed_of
from vram_plugins.quantizations.records import SOURCES, Form, Quantizations, Source

_WIDEST = 80
_ROOM_FOR_SPEED = 60
_HEADINGS: dict[Source, str] = {
    "as it is": "as it is",
    "published": "published checkpoints, of the bundled catalog",
    "while loading": "made by vLLM while it loads the model as it is",
    "unpublished": "unpublished: sized as its quantizer usually writes it; look for such a checkpoint, or make one",
}


@frozen(kw_only=True)
class _Line:
    """One form's cells: its mark and name, the figures, and why it is none."""

    name: str
    figures: tuple[str, ...]
    reason: str


def print_quantizations(found: Quantizations, *, unfold: bool = False) -> None:
    """Write the answer to the terminal."""
    click.echo("\n".join(_lines(found, unfold=unfold)))


def _lines(found: Quantizations, *, unfold: bool) -> Iterator[str]:
    wide = min(_WIDEST, columns() or _WIDEST)
    count = f"{found.gpus} × " if found.gpus > 1 else ""
    assumed = " (assumed)" if found.assumed else ""
    work = f"{found.concurrency} × {found.max_model_len:,} tokens{assumed}"
    yield from wrap(f"{found.model} on {count}{found.gpu}, {work}, vLLM {found.vllm_version}", wide)
    yield _headline(found)
    yield ""
    kept = 5 if wide >= _ROOM_FOR_SPEED else 3
    header = ("weights", "context", "users", "tok/s", "1st tok")[:kept]
    table = {source: [_line(form) for form in found.forms if form.source == source] for source in SOURCES}
    every = [line for lines in table.values() for line in lines]
    widths = [
        max(len(one) for one in column) for column in zip(header, *(line.figures[:kept] for line in every), strict=True)
    ]
    left = min(wide - sum(widths) - 2 * len(widths), max(len(line.name) for line in every))
    left = max(left, 2)
    yield " " * left + "".join(f"  {name:>{width}}" for name, width in zip(header, widths, strict=True))
    for source, lines in table.items():
        if lines and source != "as it is":
            yield from wrap(_HEADINGS[source], wide)
        for line in lines:
            figures = "".join(f"  {one:>{width}}" for one, width in zip(line.figures[:kept], widths, strict=True))
            yield from _named(line.name, left, figures)
            if line.reason:
                yield from wrap(line.reason, wide, initial_indent="    ", subsequent_indent="    ")
    yield ""
    yield from wrap(_legend(found), wide)
    if unfold:
        yield ""
        for one in found.left_out:
            yield from wrap(f"{one.method}: {one.reason}", wide, subsequent_indent="    ")
    elif found.left_out:
        yield f"{len(found.left_out)} methods do not store this model; --all says why."


def _headline(found: Quantizations) -> str:
    best = found.best
    if best is None:
        close = any(form.fits for form in found.forms)
        return "✗ " + ("None surely fits; ? marks what is too close to be sure." if close else "None fits.")
    if best.source == "as it is":
        return "✓ It fits as it is."
    flag = f" with --quantization {best.method}" if best.method else ""
    return f"✓ Most precise that fits: {best.model}{flag}"


def _line(form: Form) -> _Line:
    mark = "✓" if form.surely_fits else "?" if form.fits or form.certainty == "borderline" else "✗"
    name = form.model
    if form.source == "while loading":
        name = f"--quantization {form.method}"
    elif form.source == "unpublished":
        name = str(form.quantization)
    reason = form.reason or ("too close to be sure that it starts" if mark == "?" else "")
    return _Line(
        name=f"{mark} {name}",
        figures=(
            f"{form.weights_bytes / GIB:.2f}",
            f"{form.max_context:,}" if form.max_context else "-",
            f"{form.users:,}" if form.users else "-",
            "-" if form.output_tokens_per_s is None or not form.starts else f"{form.output_tokens_per_s:,.0f}",
            "-" if form.ttft_ms is None or not form.starts else f"{form.ttft_ms / 1e3:.2f} s",
        ),
        reason=reason,
    )


def _named(name: str, left: int, figures: str) -> Iterable[str]:
    """The name on a line of its own where it is too long for the column."""
    if len(name) <= left:
        return (f"{name:<{left}}{figures}",)
    return (name, " " * left + figures)


def _legend(found: Quantizations) -> str:
    text = "weights: GiB per GPU; context: the longest at the asked users; users: requests of the asked length at once."
    if found.workload and any(form.output_tokens_per_s for form in found.forms):
        text += f" {speed_of(found.workload)}."
    return text
