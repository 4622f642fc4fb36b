"""How fast a deployment answers: the workload asked about, and the ranges predicted for it."""

from __future__ import annotations

from typing import Any, Literal

from attrs import asdict, validators

from vram.errors import InputError
from vram.models.record import field, frozen

Bound = Literal["memory", "compute", "communication"]
_LONGEST = 2**31


def _whole(instance: object, attribute: Any, value: Any) -> None:
    del instance
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LONGEST:
        raise InputError(name=attribute.name, value=value, problem="must be a whole number from 1 to 2^31")


@frozen(kw_only=True)
class Workload:
    """A closed loop: `concurrency` clients of one replica, each sending its next request when the last is answered.

    Every request has `prompt_tokens` and is answered with `gen_tokens`. Raises InputError on what is no count.
    """

    prompt_tokens: int = field(validator=_whole)
    gen_tokens: int = field(validator=_whole)
    concurrency: int = field(default=1, validator=_whole)


@frozen(kw_only=True)
class Range:
    """`low` ≤ `expected` ≤ `high`; about 80 to 90 % of published measurements lie between low and high."""

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

    `ttft_ms` is the mean time to the first token, waiting for a free place included; `tpot_ms` the mean time per output
    token after it, with the prefills of other requests that run in between. `requests_per_s` are finished requests.
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
