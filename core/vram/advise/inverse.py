"""Inverse answers: fewest GPUs, smallest share of a GPU, smallest GPU. What they return fits, one step less does not.

The largest context and the most users are in every estimate (`estimate.limits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Unpack

from vram.ask.asking import ask
from vram.ask.resolve import redeploy
from vram.errors import InputError, ParallelismError
from vram.estimate.question import Question
from vram.estimate.verdict.cell import judge_cell
from vram.models.checkpoint import Model
from vram.models.record import evolve
from vram.units import GIB, MIB

if TYPE_CHECKING:
    from vram.models.engine_arguments import EstimateArguments

MOST_GPUS = 64
#: GPUs of one machine: tensor parallelism stays inside, where links are fast (vLLM docs, "Parallelism and Scaling")
_PER_MACHINE = 8
_SHARES = 100
_USUAL_SHARES = (97, 95, 92, 90)
_LARGEST_MEMORY = 4096 * GIB
#: where vLLM's batch defaults jump with a GPU's memory, and with them the overhead (`vllm.defaults.batch_defaults`)
_TIERS = (0, 70 * GIB, 160 * GIB, _LARGEST_MEMORY)


def min_gpus(model: Model, *, at_most: int = MOST_GPUS, **arguments: Unpack[EstimateArguments]) -> int | None:
    """The fewest GPUs, by tensor and pipeline parallelism, on which the workload fits; None where `at_most` do not.

    Arguments as `vram.estimate`, without parallel sizes (one given stays fixed). Raises VramError.
    """
    if not isinstance(at_most, int) or isinstance(at_most, bool) or not 1 <= at_most <= 1024:
        raise InputError(name="at_most", value=at_most, problem="must be a whole number from 1 to 1024")
    arguments.pop("gpus", None)
    pinned = arguments.get("tensor_parallel_size"), arguments.get("pipeline_parallel_size")
    # bad input is refused before the search takes refusals for shapes that do not divide
    question = ask(model, **arguments)
    for count in range(1, at_most + 1):
        if any(_fits_in(question, tp, pp) for tp, pp in _sizes(count, *pinned)):
            return count
    return None


def min_utilization(model: Model, **arguments: Unpack[EstimateArguments]) -> float | None:
    """The smallest `gpu_memory_utilization`, in steps of 0.01, with which the workload fits; None where 1.0 does not.

    Arguments as `vram.estimate`. Raises VramError.
    """
    arguments.pop("gpu_memory_utilization", None)
    return lowest_share(ask(model, **arguments))


def min_memory_bytes(model: Model, **arguments: Unpack[EstimateArguments]) -> int | None:
    """The smallest memory of one GPU, in steps of 1 MiB, with which the workload fits; None where 4 TiB do not.

    Everything else of the GPU stays; without one, an uncalibrated GPU is assumed. Arguments as `vram.estimate`. Raises
    VramError.
    """
    if arguments.get("gpu") is None and arguments.get("gpu_memory_gib") is None:
        arguments["gpu_memory_gib"] = _LARGEST_MEMORY / GIB
    return smallest_memory(ask(model, **arguments))


def lowest_share(question: Question) -> float | None:
    """As `min_utilization`, of a question."""

    def fits(hundredths: int) -> bool:
        return judge_cell(redeploy(question, gpu_memory_utilization=hundredths / _SHARES)).fits

    free = None if question.deployment.charges_others else question.hardware.free_memory_bytes
    most = _SHARES if free is None else min(_SHARES, free * _SHARES // question.hardware.memory_bytes)
    # near 1.0 graphs may find no room: the highest of a few shares that fits bounds the search
    found = next((_lowest(fits, 1, top) for top in (most, *_USUAL_SHARES) if 0 < top <= most and fits(top)), None)
    return None if found is None else found / _SHARES


def smallest_memory(question: Question) -> int | None:
    """As `min_memory_bytes`, of a question. Searched between the jumps of vLLM's defaults, where more memory never hurts."""

    def fits(mebibytes: int) -> bool:
        hardware = evolve(question.hardware, memory_bytes=mebibytes * MIB)
        return judge_cell(redeploy(question, hardware=hardware)).fits

    for low, high in pairwise(_TIERS):
        found = _lowest(fits, low // MIB + (low == 0), high // MIB - (high != _LARGEST_MEMORY))
        if found is not None:
            return found * MIB
    return None


def _lowest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest integer in [low, high] that fits, where every larger one does; None where `high` does not."""
    if not fits(high):
        return None
    if fits(low):
        return low
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle
    return high


def _sizes(count: int, tp: int | None, pp: int | None) -> Iterator[tuple[int, int]]:
    """Tensor and pipeline ranks of `count` GPUs, fewest stages first; one that was given stays."""
    for stages in range(1, count + 1):
        ranks = count // stages
        as_given = tp in (None, ranks) and pp in (None, stages)
        if count == ranks * stages and as_given and (tp is not None or ranks <= _PER_MACHINE):
            yield ranks, stages


def _fits_in(question: Question, tp: int, pp: int) -> bool:
    try:
        changed = redeploy(question, tensor_parallel_size=tp, pipeline_parallel_size=pp)
        return judge_cell(changed).fits
    except (ParallelismError, InputError):
        return False
