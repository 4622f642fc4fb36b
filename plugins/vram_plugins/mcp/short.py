"""From the library's records to short answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from vram.models.comparison import Comparison, Row
from vram.models.estimate import Change, Estimate
from vram.models.plan import Plan
from vram.models.profile import Gpu
from vram.report import headline
from vram.units import GIB, counted
from vram_plugins.mcp.short_records import (
    Card,
    Choice,
    OtherWay,
    Quantity,
    Server,
    ShortCheck,
    ShortComparison,
    ShortEstimate,
    ShortGpus,
    ShortModels,
    ShortPlan,
    ShortReconciliation,
    Sizes,
    Trouble,
    Way,
)

if TYPE_CHECKING:
    from vram.checkpoint import CatalogModel
    from vram_plugins.check.records import Checked
    from vram_plugins.reconcile.records import Component, Reconciliation

_MOST_WAYS = 3
_MOST_CHOICES = 10
_MOST_LISTED = 40
_MOST_SERVERS = 50


def short_estimate(found: Estimate) -> ShortEstimate:
    """The verdict, the memory, the limits, the ways out."""
    memory, verdict, told = found.memory, found.verdict, headline(found)
    failed = next((check.message for check in verdict.checks if not check.passed), None)
    return ShortEstimate(
        summary=f"{told.text}: {told.detail}",
        starts=verdict.starts,
        fits=verdict.fits,
        certainty=verdict.certainty,
        gib_per_gpu=Sizes(
            budget=_gib(memory.budget_bytes),
            weights=_gib(memory.weights.expected),
            activation_peak=_gib(memory.activation_peak.expected),
            cuda_graphs=_gib(memory.cuda_graphs.expected),
            non_torch=_gib(memory.non_torch.expected),
            kv_cache=_gib(memory.kv_cache_available.expected),
            kv_cache_needed=_gib(memory.kv_cache_required.expected),
            headroom=_gib(memory.headroom.expected),
        ),
        kv_cache_tokens=found.kv_cache.tokens,
        max_context_at_concurrency=found.limits.max_context_at_concurrency,
        max_concurrency_at_context=found.limits.max_concurrency_at_context,
        problem=failed,
        changes=_ways(verdict.changes),
        notes=_once(verdict.warnings, (verdict.no_change,) if verdict.no_change else (), found.left_out, found.assumed),
    )


def short_plan(found: Plan) -> ShortPlan:
    """The command with its reasons, or why there is none."""
    best = found.recommendation
    options = tuple(OtherWay(title=one.title, command=one.command) for one in found.options[:_MOST_WAYS])
    if best is None:
        return ShortPlan(
            summary=f"nothing fits: {found.model} on up to {found.most_gpus} × {found.gpu}",
            feasible=False,
            command=None,
            gpu=found.gpu,
            gpus=found.most_gpus,
            servers=0,
            reasons=(),
            max_context=None,
            max_concurrency=None,
            output_tokens_per_s=None,
            obstacle=found.obstacle,
            options=options,
            notes=found.warnings,
        )
    speed = best.performance
    return ShortPlan(
        summary=f"{best.model} on {best.gpus} × {best.gpu}",
        feasible=True,
        command=best.command,
        gpu=best.gpu,
        gpus=best.gpus,
        servers=best.servers,
        reasons=(best.hardware_reason, *(f"{one.name}={one.value}: {one.reason}" for one in best.settings)),
        max_context=best.limits.max_context,
        max_concurrency=best.limits.max_concurrency,
        output_tokens_per_s=round(speed.output_tokens_per_s.expected * best.replicas, 1) if speed else None,
        obstacle=None,
        options=options,
        notes=found.warnings,
    )


def short_comparison(found: Comparison) -> ShortComparison:
    """Of each card the fewest that do, editions of one card as one, in the order that was asked for."""
    from vram_plugins.compare.order import fewest, folded

    rows = [row for row, _ in folded(fewest(found.rows))]
    skipped = tuple(f"{one.model} is left out: {one.problem}" for one in found.skipped)
    best = f"{rows[0].model} fits on {rows[0].gpus} × {rows[0].gpu}" if rows else "it fits on none of these GPUs"
    return ShortComparison(
        summary=f"{best}; {counted(len(rows), 'kind')} of GPU will do" if rows else best,
        choices=tuple(_choice(row) for row in rows[:_MOST_CHOICES]),
        more=max(0, len(rows) - _MOST_CHOICES),
        notes=(*skipped, *_nowhere(found)),
    )


def _nowhere(found: Comparison) -> Iterable[str]:
    """Of each model that fits on nothing, what comes nearest, and why it is not enough."""
    from vram_plugins.compare.words import OBSTACLES

    fitting = {row.model for row in found.rows if row.fits}
    nearest: dict[str, Row] = {}
    for row in found.rows:
        if row.model not in fitting and (
            row.model not in nearest or row.headroom_bytes > nearest[row.model].headroom_bytes
        ):
            nearest[row.model] = row
    for model, row in nearest.items():
        reason = OBSTACLES.get(row.obstacle, row.obstacle)
        yield f"{model} fits on none of these; nearest is {row.gpus} × {row.gpu}: {reason}"


def _choice(row: Row) -> Choice:
    same = ("model", "gpu", "gpus", "quantization", "kv_cache_dtype", "certainty", "most_requests", "price_per_hour")
    return Choice(
        **{name: getattr(row, name) for name in (*same, "currency", "hypothetical", "replicas", "meets")},
        headroom_gib=_gib(row.headroom_bytes),
        output_tokens_per_s=None if row.output_tokens_per_s is None else round(row.output_tokens_per_s, 1),
    )


def short_check(found: Checked) -> ShortCheck:
    """Each server in a line, those that do not pass first."""
    listed = sorted(found.findings, key=lambda one: one.passes)
    good = sum(one.passes for one in listed)
    names = ("file", "line", "server", "model", "gpu", "status", "problem", "change")
    passing = (
        "all pass" if good == len(listed) else f"{good} {'passes' if good == 1 else 'pass'}" if good else "none passes"
    )
    return ShortCheck(
        summary=f"{counted(len(listed), 'server')} in {counted(found.files, 'file')}"
        + (f": {passing}" if listed else ""),
        passes=good == len(listed),
        servers=tuple(Server(**{name: getattr(one, name) for name in names}) for one in listed[:_MOST_SERVERS]),
        more=max(0, len(listed) - _MOST_SERVERS),
        notes=found.notes,
    )


def short_reconciliation(found: Reconciliation) -> ShortReconciliation:
    """The numbers side by side, what went wrong, what starts."""
    from vram_plugins.reconcile.document import reconciliation_document

    outside = [one.name.replace("_", " ") for one in found.components if not one.inside]
    right = f"not as predicted: {', '.join(outside)}" if outside else "as predicted"
    return ShortReconciliation(
        summary=f"{reconciliation_document(found).title}" + (f"; {right}" if found.components else ""),
        crashed=bool(found.start.failures),
        as_predicted=all(one.inside for one in found.components) if found.components else None,
        quantities=tuple(_quantity(one) for one in found.components),
        findings=tuple(Trouble(message=one.message, fix=one.fix) for one in found.findings),
        changes=_ways(found.changes),
        problem=found.problem,
        notes=_once(found.notes, (found.no_change,) if found.no_change else ()),
    )


def _quantity(one: Component) -> Quantity:
    size = 1 / GIB if one.unit == "bytes" else 1
    units: dict[str, Literal["GiB", "count", "ratio"]] = {"bytes": "GiB", "count": "count"}
    return Quantity(
        name=one.name,
        unit=units.get(one.unit, "ratio"),
        logged=round(one.logged * size, 2),
        predicted=round(one.predicted * size, 2),
        low=round(one.low * size, 2),
        high=round(one.high * size, 2),
        inside=one.inside,
        why=one.explanation,
    )


def short_models(found: tuple[CatalogModel, ...]) -> ShortModels:
    """Their ids."""
    return ShortModels(
        summary=f"{counted(len(found), 'model')} of the bundled catalog",
        models=tuple(one.id for one in found[:_MOST_LISTED]),
        more=max(0, len(found) - _MOST_LISTED),
    )


def short_gpus(found: tuple[Gpu, ...]) -> ShortGpus:
    """Whole GPUs before slices, those of data centres first."""
    kinds = ("data centre", "workstation", "consumer", "laptop", "embedded", "partition")
    listed = sorted(found, key=lambda gpu: (kinds.index(gpu.kind), gpu.name))
    cards = tuple(
        Card(
            name=gpu.name,
            kind=gpu.kind,
            memory_gib=_gib(gpu.memory_bytes),
            compute_capability=".".join(map(str, gpu.compute_capability)),
        )
        for gpu in listed[:_MOST_LISTED]
    )
    return ShortGpus(summary=counted(len(listed), "GPU"), gpus=cards, more=max(0, len(listed) - _MOST_LISTED))


def _gib(size: float) -> float:
    return round(size / GIB, 2)


def _ways(changes: Iterable[Change]) -> tuple[Way, ...]:
    return tuple(Way(words=one.words, gives_up=one.gives_up) for one in tuple(changes)[:_MOST_WAYS])


def _once(*notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for some in notes for note in some))


#: the record of each tool's short answer, and what makes it of the library's
SHORT: Mapping[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "estimate": (ShortEstimate, short_estimate),
    "plan": (ShortPlan, short_plan),
    "compare": (ShortComparison, short_comparison),
    "check": (ShortCheck, short_check),
    "reconcile": (ShortReconciliation, short_reconciliation),
    "models": (ShortModels, short_models),
    "gpus": (ShortGpus, short_gpus),
}
