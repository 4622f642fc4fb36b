"""Memory that PyTorch's allocator does not see, as far as vLLM charges it to the budget."""

from __future__ import annotations

import math

from vram.architecture.runners import fused_all_reduce_mib
from vram.estimate.memory.profile_run import ProfileRun
from vram.estimate.memory.sampling import sampler_state_bytes
from vram.models.deployment import charges_all_in_use
from vram.models.interval import Interval, weaker
from vram.models.profile import CUDA_CONTEXT, Constant
from vram.units import MIB
from vram.vllm.versions import behaviour


def non_torch_memory(run: ProfileRun) -> Interval:
    """Bytes per rank after the baseline snapshot: lazily loaded kernels, communicators, and what a version adds.

    With tensor parallelism either FlashInfer's fused all-reduce workspace (Hopper and data-centre Blackwell since 0.17)
    or the growth of NCCL's channels. Since 0.27 vLLM takes the difference of free memory, so that what the allocator cannot
    give back and the V2 runner's sampler state are in it, too.
    """
    state = sampler_state_bytes(run) if behaviour(run.version).total_consumed else 0
    parts: list[tuple[Constant, int]] = [(run.constant("non_torch_bytes"), 1)]
    if run.tp > 1:
        fused = fused_all_reduce_mib(
            run.version, capability=run.capability, tp=run.tp, pp=run.pp, dp=run.dp, eager=not run.graphs.compiled
        )
        state += _beyond_three_granules(min(fused, run.tokens * run.shapes.hidden * run.item / MIB) * run.tp)
        kind = "fused_all_reduce" if fused else "tensor_parallel"
        parts += [(run.constant(f"{kind}_bytes"), 1), (run.constant(f"{kind}_rank_bytes"), run.tp)]
        pairs = run.constant("tensor_parallel_pair_bytes")  # where every GPU is linked to every other one: RCCL
        parts += [(pairs, run.tp * (run.tp - 1) // 2)] if pairs.value else []
    expected = state + int(sum(part.value * count for part, count in parts))
    below = math.hypot(*((part.value - part.low) * count for part, count in parts))
    above = math.hypot(*((part.high - part.value) * count for part, count in parts))
    context = CUDA_CONTEXT if charges_all_in_use(run.version, v0_engine=run.v0_engine) else Interval.exact(0)
    return context + Interval(
        low=max(0, int(expected - below)),
        expected=expected,
        high=int(expected + above),
        provenance=weaker(*(part.provenance for part, _ in parts)),
    )


def _beyond_three_granules(mib: float) -> int:
    """What is beyond the three granules of 512 MiB, in which memory comes that all ranks map, of `fused_all_reduce_bytes`: one tensor
    of every rank, flags, three of every rank (`flashinfer/comm/trtllm_ar.py:trtllm_create_ipc_workspace_for_all_reduce_fusion`).
    """
    return 512 * MIB * (max(1, math.ceil(mib / 512)) + max(1, math.ceil(3 * mib / 512)) - 2)
