"""How fast one server surely is with so many requests at once: the unfavourable ends of `performance_of`, at a percentile."""

from __future__ import annotations

from functools import lru_cache

from vram.advise import performance_of
from vram.components import Parts
from vram.models.performance import Performance, Workload
from vram.models.record import frozen
from vram.models.targets import Lengths, Targets


@frozen(kw_only=True)
class Pace:
    """Times in ms and finished requests per second that are surely reached with so many requests at once."""

    ttft_ms: float
    tpot_ms: float
    requests_per_s: float

    def keeps(self, targets: Targets) -> bool:
        """Whether both times are within their targets."""
        return self.too_slow(targets) is None

    def too_slow(self, targets: Targets) -> str | None:
        """The time that is not within its target."""
        if targets.ttft_ms is not None and self.ttft_ms > targets.ttft_ms:
            return "time to first token"
        return "time per token" if targets.tpot_ms is not None and self.tpot_ms > targets.tpot_ms else None

    def seconds(self, gen_tokens: int) -> float:
        """From a request to the end of its answer."""
        return (self.ttft_ms + max(0, gen_tokens - 1) * self.tpot_ms) / 1e3


def pace_of(parts: Parts, lengths: Lengths, percentile: int, users: int) -> Pace:
    """The pace of one server. Raises VramError for a GPU whose speed is not known.

    Requests are of mean length; a prompt that is longer at the percentile waits for its own prefill so much longer, as one alone does.
    """
    found = performance_at(parts, lengths.prompt_tokens, lengths.gen_tokens, users)
    longer, extra = lengths.prompt_at(percentile), 0.0
    if longer > lengths.prompt_tokens:
        alone = performance_at(parts, longer, lengths.gen_tokens, 1).ttft_ms.high
        extra = max(0.0, alone - performance_at(parts, lengths.prompt_tokens, lengths.gen_tokens, 1).ttft_ms.high)
    return Pace(ttft_ms=found.ttft_ms.high + extra, tpot_ms=found.tpot_ms.high, requests_per_s=found.requests_per_s.low)


@lru_cache(maxsize=4096)  # a search asks for the same few again
def performance_at(parts: Parts, prompt_tokens: int, gen_tokens: int, users: int) -> Performance:
    """The whole answer to one number of requests at once. Raises VramError."""
    return performance_of(parts, Workload(prompt_tokens=prompt_tokens, gen_tokens=gen_tokens, concurrency=users))
