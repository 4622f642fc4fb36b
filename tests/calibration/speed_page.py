"""Write what `fit_speed.py` and `beside_aiconfigurator.py` printed into the tables of docs/explanation/performance.md.

usage: python tests/calibration/speed_page.py PAGE --scores PRINTED [--beside PRINTED]

A table stands between `<!-- NAME -->` and `<!-- /NAME -->`: `scores`, `constants`, `beside`. The README's sentence is that of the
page, which a test holds against it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vram.advise.efficiency import GENERATIONS, SHARED

QUANTITIES = {"output_tokens_per_s": "output tokens/s", "tpot": "time per output token", "ttft": "time to first token"}
_PRINTED = re.compile(
    r"^(?P<title>\S.*?)\s{2,}(?P<quantity>\w+)\s+runs\s+(?P<runs>\d+) votes\s+(?P<votes>\d+)\s+median (?P<median>[\d.]+)\s+"
    r"p90 (?P<tail>[\d.]+)\s+inside\s+(?P<inside>\d+)%"
)
_OTHERS = ("kernels alone, no fit", "each publisher left out", "each model left out", "each card left out")
_BESIDE = re.compile(
    r"^(?P<quantity>\w+)\s+(?P<who>vram|aiconfigurator)\s+runs\s+(?P<runs>\d+) votes\s+(?P<votes>\d+)\s+"
    r"median (?P<median>[\d.]+)\s+p90 (?P<tail>[\d.]+)"
)


def scores(printed: str) -> list[tuple[str, ...]]:
    """One row per quantity: as shipped, then by what was not in the fit."""
    found = {(m["title"], m["quantity"]): m for m in map(_PRINTED.match, printed.splitlines()) if m}
    rows: list[tuple[str, ...]] = [
        ("quantity", "runs", "median", "90th percentile", "inside the range", "kernels alone, nothing fitted", "each publisher left out",
         "each model left out", "each GPU left out"),
    ]  # fmt: skip
    for quantity, words in QUANTITIES.items():
        own = found["as shipped", quantity]
        others = (found.get((title, quantity)) for title in _OTHERS)
        cells = (f"{m['median']}, {m['tail']}, {m['inside']} %" if m else "" for m in others)
        rows.append((words, own["runs"], own["median"], own["tail"], f"{own['inside']} %", *cells))
    return rows


def constants() -> list[tuple[str, ...]]:
    """Each constant with what kernels say, and the values of generations that have their own."""
    own = {name: {f.name: f for f in factors} for name, factors in GENERATIONS.items()}
    shown = [name for name in own if len(own[name]) > 1]
    rows: list[tuple[str, ...]] = [("constant", "all", *(f"`{name}`" for name in shown))]
    for factor in SHARED:
        cells = [own[name].get(factor.name) for name in shown]
        rows.append((f"`{factor.name}`", *(f"{f.value:g} ({f.kernels:g})" if f else "" for f in (factor, *cells))))
    return rows


def beside(printed: str) -> list[tuple[str, ...]]:
    """Both tools on the runs that both answer."""
    found = {(m["quantity"], m["who"]): m for m in map(_BESIDE.match, printed.splitlines()) if m}
    rows: list[tuple[str, ...]] = [("quantity", "runs", "votes", "vram: median, 90th", "aiconfigurator: median, 90th")]
    for quantity, words in QUANTITIES.items():
        pair = [found[quantity, who] for who in ("vram", "aiconfigurator") if (quantity, who) in found]
        if pair:
            rows.append((words, pair[0]["runs"], pair[0]["votes"], *(f"{m['median']}, {m['tail']}" for m in pair)))
    return rows


def put(page: Path, name: str, rows: Sequence[Sequence[str]]) -> None:
    """Replace one table of the page."""
    text = page.read_text()
    before, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not start or not end:
        raise SystemExit(f"{page} has no place for {name}")
    page.write_text(before + start + "\n" + table(rows) + "\n" + end + after)


def table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines: Iterable[Sequence[str]] = (head, ["---"] * len(head), *body)
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--beside", type=Path)
    given = parser.parse_args()
    put(given.page, "constants", constants())
    if given.scores:
        put(given.page, "scores", scores(given.scores.read_text()))
    if given.beside:
        put(given.page, "beside", beside(given.beside.read_text()))


if __name__ == "__main__":
    main()
