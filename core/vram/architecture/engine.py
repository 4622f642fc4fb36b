"""What a serving engine itself says of a model: beside adapters, headers and graphs the source that knows what is installed.

An engine is a plugin's record (hook `vram_engines`). It builds the model in its own way and tells what it created and how it
plans the cache; what nobody knows before a GPU runs (activations, graphs, overhead) is predicted as ever.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from vram.models.cache import PageSpec
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import ENGINE_DEFAULTS, Deployment, EngineArgs
from vram.models.estimate import Estimate
from vram.models.profile import Gpu
from vram.models.record import evolve, frozen
from vram.models.spec import ModelSpec

#: arguments under which an engine builds the same model with the same cache specs
_BUILT_ALIKE = frozenset({
    "max_model_len", "gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "enforce_eager", "kv_cache_memory_bytes",
    "num_gpu_blocks_override", "cpu_offload_gb", "skip_mm_profiling", "swap_space",
})  # fmt: skip
#: what an engine resolves where nobody says otherwise
_RESOLVED = ("dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens")


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

    def compared(self, *, num_blocks: int, tokens: int) -> Told:
        """The same, with a note where the engine's plan is not what the rules known here make of its specs."""
        plan = self.plan
        if plan is None or plan.num_blocks is None or (plan.num_blocks, plan.tokens or tokens) == (num_blocks, tokens):
            return self
        note = (
            f"{self.engine} plans {plan.num_blocks:,} blocks ({plan.tokens:,} tokens) where the rules known here make {num_blocks:,} "
            f"({tokens:,}) of its cache specs: its numbers are printed, and limits are by those rules."
        )
        return evolve(self, notes=(*self.notes, note))

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
    """A serving engine that can be asked without a GPU. `name` is unique."""

    name: str

    @abstractmethod
    def ask(self, request: EngineRequest, pools_of: Callable[[Told], tuple[int, ...]]) -> Told:
        """What it builds, and its plan for the pools that `pools_of` reckons from that. Raises VramError."""

    @abstractmethod
    def cross_check(self, own: Estimate | str, asked: Estimate, told: Told, *, as_json: bool) -> bool:
        """Print both sides, `own` a refusal's sentence where there is no estimate; whether they agree."""
