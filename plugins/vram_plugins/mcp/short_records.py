"""Short answers: what an assistant has to know, in GiB and sentences; the whole contract is asked for with `full`."""

from __future__ import annotations

from typing import Literal

from vram.models.estimate import Certainty
from vram.models.record import frozen


@frozen(kw_only=True)
class Way:
    """Flags with which the same question starts and fits, and what they cost."""

    words: str
    gives_up: str


@frozen(kw_only=True)
class Sizes:
    """GiB per GPU, of the most loaded. `kv_cache` is the pool, `kv_cache_needed` the asked work's part; `headroom` is left."""

    budget: float
    weights: float
    activation_peak: float
    cuda_graphs: float
    non_torch: float
    kv_cache: float
    kv_cache_needed: float
    headroom: float


@frozen(kw_only=True)
class ShortEstimate:
    """Whether it starts and fits, how much it holds, and what to change. `problem` is why not; `changes` are complete ways out."""

    summary: str
    starts: bool
    fits: bool
    certainty: Certainty
    gib_per_gpu: Sizes
    kv_cache_tokens: int
    max_context_at_concurrency: int
    max_concurrency_at_context: int
    problem: str | None
    changes: tuple[Way, ...]
    notes: tuple[str, ...]


@frozen(kw_only=True)
class OtherWay:
    """Another way to run it."""

    title: str
    command: str


@frozen(kw_only=True)
class ShortPlan:
    """What to run, and why; `servers` is how many times, on `gpus` in all.

    Without a `command`, `obstacle` says why nothing fits, and `options` are the nearest that do.
    """

    summary: str
    feasible: bool
    command: str | None
    gpu: str
    gpus: int
    servers: int
    reasons: tuple[str, ...]
    max_context: int | None
    max_concurrency: int | None
    output_tokens_per_s: float | None
    obstacle: str | None
    options: tuple[OtherWay, ...]
    notes: tuple[str, ...]


@frozen(kw_only=True)
class Choice:
    """The fewest of one GPU that run a model; so many `replicas` of it `meets` targets, where there were any."""

    model: str
    gpu: str
    gpus: int
    quantization: str | None
    kv_cache_dtype: str
    certainty: Certainty
    most_requests: int
    headroom_gib: float
    price_per_hour: float | None
    currency: str | None
    output_tokens_per_s: float | None
    hypothetical: bool
    replicas: int | None
    meets: bool | None


@frozen(kw_only=True)
class ShortComparison:
    """What runs it, the best first. `more` counts further ways that fit; `hypothetical` ones need a checkpoint that may not be."""

    summary: str
    choices: tuple[Choice, ...]
    more: int
    notes: tuple[str, ...]


@frozen(kw_only=True)
class Server:
    """One server of a file. `problem` is why it does not pass."""

    file: str
    line: int
    server: str
    model: str | None
    gpu: str | None
    status: Literal["starts", "does_not_start", "not_vllm", "not_understood"]
    problem: str | None
    change: str | None


@frozen(kw_only=True)
class ShortCheck:
    """Every server that was found."""

    summary: str
    passes: bool
    servers: tuple[Server, ...]
    more: int
    notes: tuple[str, ...]


@frozen(kw_only=True)
class Quantity:
    """One quantity, logged and predicted, in GiB, tokens or a ratio; `inside` its predicted interval, else `why` not."""

    name: str
    unit: Literal["GiB", "count", "ratio"]
    logged: float
    predicted: float
    low: float
    high: float
    inside: bool
    why: str


@frozen(kw_only=True)
class Trouble:
    """What went wrong, and what helps."""

    message: str
    fix: str | None


@frozen(kw_only=True)
class ShortReconciliation:
    """A start-up against its prediction. `problem` is why nothing could be predicted; `changes` start and fit."""

    summary: str
    crashed: bool
    as_predicted: bool | None
    quantities: tuple[Quantity, ...]
    findings: tuple[Trouble, ...]
    changes: tuple[Way, ...]
    problem: str | None
    notes: tuple[str, ...]


@frozen(kw_only=True)
class ShortModels:
    """Ids of the bundled catalog; any other Hub id works, too."""

    summary: str
    models: tuple[str, ...]
    more: int


@frozen(kw_only=True)
class Card:
    """A GPU: the memory that CUDA reports."""

    name: str
    kind: str
    memory_gib: float
    compute_capability: str


@frozen(kw_only=True)
class ShortGpus:
    """GPUs by name."""

    summary: str
    gpus: tuple[Card, ...]
    more: int
