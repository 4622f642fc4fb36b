"""Measured runs beside the model: where it is off, and a profile that corrects it for this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vram.components import Parts, batches_of, corrected, efficiency_of, generation_of, speed_of
from vram.models.performance import Workload
from vram.models.profile import Constant, OverheadProfile
from vram.models.record import evolve, frozen
from vram_plugins.calibrate.speed import MeasuredRun, corrections, predicted
from vram_plugins.performance.bench import Bench


@frozen(kw_only=True)
class Beside:
    """One figure of one run: measured, expected, and expected once corrected. Milliseconds, or tokens per second."""

    where: str
    load: Workload
    figure: str
    measured: float
    expected: float
    corrected: float


@frozen(kw_only=True)
class Comparison:
    """All figures, and the profile that would correct them."""

    figures: tuple[Beside, ...]
    profile: OverheadProfile

    @property
    def factors(self) -> tuple[Constant, ...]:
        """What of the profile is about speed."""
        return tuple(c for c in self.profile.constants if c.name.startswith("speed_"))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        from attrs import asdict

        factors = {c.name: {"value": c.value, "low": c.low, "high": c.high} for c in self.factors}
        return {"figures": [asdict(each) for each in self.figures], "corrections": factors}


def compare(parts: Parts, benches: Sequence[Bench], name: str) -> Comparison:
    """The model on the deployment and loads of the benchmarks, and its correction under a profile's `name`."""
    deployment, base = parts.question.deployment, parts.question.profile
    generation = efficiency_of(generation_of(deployment.gpu))
    runs = [_run(parts, bench) for bench in benches]
    source = f"{len(benches)} benchmark{'s' if len(benches) > 1 else ''} of {parts.question.checkpoint.id}"
    found = corrections(runs, generation, source)
    better = corrected(generation, [(c.name.removeprefix("speed_"), c.value) for c in found])
    figures: list[Beside] = []
    for bench, run in zip(benches, runs, strict=True):
        before, after = (predicted(run, reached) for reached in (generation, better))
        gen = run.load.gen_tokens
        for figure, measured, old, new in (
            ("ttft_ms", bench.ttft_ms, before.ttft * 1e3, after.ttft * 1e3),
            ("tpot_ms", bench.tpot_ms, before.tpot * 1e3, after.tpot * 1e3),
            ("output_tokens_per_s", bench.output_tokens_per_s, before.requests_per_s * gen, after.requests_per_s * gen),
        ):
            if measured is not None:
                figures.append(
                    Beside(
                        where=bench.where,
                        load=bench.load,
                        figure=figure,
                        measured=measured,
                        expected=old,
                        corrected=new,
                    )
                )
    kept = [c for c in base.constants if not c.name.startswith("speed_")]
    profile = evolve(
        base, name=name, aliases=(), gpus=(), gpu=deployment.gpu.name, gpu_count=None, source=source,
        description=f"{base.name}, its speed corrected by {source}", constants=(*kept, *found),
    )  # fmt: skip
    return Comparison(figures=tuple(figures), profile=profile)


def _run(parts: Parts, bench: Bench) -> MeasuredRun:
    args = parts.question.deployment.args
    return MeasuredRun(
        label=bench.where,
        gpu=parts.question.deployment.gpu,
        speed=speed_of(parts),
        load=bench.load,
        fits=batches_of(parts, bench.load).expected,
        eager=args.enforce_eager,
        output_tokens_per_s=bench.output_tokens_per_s,
        tpot=bench.tpot_ms / 1e3 if bench.tpot_ms else None,
        ttft=bench.ttft_ms / 1e3 if bench.ttft_ms else None,
    )
