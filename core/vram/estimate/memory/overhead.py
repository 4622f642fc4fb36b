"""The memory that is neither weights nor KV cache, and what is left for the cache.

Calibrated profiles use the component model; `generic` and `--overhead-gib` one fixed figure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter

from vram.estimate.memory.activations import activation_peak, forward_peak
from vram.estimate.memory.budget import around, available_kv_cache, budget_bytes
from vram.estimate.memory.graphs import GraphMemory, graph_memory
from vram.estimate.memory.moe_workspace import moe_workspace_bytes
from vram.estimate.memory.nontorch import non_torch_memory
from vram.estimate.memory.profile_run import ProfileRun, profile_run
from vram.estimate.memory.sampling import sampler_peak, sampler_state_bytes, sampler_unknown
from vram.estimate.memory.towers import tower_memory
from vram.estimate.question import Question
from vram.estimate.weights.ranks import Parallelism, RankWeights
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.deployment import Deployment
from vram.models.estimate import ProvenanceNote
from vram.models.interval import Interval
from vram.models.profile import CUDA_CONTEXT, OverheadProfile
from vram.models.record import evolve, field, frozen, record_fields
from vram.models.spec import SHAPELESS
from vram.units import GIB, format_gib, gib

#: how many times as wide an interval must be to hold nine of ten starts of a model left out of the fit, by what is hard about them,
#: and of a GPU that no log is of (split conformal, `tests/calibration/hold_out.py`); where starts are few, the older factor of two
_PLAIN, _RECURRENT, _PCIE, _V2, _UNSEEN = 0.9, 2.0, 1.6, 1.25, 1.2
_GENERIC_FLOOR = GIB
_GENERIC_SHARE = 0.02
_GENERIC_PER_RANK = GIB // 4


@frozen(kw_only=True)
class Overhead:
    """Bytes per GPU of the most loaded rank.

    `cuda_graphs` is what capture takes, whether or not the version charges it to the budget, `cuda_graphs_logged` what
    vLLM prints of it (less in 0.11 to 0.16, `memory/graphs.py`). `kv_cache_available` is vLLM's "Available KV cache
    memory" and may be negative. `after_capture` is what is free once the pool is taken and the graphs are captured: negative
    where capture runs out of memory, as it does in versions that reserve nothing for it.
    """

    activation_peak: Interval
    cuda_graphs: Interval
    cuda_graphs_logged: Interval
    non_torch: Interval
    budget_bytes: int
    kv_cache_available: Interval
    after_capture: Interval = Interval.exact(0)
    noted: Callable[[], tuple[ProvenanceNote, ...]] = field(default=tuple, repr=False, eq=False)

    @property
    def notes(self) -> tuple[ProvenanceNote, ...]:
        """Where each component is from."""
        return self.noted()


def predict_overhead(
    question: Question,
    model: ResolvedModel,
    weights: tuple[RankWeights, ...],
    parallel: Parallelism,
    loaded_workspace: int = 0,
    lost: int = 0,
) -> Overhead:
    """Activation peak, CUDA graphs, non-torch memory and the KV pool of the most loaded rank.

    `lost` bytes are gone since the weights were loaded and in no log line. A model given by hand has no shapes to compute an
    activation peak from: the generic figure is taken for it.
    Raises ParallelismError.
    """
    heaviest = max(rank.weights_bytes for rank in weights)
    shapeless = SHAPELESS in question.spec.hints
    if not question.profile.calibrated or question.policy.overhead_gib is not None or shapeless:
        return fixed_overhead(question, heaviest)
    run = profile_run(model, question.deployment, parallel, question.profile, loaded_workspace)
    return component_overhead(question, heaviest, run, lost)


def component_overhead(question: Question, weights_bytes: int, run: ProfileRun, lost: int = 0) -> Overhead:
    """The overhead from its causes, with the constants of a calibrated profile."""
    deployment = question.deployment
    activation, graphs = _peaks(_SameButLength(run))
    counted, beside = _others(deployment)
    outside = non_torch_memory(run) + counted
    if lost:
        outside += Interval.exact(lost)
    budget = budget_bytes(deployment.gpu_memory_bytes, deployment.gpu_memory_utilization, question.behaviour)
    spread = run.constant("weights_spread").value
    loaded = around(weights_bytes, spread, "derived")
    return Overhead(
        activation_peak=activation,
        cuda_graphs=graphs.captured,
        cuda_graphs_logged=graphs.logged,
        non_torch=outside,
        budget_bytes=budget,
        kv_cache_available=available_kv_cache(
            budget,
            loaded,
            activation,
            graphs.charged,
            outside,
            _board(run, deployment),
        ).widened(_reach(run, deployment))
        + _first_start(run),
        after_capture=available_kv_cache(
            deployment.gpu_memory_bytes - beside - budget,
            graphs.beyond,
            Interval.exact(0) if deployment.charges_others else _context(run),
        )
        + _released(run, activation),
        noted=lambda: _notes(run, graphs, question.profile),
    )


def _context(run: ProfileRun) -> Interval:
    """The driver's own memory of the process: CUDA's, or what the profile of another platform's GPU says."""
    own = run.constant("context_bytes")
    return own.times(1) if own.value else CUDA_CONTEXT


def _first_start(run: ProfileRun) -> Interval:
    """What the first start of a model on a machine may hold besides, where it compiles: nothing tells which start it is."""
    return Interval(low=-int(run.constant("first_start_bytes").value), expected=0, high=0)


