"""Speed as text."""

from __future__ import annotations

import click

from vram.models.performance import Performance, Range, Workload
from vram.report import print_rows
from vram.units import counted
from vram_plugins.performance.measured import Comparison

_FIGURES = (
    ("time to first token, ms", "ttft_ms"),
    ("  of 95 in 100 requests", "ttft_p95_ms"),
    ("time per output token, ms", "tpot_ms"),
    ("  of 95 in 100 requests", "tpot_p95_ms"),
    ("output tokens/s", "output_tokens_per_s"),
    ("  of one user", "output_tokens_per_s_per_user"),
    ("requests/s", "requests_per_s"),
)
_NAMES = {
    "ttft_ms": "time to first token, ms",
    "tpot_ms": "time per output token, ms",
    "output_tokens_per_s": "output tokens/s",
}


def load_words(load: Workload) -> str:
    """A load in one phrase."""
    known = f" ({load.prompt_tokens - load.new_tokens:,} cached)" if load.prefix_hit_rate else ""
    each = f"{load.prompt_tokens:,} prompt{known} and {load.gen_tokens:,} output tokens"
    if load.arrival == "poisson":
        return f"{counted(load.requests, 'request')} of {each} at {load.request_rate:g} per second"
    if load.arrival == "burst":
        return f"{counted(load.concurrency, 'request')} of {each} at once"
    return f"{counted(load.concurrency, 'client')}, {each} a request"


def print_performance(speed: Performance) -> None:
    """The figures with their ranges, what they are bound by, and what they take for granted."""
    click.echo(f"One replica on {speed.gpu}: {load_words(speed.workload)}.")
    rows = [(words, *_range(getattr(speed, name))) for words, name in _FIGURES]
    print_rows(("", "expected", "9 of 10 lie within"), rows)
    most = f"At most {speed.capacity_requests_per_s:.3g} requests/s in the long run; {speed.batch:,} run at once."
    turning = f" Decoding turns from memory to compute at {speed.turning_batch:,}." if speed.turning_batch else ""
    click.echo(f"{most} Decode is bound by {speed.bound}, prefill by {speed.prefill_bound}.{turning}")
    for sentence in speed.assumptions:
        click.echo(f"- {sentence}")


def print_comparison(found: Comparison) -> None:
    """Each figure measured, expected and corrected, and the factors of the correction."""
    rows = [
        (
            one.where,
            load_words(one.load),
            _NAMES[one.figure],
            f"{one.measured:,.4g}",
            f"{one.expected:,.4g}",
            f"× {one.measured / max(one.expected, 1e-9):.2f}",
            f"× {one.measured / max(one.corrected, 1e-9):.2f}",
        )
        for one in found.figures
    ]
    print_rows(("run", "load", "figure", "measured", "expected", "measured/expected", "corrected"), rows)
    words = ", ".join(f"{c.name.removeprefix('speed_')} × {c.value:.2f}" for c in found.factors)
    click.echo(f"What corrects it: {words}.")


def _range(value: Range) -> tuple[str, str]:
    return f"{value.expected:,.4g}", f"{value.low:,.4g} to {value.high:,.4g}"
