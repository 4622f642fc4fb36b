"""Ways to divide a model over GPUs, the best for a batching mode first."""

from __future__ import annotations

from vram.models.plan import BatchingMode
from vram.models.record import frozen

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


def shapes(count: int, mode: BatchingMode, *, experts: bool, concurrency: int, pinned: Pinned) -> tuple[Shape, ...]:
    """Every shape of `count` GPUs, the best first; whether heads and memory allow it is found by asking.

    Within a machine layers are divided before pipeline stages come in: a stage waits for the one before. Latency and
    balanced run replicas last, where nothing else of that many GPUs will do; throughput runs them first, since they need
    no all-reduce. No replica without a user, no layer divided over machines.
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
        if mode == "throughput":
            return (shape.pp, -shape.dp, shape.tp, unusual_experts)
        return (shape.dp, shape.pp, -shape.tp, unusual_experts)

    return tuple(sorted((shape for shape in found if pinned.allows(shape)), key=order))


def counts_up_to(most: int, pinned: Pinned) -> tuple[int, ...]:
    """Numbers of GPUs to try: those machines are rented with (1, 2, 4, 8), whole machines, and all that are at hand; the least
    that takes the sizes the user gave, and its multiples.
    """
    least = (pinned.tp or 1) * (pinned.pp or 1) * (pinned.dp or 1)
    usual = {least * count for count in (1, 2, 4, GPUS_PER_MACHINE)}
    machines = set(range(2 * GPUS_PER_MACHINE, most, GPUS_PER_MACHINE))
    return tuple(sorted(count for count in {*usual, *machines, most} if least <= count <= most))
