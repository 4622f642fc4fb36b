"""What one logged start tells about the constants: a log and the deployment it is of, as observations."""

from __future__ import annotations

from collections.abc import Iterator

from vram.ask import Question
from vram.components import Parallelism, ProfileRun, budget_bytes, profile_run, resolve
from vram_plugins.calibrate.fit import Observation, Quantity
from vram_plugins.logs.records import EngineStart


def observations_of(question: Question, start: EngineStart, *, label: str, source: str) -> tuple[Observation, ...]:
    """One observation per quantity that the log has. Raises ParallelismError."""
    args = question.deployment.args
    parallel = Parallelism.of_args(args)
    run = profile_run(resolve(question.spec, question.quantization), question.deployment, parallel, question.profile)
    budget = budget_bytes(
        question.deployment.gpu_memory_bytes, question.deployment.gpu_memory_utilization, question.behaviour
    )
    return tuple(
        Observation(quantity=quantity, value=value, run=run, label=label, model=label, source=source, group=label)
        for quantity, value in _values(start, run, budget)
    )


def _values(start: EngineStart, run: ProfileRun, budget: int) -> Iterator[tuple[Quantity, int]]:
    weights, available = start.largest("weights_bytes"), start.smallest("available_kv_bytes")
    peak, outside = start.largest("activation_peak_bytes"), start.largest("non_torch_bytes")
    consumed, graphs = start.largest("consumed_bytes"), start.largest("cuda_graph_bytes")
    if peak is not None and run.pp == 1:
        yield "activation_peak", int(peak)
    if outside is None and consumed is not None and weights is not None:
        outside = consumed - weights
    if outside is not None and run.pp == 1 and not run.v0_engine:
        yield "non_torch", int(outside)
    # see estimate/memory/graphs.py
    counts_released = (0, 11, 0) <= run.version < (0, 17, 0) and run.capability >= (9, 0)
    if graphs is not None and graphs > 0 and not counts_released:
        yield "cuda_graphs", int(graphs)
    if weights is not None and available is not None:
        yield "other", int(budget - available - weights)