def _reach(run: ProfileRun, deployment: Deployment) -> float:
    recurrent = run.shapes.gated_delta_layers + run.shapes.mamba_layers
    hard = ((_RECURRENT, recurrent), (_PCIE, run.nccl), (_V2, run.v2_runner))
    return max([_PLAIN, *(factor for factor, met in hard if met)]) * (1 if deployment.gpu.logged else _UNSEEN)


def _released(run: ProfileRun, activation: Interval) -> Interval:
    """What the profile run gives back before capture: no more than FlashInfer's sampler took, where it may have sampled. The pool is
    reckoned with PyTorch's, and so neither is counted twice.
    """
    return evolve(activation, expected=activation.low) if sampler_unknown(run) else activation


class _SameButLength:
    """A profile run as activations and graphs see it: its length decides the sampler's tables alone, which are part of them in a
    pipeline, and a search for a length asks for the same peaks again and again.
    """

    __slots__ = ("facts", "run")
    _facts = attrgetter(*(name for name in record_fields(ProfileRun) if name not in ("max_model_len", "profile")))

    def __init__(self, run: ProfileRun) -> None:
        self.run = run
        self.facts = (*_SameButLength._facts(run), run.pp > 1 and sampler_state_bytes(run))

    def __hash__(self) -> int:
        return hash(self.facts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _SameButLength):
            return NotImplemented
        return self.run.profile is other.run.profile and bool(self.facts == other.facts)


@lru_cache(maxsize=512)
def _peaks(same: _SameButLength) -> tuple[Interval, GraphMemory]:
    return activation_peak(same.run), graph_memory(same.run)


def _others(deployment: Deployment) -> tuple[Interval, int]:
    """What other processes hold: as far as the budget counts it, and as far as it is held beside the budget."""
    held = deployment.used_memory_bytes or 0
    return (Interval.exact(held), 0) if deployment.charges_others else (Interval.exact(0), held)


def _board(run: ProfileRun, deployment: Deployment) -> Interval:
    """How far boards and drivers differ in the memory they report; nothing where the user said how much there is."""
    if deployment.gpu_memory_bytes != deployment.gpu.memory_bytes:
        return Interval.exact(0)
    half = int(run.constant("gpu_memory_spread").value * deployment.gpu_memory_bytes)
    return Interval(low=-half, expected=0, high=half)


def _notes(run: ProfileRun, graphs: GraphMemory, profile: OverheadProfile) -> tuple[ProvenanceNote, ...]:
    """Where each component is from, with the values that went in."""
    sampled, tower, workspace = sampler_peak(run).expected, tower_memory(run), moe_workspace_bytes(run)
    parts = [f"forward of {run.tokens} tokens {format_gib(forward_peak(run).expected)}"]
    parts.append(f"sampling {run.rows} × {run.shapes.vocabulary} logits {format_gib(sampled)}")
    if workspace:
        parts.append(f"MoE workspace {format_gib(workspace)}")
    if tower.peak:
        parts.append(f"tower keeps {format_gib(tower.kept)}, its pass takes {format_gib(tower.peak)}")
    runner = "V0 engine" if run.v0_engine else "V2 runner" if run.v2_runner else "V1 runner"
    source = f"profile {profile.name}"
    return (
        ProvenanceNote(component="activation_peak", source=source, note=f"{runner}: " + ", ".join(parts)),
        ProvenanceNote(component="cuda_graphs", source=source, note=_graph_note(graphs)),
        ProvenanceNote(
            component="non_torch",
            source=source,
            note=f"V2 sampler state {format_gib(sampler_state_bytes(run))}, charged since 0.27"
            if run.v2_runner
            else "what lies outside PyTorch after vLLM's baseline",
        ),
    )


def _graph_note(graphs: GraphMemory) -> str:
    charged = "nothing" if not graphs.charged.expected else format_gib(graphs.charged.expected)
    if graphs.logged == graphs.captured:
        return f"{charged} of it is taken from the KV pool"
    captured = format_gib(graphs.captured.expected)
    return f"as logged; capture takes {captured}, of which the log hides what warm-up gives back; none is charged"


def fixed_overhead(question: Question, weights_bytes: int) -> Overhead:
    """One figure for everything: the user's, or max(1 GiB, 2 % of memory) + 0.25 GiB × (TP − 1), assumed."""
    deployment, fixed = question.deployment, question.policy.overhead_gib
    memory = deployment.gpu_memory_bytes
    if fixed is not None:
        total = Interval.exact(gib(fixed), "assumed")
        note = ProvenanceNote(component="non_torch", source="user", note="a fixed overhead was given")
    else:
        figure = max(_GENERIC_FLOOR, int(memory * _GENERIC_SHARE)) + _GENERIC_PER_RANK * (deployment.tp - 1)
        total = Interval(low=figure // 2, expected=figure, high=figure * 2, provenance="assumed")
        note = ProvenanceNote(
            component="non_torch",
            source=f"profile {question.profile.name}",
            note="not calibrated: max(1 GiB, 2 % of memory) + 0.25 GiB per further tensor-parallel rank",
        )
    total += _others(deployment)[0]
    budget = budget_bytes(memory, deployment.gpu_memory_utilization, question.behaviour)
    nothing = Interval.exact(0, "assumed")
    return Overhead(
        activation_peak=nothing,
        cuda_graphs=nothing,
        cuda_graphs_logged=nothing,
        non_torch=total,
        budget_bytes=budget,
        kv_cache_available=Interval(
            low=budget - weights_bytes - total.high,
            expected=budget - weights_bytes - total.expected,
            high=budget - weights_bytes - total.low,
            provenance="assumed",
        ),
        noted=lambda: (note,),
    )
