"""What a serving engine itself says of a model: beside adapters, headers and graphs the source that knows what is installed.

An engine is a plugin's record (hook `vram_engines`). It builds the model in its own way and tells what it created and how it
plans the cache; what nobody knows before a GPU runs (activations, graphs, overhead) is predicted as ever.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

from vram.errors import UnknownNameError, VramError
from vram.models.cache import PageSpec
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import ENGINE_DEFAULTS, Deployment, EngineArgs
from vram.models.estimate import Estimate, ProvenanceNote
from vram.models.profile import Gpu
from vram.models.record import evolve, frozen
from vram.models.spec import ModelSpec
from vram.vllm.allocator import block_bytes

P = TypeVar("P", bound="Planned")
W = TypeVar("W", bound="Weighed")
R = TypeVar("R")

#: arguments under which an engine builds the same model with the same cache specs
_BUILT_ALIKE = frozenset({
    "max_model_len", "gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "enforce_eager", "kv_cache_memory_bytes",
    "num_gpu_blocks_override", "cpu_offload_gb", "skip_mm_profiling", "swap_space",
})  # fmt: skip
#: the component of an answer's provenance that names an engine
TOLD = "Parameters and KV cache"
#: what an engine resolves where nobody says otherwise
_RESOLVED = ("dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens")


class Planned(Protocol):
    """A plan of the cache, as far as an engine's own is held against it."""

    @property
    def num_blocks(self) -> int: ...
    @property
    def tokens(self) -> int: ...


class Weighed(Protocol):
    """One pipeline rank's weights: bytes as created, and as held once they are loaded."""

    @property
    def parameter_bytes(self) -> int: ...
    @property
    def weights_bytes(self) -> int: ...


class Reckoned(Protocol):
    """Weights and cache as reckoned here from what an engine told: the memory of each rank's cache, and the plan."""

    @property
    def pools(self) -> tuple[int, ...]: ...
    @property
    def plan(self) -> Planned: ...


@frozen(kw_only=True)
class ToldRank:
    """One pipeline rank: the distinct sizes in bytes of its parameters and buffers with how many have it, and each kind of cache
    page with how many layers have it.
    """

    sizes: tuple[tuple[int, int], ...]
    caches: tuple[tuple[PageSpec, int], ...] = ()

    @property
    def parameter_bytes(self) -> int:
        """What the engine creates."""
        return sum(size * count for size, count in self.sizes)

    def weighed(self, rank: W, *, described: bool) -> W:
        """A rank's weights with what was created; where the model is `described` here, loading changes it as predicted."""
        created = self.parameter_bytes
        if described:
            loaded = max(0, created + rank.weights_bytes - rank.parameter_bytes)
        else:
            loaded = sum(block_bytes(size) * count for size, count in self.sizes)
        return _changed(rank, parameter_bytes=created, weights_bytes=loaded)


@frozen(kw_only=True)
class ToldPlan:
    """The engine's plan for `pools` bytes on each pipeline rank. None is what a refusal does not tell.

    `groups` are (layers, block size). `refused` is the engine's sentence.
    """

    pools: tuple[int, ...]
    num_blocks: int | None = None
    tokens: int | None = None
    max_concurrency: float | None = None
    estimated_max_model_len: int | None = None
    max_model_len: int | None = None
    groups: tuple[tuple[int, int], ...] = ()
    refused: str | None = None

    def instead_of(self, plan: P) -> P:
        """The plan with the engine's own numbers, as far as it gave any."""
        names = ("num_blocks", "tokens", "max_concurrency", "estimated_max_model_len", "max_model_len")
        return _changed(plan, **{name: getattr(self, name) for name in names if getattr(self, name) is not None})


