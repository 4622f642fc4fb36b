"""What a deployment must do in time: the targets somebody has, the requests they are of, and what a planned one gives."""

from __future__ import annotations

import math
from typing import Any, Literal

from vram.errors import InputError
from vram.models.performance import Bound, Range
from vram.models.record import field, frozen

Goal = Literal["latency", "throughput", "cost"]
Limit = Literal["time to first token", "time per token", "requests per second", "KV cache", "max_num_seqs"]
PERCENTILES = (50, 95)
_MOST = 1e9
_SLOWEST, _FASTEST = 1e-3, 1e5  # requests per second


def _positive(instance: object, attribute: Any, value: Any) -> None:
    del instance
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if value is not None and not (good and 0 < value <= _MOST):
        raise InputError(name=attribute.name, value=value, problem="must be a number above 0")


def _rate(instance: object, attribute: Any, value: Any) -> None:
    _positive(instance, attribute, value)
    if value is not None and not _SLOWEST <= value <= _FASTEST:
        raise InputError(name=attribute.name, value=value, problem=f"must be from {_SLOWEST:g} to {_FASTEST:,.0f}")


def _known_percentile(instance: object, attribute: Any, value: Any) -> None:
    del instance
    if value not in PERCENTILES or isinstance(value, bool):
        raise InputError(name=attribute.name, value=value, problem="must be 50 or 95")


def _known_goal(instance: object, attribute: Any, value: Any) -> None:
    del instance
    if value not in ("latency", "throughput", "cost"):
        raise InputError(name=attribute.name, value=value, problem="must be latency, throughput or cost")


@frozen(kw_only=True)
class Targets:
    """Times in milliseconds that `percentile` of requests keep, and what is to be carried; None is no target.

    `goal` says which of the deployments that keep them is wanted: the cheapest, the quickest, or the one that carries most.
    Raises InputError.
    """

    ttft_ms: float | None = field(default=None, validator=_positive)
    tpot_ms: float | None = field(default=None, validator=_positive)
    requests_per_second: float | None = field(default=None, validator=_rate)
    percentile: int = field(default=50, validator=_known_percentile)
    goal: Goal = field(default="cost", validator=_known_goal)

    @property
    def named(self) -> bool:
        """Whether there is any."""
        return any(value is not None for value in (self.ttft_ms, self.tpot_ms, self.requests_per_second))


@frozen(kw_only=True)
class Lengths:
    """How long requests are, in tokens: means, the median and 95th percentile of prompts, and of prompt and answer together the
    longest and the standard deviation. `source` names the file they are from, "" where all are alike.
    """

    prompt_tokens: int
    gen_tokens: int
    prompt_p50: int
    prompt_p95: int
    longest: int
    deviation: float = 0.0
    requests: int = 1
    source: str = ""

    def prompt_at(self, percentile: int) -> int:
        """The prompt whose first token is waited for at a percentile."""
        return self.prompt_p95 if percentile >= 95 else self.prompt_p50


@frozen(kw_only=True)
class SpeedPoint:
    """One replica with `users` requests at once: times in ms, tokens of answers per second of one of them and of all.

    `tokens_per_s_per_user` are those of an answer that has begun. `chosen` marks the point a plan is made for.
    """

    users: int
    ttft_ms: Range
    tpot_ms: Range
    tokens_per_s_per_user: Range
    output_tokens_per_s: Range
    requests_per_s: Range
    chosen: bool = False


@frozen(kw_only=True)
class SpeedCurve:
    """Throughput against latency over the number of requests at once, of one replica; its targets where there are any."""

    points: tuple[SpeedPoint, ...]
    replicas: int = 1
    ttft_ms: float | None = None
    tpot_ms: float | None = None


@frozen(kw_only=True)
class Service:
    """What a planned deployment gives, at the unfavourable ends of the intervals.

    There are `replicas` of the model in `servers` processes. `users_per_replica` are its requests at once: the users of it or, at a
    rate, so many that `percentile` of arriving requests meet no more; `users` are in all of them on average at that rate (None
    without one). `most_users`, who each ask again when answered, and `most_requests_per_s`, which come at random, are what all
    carry while the targets hold, and `limited_by` what stops more. `price_per_hour` is that of everything, None without a price.
    """

    replicas: int
    servers: int
    users_per_replica: int
    users: float | None
    most_users: int
    ttft_ms: float
    tpot_ms: float
    requests_per_s: float
    most_requests_per_s: float
    limited_by: Limit
    bound: Bound
    words: str
    curve: SpeedCurve
    price_per_hour: float | None = None
    currency: str | None = None
