"""Ways to divide a model over GPUs, the best for a batching mode first."""

from __future__ import annotations

from vram.models.parameters import Experts
from vram.models.plan import BatchingMode
from vram.models.record import frozen
from vram.models.spec import ModelSpec

#: GPUs of one machine: tensor parallelism stays inside, where links are fast (vLLM docs, "Parallelism and Scaling")
GPUS_PER_MACHINE = 8


@frozen(kw_only=True)
class Shape:
    """Sizes of vLLM's parallelism; with `ep` whole experts are divided over the tensor- and data-parallel ranks."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: bool = False

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.tp * self.pp * self.dp


@frozen(kw_only=True)
class Pinned:
    """Parallel sizes the user decided; None is open."""

    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None

    def allows(self, shape: Shape) -> bool:
        """Whether a shape keeps them."""
        return (
            self.tp in (None, shape.tp)
            and self.pp in (None, shape.pp)
            and self.dp in (None, shape.dp)
            and self.ep in (None, shape.ep)
        )


def shapes(
    count: int, mode: BatchingMode, *, experts: bool, concurrency: int, nvlink: bool, pinned: Pinned
) -> tuple[Shape, ...]:
    """Every shape of `count` GPUs, the best first; whether heads and memory allow it is found by asking.

    Fewest pipeline stages first: a stage waits for the one before. Then latency and balanced divide each layer over all
    GPUs, throughput rather runs replicas, which need no all-reduce; over PCIe stages come before layers divided in four
    or more (vLLM's advice for GPUs without NVLink). No replica without a user, no layer divided over machines.
    """
    pinned_tp = pinned.tp is not None
    found = [
        Shape(tp=tp, pp=pp, dp=count // tp // pp, ep=ep)
        for tp in range(1, count + 1)
        if count % tp == 0 and (tp <= GPUS_PER_MACHINE or pinned_tp)
        for pp in range(1, count // tp + 1)
        if count // tp % pp == 0 and (count // tp // pp <= concurrency or pinned.dp is not None)
        for ep in ((False, True) if experts and count // pp > 1 else (bool(pinned.ep),))
    ]

    def order(shape: Shape) -> tuple[object, ...]:
        # experts whole where replicas share them (vLLM docs, "Data Parallel Deployment"), else divided like other layers
        unusual_experts = shape.ep != (shape.dp > 1 and experts)
        slow_links = not nvlink and shape.tp > 2 and mode == "throughput"
        if mode == "throughput":
            return (slow_links, shape.pp, -shape.dp, shape.tp, unusual_experts)
        return (shape.pp, shape.dp, -shape.tp, unusual_experts)

    return tuple(sorted((shape for shape in found if pinned.allows(shape)), key=order))


def has_experts(spec: ModelSpec) -> bool:
    """Whether some layer is a mixture of experts."""
    return any(isinstance(module, Experts) for run in spec.runs for module in run.layer.modules)
