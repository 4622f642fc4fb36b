"""A matrix of deployments: its rows, and the ones that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from attrs import asdict

from vram.models.estimate import Certainty
from vram.models.performance import Workload
from vram.models.record import frozen
from vram.models.targets import Targets

if TYPE_CHECKING:
    from vram.models.checkpoint import Model
    from vram.models.deployment import Policy
    from vram.models.engine_arguments import EngineArguments


class Progress(Protocol):
    """What is told how far a comparison is."""

    def __call__(self, done: int, total: int, /) -> None:
        """So many cells are done, of so many."""


@frozen(kw_only=True)
class Row:
    """One model on some GPUs. Sizes are bytes per GPU of the most loaded rank, except `total_memory_bytes`.

    `quantization` is what the weights are stored in (None: unquantized). `online` says that vLLM makes it of an
    unquantized checkpoint while loading, `hypothetical` that it cannot, and the checkpoint is sized as its quantizer
    usually writes it. `obstacle` names the first start-up check that fails, "policy" where it starts without the headroom,
    "parallelism" where the model cannot be divided so, "quantization" where it cannot be stored so, "" where it fits.
    `most_requests` are the requests of `max_model_len` tokens that fit at once with the headroom kept. `price_per_hour` is
    that of all GPUs, or of the whole `instance_type`, in the user's `currency`. `certainty` is how sure `starts` is.
    Speed is that of the comparison's workload, None where it was not asked or is not known; `slow` is slower than people read,
    `rare` a card that is made for one machine or market. `tokens_per_price` are output tokens for one unit of the currency.

    Against targets a row is one of `replicas`, with its share of the users (`concurrency`): `meets` says whether they keep them (None:
    not asked, or not known), `users_within_targets` how many users all of them take, `limited_by` what stops one more, and
    `total_price_per_hour` is that of all of them.
    """

    model: str
    gpu: str
    gpus: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    quantization: str | None
    online: bool
    hypothetical: bool
    kv_cache_dtype: str
    max_model_len: int
    concurrency: int
    starts: bool
    fits: bool
    obstacle: str
    weights_bytes: int
    headroom_bytes: int
    tokens: int
    max_concurrency: float
    most_requests: int
    gpu_memory_bytes: int
    total_memory_bytes: int
    price_per_hour: float | None = None
    certainty: Certainty = "likely"
    gpu_kind: str = ""
    instance_type: str | None = None
    rare: bool = False
    slow: bool = False
    output_tokens_per_s: float | None = None
    output_tokens_per_s_per_user: float | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    currency: str | None = None
    tokens_per_price: float | None = None
    price_per_million_tokens: float | None = None
    meets: bool | None = None
    replicas: int | None = None
    users_within_targets: int | None = None
    limited_by: str | None = None
    total_price_per_hour: float | None = None


@frozen(kw_only=True)
class Skipped:
    """A model or quantization that could not be compared, and why."""

    model: str
    problem: str


@frozen(kw_only=True)
class Comparison:
    """Every row: what surely fits before what may, and that before what does not; each in the order asked for.

    `workload` is what the speeds are of, `assumed` what nobody said.
    """

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...] = ()
    workload: Workload | None = None
    targets: Targets | None = None
    assumed: tuple[str, ...] = ()

    @property
    def smallest(self) -> tuple[Row, ...]:
        """Of each model that fits anywhere, the row with the least GPU memory in total."""
        return _first_of_each_model(
            sorted((row for row in self.rows if row.fits), key=lambda row: (*_doubtful(row), *_hardware(row)))
        )

    @property
    def cheapest(self) -> tuple[Row, ...]:
        """Of each model that fits anywhere, the row with the lowest price; empty without prices."""
        priced = [row for row in self.rows if row.fits and row.price_per_hour is not None]
        return _first_of_each_model(
            sorted(
                priced,
                key=lambda row: (*_doubtful(row), row.total_price_per_hour or row.price_per_hour, *_hardware(row)),
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        return {
            "schema_version": 1,
            "smallest": [asdict(row) for row in self.smallest],
            "cheapest": [asdict(row) for row in self.cheapest],
            "workload": asdict(self.workload) if self.workload else None,
            "targets": asdict(self.targets) if self.targets else None,
            "assumed": list(self.assumed),
            "skipped": [asdict(each) for each in self.skipped],
            "rows": [asdict(row) for row in self.rows],
        }


class Comparer(Protocol):
    """`vram.compare`: models on GPUs, best first, as whichever plugin has the name answers it. Raises VramError."""

    def __call__(
        self,
        models: Model | Sequence[Model],
        *,
        gpus: str | Sequence[str] | None = None,
        counts: Sequence[int] | None = None,
        quantizations: Sequence[str | None] = (None,),
        kv_cache_dtypes: Sequence[str] = ("auto",),
        concurrency: int = 1,
        vllm_version: str | None = None,
        policy: Policy | None = None,
        prices: str | PathLike[str] | Mapping[str, float] | None = None,
        prompt_tokens: int | None = None,
        gen_tokens: int | None = None,
        sort: str = "best",
        kinds: Sequence[str] | None = None,
        clouds: Sequence[str] | None = None,
        min_memory_gib: float | None = None,
        max_memory_gib: float | None = None,
        in_stock: str | PathLike[str] | Sequence[str] | None = None,
        used_gib: float | None = None,
        ttft_ms: float | None = None,
        tpot_ms: float | None = None,
        requests_per_second: float | None = None,
        percentile: int = 50,
        meets: bool = False,
        trust_remote_code: bool = False,
        revision: str | None = None,
        progress: Progress | None = None,
        **engine_args: Unpack[EngineArguments],
    ) -> Comparison: ...


def _doubtful(row: Row) -> tuple[bool, bool]:
    """What nobody is told first: a start too close to be sure, cards that are rare or slower than people read."""
    return (row.certainty != "likely" or row.meets is False, row.rare or row.slow)


def _hardware(row: Row) -> tuple[object, ...]:
    """Least memory in total, all replicas together, then fewest GPUs, then the least changed model."""
    changes, replicas = row.online + 2 * row.hypothetical + (row.kv_cache_dtype != "auto"), row.replicas or 1
    return (row.total_memory_bytes * replicas, row.gpus * replicas, changes, -row.most_requests)


def _first_of_each_model(rows: list[Row]) -> tuple[Row, ...]:
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.model, row)
    return tuple(found.values())
