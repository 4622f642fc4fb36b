"""One model that shares: the least of a GPU with which it surely starts and does its work, and what it holds from then on."""

from __future__ import annotations

from vram.ask import Question, judge_cell, redeploy
from vram.components import Parts, compute
from vram.errors import VramError
from vram.models.profile import CUDA_CONTEXT, NCCL_BUFFERS, Hardware
from vram.models.record import evolve, frozen

_HUNDREDTHS = 100
#: below the highest share that is free: graphs that no budget counts may need some of it
_BELOW = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)


@frozen(kw_only=True, eq=False)
class Place:
    """A model on some kind of GPU with a share of it. `surplus_bytes` is what loading takes beyond what stays."""

    question: Question
    share: float
    holds_bytes: int
    surplus_bytes: int
    parts: Parts


@frozen(kw_only=True, eq=False)
class Tenant:
    """A model as it was asked for, on whichever GPU. `given` is the utilization that was asked for, None for the least."""

    question: Question
    given: float | None

    @property
    def ranks(self) -> int:
        """GPUs it takes."""
        deployment = self.question.deployment
        return deployment.tp * deployment.pp * deployment.args.data_parallel_size

    @property
    def goes_first(self) -> bool:
        """Whether its vLLM takes what others hold out of its own budget, so that it is best alone."""
        return self.question.deployment.charges_others

    def least(self, hardware: Hardware, used: int) -> Place | None:
        """The smallest share with which it surely starts and fits where so much is held; None where none does."""
        if self.given is not None:
            return self.placed(hardware, used, self.given)
        free = evolve(hardware, used_bytes=used).free_memory_bytes
        most = _HUNDREDTHS - 1
        if free is not None and not self.goes_first:
            most = min(most, free * _HUNDREDTHS // hardware.memory_bytes)
        for top in (most - below for below in _BELOW):
            found = self.placed(hardware, used, top / _HUNDREDTHS) if top > 0 else None
            if found is not None:
                return self._smaller(hardware, used, found, top)
        return None

    def _smaller(self, hardware: Hardware, used: int, found: Place, top: int) -> Place:
        low, high = 0, top  # low does not do, high does
        while high - low > 1:
            middle = (low + high) // 2
            smaller = self.placed(hardware, used, middle / _HUNDREDTHS)
            low, high, found = (low, middle, smaller) if smaller else (middle, high, found)
        return found

    def placed(self, hardware: Hardware, used: int, share: float) -> Place | None:
        """With that share where so much is held; None where that does not surely start and fit, or overflows later."""
        try:
            question = redeploy(self.question, hardware=evolve(hardware, used_bytes=used), gpu_memory_utilization=share)
            if not judge_cell(question).surely_fits:
                return None
            parts = compute(question)
        except VramError:
            return None
        holds = held(parts)
        if used + holds > hardware.memory_bytes:
            return None
        surplus = max(0, parts.loading_bytes - parts.weights_bytes)
        return Place(question=question, share=share, holds_bytes=holds, surplus_bytes=surplus, parts=parts)


def held(parts: Parts) -> int:
    """The most of each GPU that a server holds from its start on.

    The budget (or, without a KV cache, what is used of it), CUDA's context and NCCL's first buffers, which no budget counts, and
    what graphs take beyond what the budget counts of them. Where the budget counts what others hold, that is not its own.
    """
    deployment, overhead = parts.question.deployment, parts.overhead
    own = overhead.budget_bytes
    if deployment.charges_others:
        own -= deployment.used_memory_bytes or 0
    used = parts.weights_bytes + overhead.activation_peak.high + overhead.non_torch.high
    if not parts.plan.groups:
        own = min(own, used)
    fixed = deployment.args.kv_cache_memory_bytes
    if fixed is not None:
        own = max(own, used + fixed)  # a cache of that size, whatever the share
    rest = overhead.budget_bytes - parts.weights_bytes - overhead.activation_peak.expected - overhead.non_torch.expected
    counted = max(0, rest - overhead.kv_cache_available.expected)
    graphs = max(0, overhead.cuda_graphs.high - counted)
    several = NCCL_BUFFERS if deployment.tp * deployment.pp > 1 else 0
    return own + CUDA_CONTEXT.high + graphs + several
