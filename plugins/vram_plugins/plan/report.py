"""A plan as a report: the one of every plan and, where there are targets, what is kept and the curve of speed."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.plan import Plan
from vram.models.record import evolve
from vram.models.targets import SpeedCurve
from vram.report import Block, Document, Figure, Heading, Headline, Items, Table, plan_document
from vram_plugins.plan.service_words import asked_words, heading_of, limit_words, rows_of
from vram_plugins.targets.curve_axes import figure, spots_of
from vram_plugins.targets.curve_svg import curve_svg


def planned_document(plan: Plan) -> Document:
    """The report of a plan."""
    made, found = plan_document(plan), plan.recommendation
    if plan.targets is None:
        return made
    first, *rest = made.blocks
    if isinstance(first, Headline):
        text = first.text if found is None else heading_of(found)
        first = evolve(first, text=text, detail=f"{plan.model}: {asked_words(plan)}")
    return evolve(made, blocks=(first, *_service(plan), *rest))


def _service(plan: Plan) -> Iterator[Block]:
    found, targets = plan.recommendation, plan.targets
    if found is None or found.service is None or targets is None:
        return
    service = found.service
    yield Heading(text="Targets, kept at the unfavourable ends")
    yield Table(header=("", "surely", "target"), rows=tuple(rows_of(service, targets)), numeric=frozenset({1, 2}))
    yield Items(items=(service.words, limit_words(service), *(f"Too small: {one.title}." for one in plan.refused)))
    yield Heading(text="Throughput against latency, as expected")
    yield Figure(svg=curve_svg(service.curve), caption="Tokens per second: all replicas together against one user.")
    yield curve_table(service.curve)


def curve_table(curve: SpeedCurve) -> Table:
    """The points of a curve as rows."""
    waits = {point.users: point.ttft_ms.expected for point in curve.points}
    rows = tuple(
        (
            f"{spot.users:,}{' (planned)' if spot.chosen else ''}",
            figure(spot.x),
            figure(spot.y),
            f"{waits[spot.users]:,.0f}",
        )
        for spot in spots_of(curve)
    )
    header = ("at once in a replica", "tokens/s of one user", "tokens/s of all", "first token, ms")
    return Table(header=header, rows=rows, numeric=frozenset({1, 2, 3}))
