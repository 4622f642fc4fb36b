"""The memory that is neither weights nor KV cache, and what is left for the cache.

Calibrated profiles use the component model; `generic` and `--overhead-gib` one fixed figure (design.md section 7).
"""

from __future__ import annotations

import math

from attrs import field, frozen

from vram.estimate.weights import Parallelism, RankWeights, ResolvedModel
from vram.models.deployment import Deployment, Policy
from vram.models.estimate import ProvenanceNote
from vram.models.interval import Interval
from vram.models.profile import OverheadProfile
from vram.units import GIB, gib
from vram.vllm.versions import Behaviour

_GENERIC_FLOOR = GIB
_GENERIC_SHARE = 0.02
_GENERIC_PER_RANK = GIB // 4


@frozen(kw_only=True)
class OverheadInputs:
    """Everything the overhead depends on."""

    model: ResolvedModel
    deployment: Deployment
    parallel: Parallelism
    behaviour: Behaviour
    weights: tuple[RankWeights, ...]
    profile: OverheadProfile
    policy: Policy = field(factory=Policy)


@frozen(kw_only=True)
class Overhead:
    """Bytes per GPU of the most loaded rank.

    `cuda_graphs` is what capture takes, whether or not the version charges it to the budget. `kv_cache_available` is
    vLLM's "Available KV cache memory" and may be negative.
    """

    activation_peak: Interval
    cuda_graphs: Interval
    non_torch: Interval
    budget_bytes: int
    kv_cache_available: Interval
    notes: tuple[ProvenanceNote, ...] = ()


def budget_bytes(gpu_memory_bytes: int, utilization: float, behaviour: Behaviour) -> int:
    """vLLM's requested memory: total × utilization, rounded up since 0.14.

    Source: `v1/worker/utils.py:request_memory` (0.33.0); plain product to 0.13.
    """
    product = gpu_memory_bytes * utilization
    return math.ceil(product) if behaviour.version >= (0, 14, 0) else int(product)


def predict_overhead(inputs: OverheadInputs) -> Overhead:
    """Activation peak, CUDA graphs, non-torch memory and the KV pool of the most loaded rank."""
    return fixed_overhead(inputs)


def fixed_overhead(inputs: OverheadInputs) -> Overhead:
    """One figure for everything: the user's, or max(1 GiB, 2 % of memory) + 0.25 GiB × (TP − 1), assumed."""
    deployment = inputs.deployment
    memory = deployment.gpu_memory_bytes
    if inputs.policy.overhead_gib is not None:
        total = Interval.exact(gib(inputs.policy.overhead_gib), "assumed")
        note = ProvenanceNote(component="non_torch", source="user", note="a fixed overhead was given")
    else:
        figure = max(_GENERIC_FLOOR, int(memory * _GENERIC_SHARE)) + _GENERIC_PER_RANK * (deployment.tp - 1)
        total = Interval(low=figure // 2, expected=figure, high=figure * 2, provenance="assumed")
        note = ProvenanceNote(
            component="non_torch",
            source=f"profile {inputs.profile.name}",
            note="nobody has calibrated this GPU: max(1 GiB, 2 % of memory) + 0.25 GiB per further tensor-parallel rank",
        )
    budget = budget_bytes(memory, deployment.gpu_memory_utilization, inputs.behaviour)
    weights = max(rank.weights_bytes for rank in inputs.weights)
    nothing = Interval.exact(0, "assumed")
    return Overhead(
        activation_peak=nothing,
        cuda_graphs=nothing,
        non_torch=total,
        budget_bytes=budget,
        kv_cache_available=Interval(
            low=budget - weights - total.high,
            expected=budget - weights - total.expected,
            high=budget - weights - total.low,
            provenance="assumed",
        ),
        notes=(note,),
    )
