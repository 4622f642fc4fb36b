"""The parts of an estimate by themselves, for whoever measures or weighs them: memory beside the weights, and speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.advise.efficiency import Efficiency, corrected, efficiency_of, generation_of
    from vram.advise.machine import machine_with
    from vram.advise.queueing import Loop
    from vram.advise.speed import Speed, batches_of, speed_of
    from vram.estimate.memory.activations import activation_peak
    from vram.estimate.memory.budget import budget_bytes
    from vram.estimate.memory.constants import FALLBACK, constant
    from vram.estimate.memory.graphs import graph_memory
    from vram.estimate.memory.nontorch import non_torch_memory
    from vram.estimate.memory.profile_run import ProfileRun, profile_run
    from vram.estimate.parts import Parts, compute
    from vram.estimate.verdict.judge import format_checks
    from vram.estimate.weights.ranks import Parallelism
    from vram.estimate.weights.resolved import resolve
    from vram.vllm.defaults import BatchDefaults, batch_defaults
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.advise.efficiency": "Efficiency corrected efficiency_of generation_of",
            "vram.advise.machine": "machine_with",
            "vram.advise.queueing": "Loop",
            "vram.advise.speed": "Speed batches_of speed_of",
            "vram.estimate.memory.activations": "activation_peak",
            "vram.estimate.memory.budget": "budget_bytes",
            "vram.estimate.memory.constants": "FALLBACK constant",
            "vram.estimate.memory.graphs": "graph_memory",
            "vram.estimate.memory.nontorch": "non_torch_memory",
            "vram.estimate.memory.profile_run": "ProfileRun profile_run",
            "vram.estimate.parts": "Parts compute",
            "vram.estimate.verdict.judge": "format_checks",
            "vram.estimate.weights.ranks": "Parallelism",
            "vram.estimate.weights.resolved": "resolve",
            "vram.vllm.defaults": "BatchDefaults batch_defaults",
        },
    )

__all__ = [
    "FALLBACK",
    "BatchDefaults",
    "Efficiency",
    "Loop",
    "Parallelism",
    "Parts",
    "ProfileRun",
    "Speed",
    "activation_peak",
    "batch_defaults",
    "batches_of",
    "budget_bytes",
    "compute",
    "constant",
    "corrected",
    "efficiency_of",
    "format_checks",
    "generation_of",
    "graph_memory",
    "machine_with",
    "non_torch_memory",
    "profile_run",
    "resolve",
    "speed_of",
]