@frozen(kw_only=True, eq=False)
class Told:
    """An engine's answer for one deployment.

    `spec` describes the model where no adapter does. `engine` names who was asked, `where` its interpreter. `plan` is None
    until a plan was asked for. `notes` are warnings for the reader.
    """

    engine: str
    version: tuple[int, int, int]
    where: str
    spec: ModelSpec
    ranks: tuple[ToldRank, ...]
    dtype: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    block_size: int | None = None
    backends: tuple[str, ...] = ()
    plan: ToldPlan | None = None
    notes: tuple[str, ...] = ()

    def beside(self, args: Mapping[str, object]) -> Told | None:
        """The same for a deployment with other arguments, its plan yet to be made; None where the engine must be asked anew."""
        return evolve(self, plan=None) if args.keys() <= _BUILT_ALIKE else None

    def compared(self, reckoned: Planned) -> Told:
        """The same, with a note where the engine's plan is not what the rules known here make of its specs."""
        plan = self.plan
        if plan is None or plan.num_blocks is None or plan.instead_of(reckoned) == reckoned:
            return self
        note = (
            f"{self.engine} plans {plan.num_blocks:,} blocks ({plan.tokens or 0:,} tokens) where the rules known here make "
            f"{reckoned.num_blocks:,} ({reckoned.tokens:,}) of its cache specs: its numbers are printed, limits are by those rules."
        )
        return evolve(self, notes=(*self.notes, note))

    def credited(self, estimate: Estimate) -> Estimate:
        """An answer that says who was asked for its parameters and cache."""
        asked = ProvenanceNote(component=TOLD, source=self.engine, note=f"asked of {self.where}")
        return evolve(estimate, provenance=(estimate.provenance[0], asked, *estimate.provenance[1:]))

    def settled(self, deployment: Deployment) -> Deployment:
        """The deployment with what the engine resolved wherever the user did not say."""
        args = deployment.args
        unsaid = [name for name in _RESOLVED if getattr(args, name) in (ENGINE_DEFAULTS[name], -1)]
        return evolve(deployment, **{name: getattr(self, name) for name in unsaid})


@frozen(kw_only=True, eq=False)
class EngineRequest:
    """What an engine is asked. `where` is the user's word for which installation, None for the usual one."""

    checkpoint: Checkpoint
    gpu: Gpu
    gpu_memory_bytes: int
    args: EngineArgs
    where: str | None = None
    trust_remote_code: bool = False


class Engine(ABC):
    """A serving engine that can be asked without a GPU. `name` is unique; --ask-vllm asks the one called "vllm", and no other.

    `vram` gives that one itself (plugin `ask_vllm`), so that yours can have the name where VRAM_DISABLED_PLUGINS=ask_vllm is set.
    """

    name: str

    @abstractmethod
    def ask(self, request: EngineRequest, pools_of: Callable[[Told], tuple[int, ...]]) -> Told:
        """What it builds, and its plan for the pools that `pools_of` reckons from that. Raises VramError."""

    @abstractmethod
    def cross_check(self, arguments: Mapping[str, Any], *, as_json: bool) -> bool:
        """Print its answer beside that of vram alone, for the arguments of `vram.estimate`; whether they agree. Raises VramError."""


def _changed(record: R, **fields: object) -> R:
    """`evolve` of a record known by a protocol alone."""
    found: R = evolve(cast("Any", record), **fields)
    return found


def engine_named(engines: Mapping[str, Engine], name: str = "vllm") -> Engine:
    """Who is asked with --ask-vllm. Raises UnknownNameError."""
    if name not in engines:
        raise UnknownNameError(kind="engine", name=name, known=tuple(engines))
    return engines[name]


def told_by(engine: Engine, request: EngineRequest, reckon: Callable[[Told], Reckoned]) -> Told:
    """What an engine builds, and its plan for the memory that leaves by `reckon`. Raises VramError."""
    told = engine.ask(request, lambda so_far: reckon(so_far).pools)
    return told.compared(reckon(evolve(told, plan=None)).plan)


def described_or_told(told: Told | None, *, known: bool, build: Callable[[], ModelSpec]) -> ModelSpec:
    """The description of a model by its adapter, by the engine where none is known or it fails. Raises VramError without an engine."""
    if told is not None and not known:
        return told.spec
    try:
        spec = build()
    except VramError:
        if told is None:
            raise
        return told.spec
    return spec if told is None or told.spec.runner == spec.runner else evolve(spec, runner=told.spec.runner)
