"""How fast one replica surely is: the unfavourable ends of `performance_of` at a percentile, with so many users or at such a rate."""

from __future__ import annotations

from functools import lru_cache

from vram.advise import performance_of
from vram.components import Parts
from vram.models.performance import Performance, Workload
from vram.models.record import frozen
from vram.models.targets import Lengths, Limit, Targets


@frozen(kw_only=True)
class Pace:
    """Times in ms that are surely kept, and finished requests per second that are surely reached: with these users, or at most."""

    ttft_ms: float
    tpot_ms: float
    requests_per_s: float

    def broken(self, targets: Targets, rate: float = 0.0) -> Limit | None:
        """What is not kept: a time, or `rate` requests per second."""
        if targets.ttft_ms is not None and self.ttft_ms > targets.ttft_ms:
            return "time to first token"
        if targets.tpot_ms is not None and self.tpot_ms > targets.tpot_ms:
            return "time per token"
        return "requests per second" if self.requests_per_s < rate else None

    def seconds(self, gen_tokens: int) -> float:
        """From a request to the end of its answer."""
        return (self.ttft_ms + max(0, gen_tokens - 1) * self.tpot_ms) / 1e3


def pace_with(parts: Parts, lengths: Lengths, percentile: int, users: int) -> Pace:
    """The pace of a replica with so many users, each of whom asks again when answered. Raises VramError for a GPU of unknown speed."""
    found = speed_with(parts, lengths, users)
    return _pace(parts, lengths, percentile, found, found.requests_per_s.low)


def pace_at(parts: Parts, lengths: Lengths, percentile: int, rate: float) -> Pace:
    """The pace of a replica to which so many requests per second come at random; `requests_per_s` is the most it surely finishes.

    Raises VramError for a GPU of unknown speed.
    """
    return _pace(parts, lengths, percentile, speed_at(parts, lengths, rate), surely_finished(parts, lengths))


def surely_finished(parts: Parts, lengths: Lengths) -> float:
    """Requests per second that one replica surely finishes, however late. Raises VramError for a GPU of unknown speed."""
    found = speed_with(parts, lengths, 1)
    return found.capacity_requests_per_s * found.requests_per_s.low / found.requests_per_s.expected


@lru_cache(maxsize=4096)  # a search asks for the same few again
def speed_with(parts: Parts, lengths: Lengths, users: int) -> Performance:
    """The whole answer to so many users. Raises VramError."""
    load = Workload(prompt_tokens=lengths.prompt_tokens, gen_tokens=lengths.gen_tokens, concurrency=users)
    return performance_of(parts, load)


@lru_cache(maxsize=4096)
def speed_at(parts: Parts, lengths: Lengths, rate: float) -> Performance:
    """The whole answer to a rate of arrivals. Raises VramError."""
    load = Workload(prompt_tokens=lengths.prompt_tokens, gen_tokens=lengths.gen_tokens, request_rate=rate)
    return performance_of(parts, load)


def _pace(parts: Parts, lengths: Lengths, percentile: int, found: Performance, requests_per_s: float) -> Pace:
    """Requests are of mean length; a prompt that is longer at the percentile waits for its own prefill so much longer, as one alone."""
    longer, extra = lengths.prompt_at(percentile), 0.0
    if longer > lengths.prompt_tokens:
        alone = [_alone(parts, prompt, lengths.gen_tokens) for prompt in (lengths.prompt_tokens, longer)]
        extra = max(0.0, alone[1] - alone[0])
    late = percentile >= 95
    return Pace(
        ttft_ms=(found.ttft_p95_ms if late else found.ttft_ms).high + extra,
        tpot_ms=(found.tpot_p95_ms if late else found.tpot_ms).high,
        requests_per_s=requests_per_s,
    )


@lru_cache(maxsize=256)
def _alone(parts: Parts, prompt_tokens: int, gen_tokens: int) -> float:
    return performance_of(parts, Workload(prompt_tokens=prompt_tokens, gen_tokens=gen_tokens)).ttft_ms.high
