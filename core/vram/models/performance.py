"""How fast a deployment answers: the workload asked about, and the ranges predicted for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import asdict, validators

from vram.errors import InputError
from vram.models.record import field, frozen

Bound = Literal["memory", "compute", "communication"]
Arrival = Literal["closed", "burst", "poisson"]
_LONGEST = 2**31
#: requests of a run whose load rises above what is served, where their number is not given
RUN = 200
_LONGEST_RUN = 20_000


def _whole(most: int, told: str) -> Callable[[object, Any, Any], None]:
    """A validator: a whole number from 1 to `most`, which the error calls `told`."""

    def check(_: object, attribute: Any, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise InputError(name=attribute.name, value=value, problem=f"must be a whole number from 1 to {told}")

    return check


_count = _whole(_LONGEST, "2^31")


def _rate(instance: Workload, attribute: Any, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-6 <= value <= 1e6:
        raise InputError(
            name=attribute.name, value=value, problem="must be a number of requests per second, 1e-6 to 1e6"
        )
    if instance.burst:
        raise InputError(name=attribute.name, value=value, problem="and burst are mutually exclusive")


def _share(instance: object, attribute: Any, value: Any) -> None:
    del instance
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(name=attribute.name, value=value, problem="must be a share from 0 to 1")


@frozen(kw_only=True)
class Workload:
    """What one replica is asked: requests of `prompt_tokens`, each answered with `gen_tokens`.

    A closed loop where nothing else is said: `concurrency` clients, each sending its next request when the last is
    answered. With `burst` those clients send one request each, all at once. With `request_rate` requests arrive by
    themselves (Poisson), so many per second, and `requests` of them make the run; `concurrency` then says nothing.
    `prefix_hit_rate` is the share of a prompt's tokens that the prefix cache has.
    Raises InputError on what is no count or no rate.
    """

    prompt_tokens: int = field(validator=_count)
    gen_tokens: int = field(validator=_count)
    concurrency: int = field(default=1, validator=_count)
    burst: bool = False
    request_rate: float | None = field(default=None, validator=_rate)
    requests: int = field(default=RUN, validator=_whole(_LONGEST_RUN, str(_LONGEST_RUN)))
    prefix_hit_rate: float = field(default=0.0, validator=_share)

    @property
    def new_tokens(self) -> int:
        """Prompt tokens that are computed, the last one always."""
        return max(1, round(self.prompt_tokens * (1.0 - self.prefix_hit_rate)))

    @property
    def arrival(self) -> Arrival:
        """How requests come."""
        return "burst" if self.burst else "closed" if self.request_rate is None else "poisson"


@frozen(kw_only=True)
class Range:
    """`low` ≤ `expected` ≤ `high`; about 90 % of measurements lie between low and high."""

    low: float
    expected: float
    high: float


@frozen(kw_only=True)
class StepTime:
    """Where the time of one decode step goes, in milliseconds."""

    memory_ms: float
    compute_ms: float
    communication_ms: float
    latency_ms: float


@frozen(kw_only=True)
class Performance:
    """One replica's speed under a workload, as an estimate.

    `ttft_ms` is the median time to the first token, waiting for a free place included; `tpot_ms` the median time per output
    token after it, with the prefills of other requests that run in between; 95 of 100 requests stay below `ttft_p95_ms` and
    `tpot_p95_ms` (in a closed loop of equal requests all are alike). `requests_per_s` are finished requests,
    `capacity_requests_per_s` how many it can finish at most, with as many at once as fit.
    `bound` names what decode spends most of its time on, `prefill_bound` the same of prefill. `batch` is how many requests
    run at once (the rest wait), `turning_batch` the batch from which decode is bound by compute instead of memory (None:
    not within vLLM's max_num_seqs). `decode_step` is one decode step at `batch`, without prefill.
    """

    gpu: str
    workload: Workload
    ttft_ms: Range
    tpot_ms: Range
    output_tokens_per_s: Range
    total_tokens_per_s: Range
    requests_per_s: Range
    output_tokens_per_s_per_user: Range
    ttft_p95_ms: Range
    tpot_p95_ms: Range
    capacity_requests_per_s: float
    bound: Bound
    prefill_bound: Bound
    batch: int
    turning_batch: int | None
    decode_step: StepTime
    assumptions: tuple[str, ...] = field(default=(), validator=validators.instance_of(tuple))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        content = asdict(self)
        content["assumptions"] = list(self.assumptions)
        return content
