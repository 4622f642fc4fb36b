"""CUDA graphs: what capture takes, and how much of it vLLM subtracts from the KV pool."""

from __future__ import annotations

from vram.estimate.memory.activations import passing_peak
from vram.estimate.memory.budget import around
from vram.estimate.memory.profile_run import ProfileRun
from vram.models.interval import Interval, weaker
from vram.models.profile import Constant
from vram.models.record import frozen
from vram.vllm.capture import CaptureSizes, capture_sizes
from vram.vllm.versions import behaviour

_REFERENCE_GRAPHS = 102  # 51 piecewise and 51 full graphs: the runs the constants were measured on
_REFERENCE_GRAPHS_BEFORE_0_11 = 67  # piecewise only
_TUNED_BEFORE_CAPTURE = ((0, 11, 0), (0, 17, 0))


@frozen(kw_only=True)
class GraphMemory:
    """`captured` is what capture takes, `charged` what the version subtracts from the pool.

    `logged` is what "Graph capturing finished" prints: `captured`, but in versions that count released memory in.
    """

    captured: Interval
    charged: Interval
    logged: Interval


def graph_memory(run: ProfileRun) -> GraphMemory:
    """Bytes per rank: a fixed part, and a part per layer in proportion to the number of captured sizes.

    Besides, where NCCL reduces over ranks, `graph_all_reduce_bytes` for every all-reduce in every graph.
    base + layer × L + gated-delta × L_g + Mamba × L_m + latent × L_l, times sizes / reference sizes. Eager mode captures
    nothing. Nothing is charged before 0.20 (0.18, where it is asked for); the V1 runner then extrapolates from two graphs per mode
    (`graph_charged_share`), which for compressed attention, whose graphs run on several streams, is far more than capture
    then takes (`graph_charged_compressed_layer_bytes`). The V2 runner's estimate is 0 to 0.28
    (`gpu/model_runner.py:profile_cudagraph_memory`);
    since 0.29 it captures all but the full graphs to measure them (`gpu/cudagraph_utils.py`).
    """
    sizes = _sizes(run)
    nothing = Interval.exact(0)
    if not sizes.graphs:
        return GraphMemory(captured=nothing, charged=nothing, logged=nothing)
    old = run.version < (0, 11, 0)
    share = sizes.graphs / (_REFERENCE_GRAPHS_BEFORE_0_11 if old else _REFERENCE_GRAPHS)
    base, fixed = run.constant("graph_base_bytes"), run.constant("graph_fixed_bytes")
    expected = int(fixed.value + share * (base.value + _layers(run)))
    spread = run.constant("graph_spread").value
    provenance = weaker(base.provenance, run.constant("graph_layer_bytes").provenance)
    own = around(expected, spread, provenance)
    captured = own + _captured_reductions(run, sizes)
    charged = nothing
    asked = run.environment.estimates_graphs
    estimated = asked is not False and run.version >= ((0, 29, 0) if run.v2_runner else (0, 18, 0))
    if estimated and run.v2_runner:
        charged = own
    elif estimated and (asked or behaviour(run.version).charges_cuda_graphs):
        charged = around(int(own.expected * _charged_share(run, sizes)), spread, provenance)
        if run.shapes.sparse is not None and run.shapes.sparse.head_dim:
            charged += _times(run.constant("graph_charged_compressed_layer_bytes"), run.shapes.layers // run.pp)
    return GraphMemory(captured=captured, charged=charged, logged=_logged(run, captured))


def _charged_share(run: ProfileRun, sizes: CaptureSizes) -> float:
    """How much of what capture takes the V1 runner's estimate sees: it measures two graphs of each mode and multiplies the second
    (`gpu_model_runner.py:profile_cudagraph_memory`, 0.22.1), so that of two nothing is guessed.
    """
    measured = sum(min(2, len(mode)) for mode in (sizes.piecewise, sizes.full)) / sizes.graphs
    return measured + (1 - measured) * run.constant("graph_charged_share").value


def _captured_reductions(run: ProfileRun, sizes: CaptureSizes) -> Interval:
    """What NCCL keeps for each all-reduce in a graph: two per layer and one for the embedding, in every graph."""
    if not run.nccl:
        return Interval.exact(0)  # and what is known of it is not weakened
    return _times(run.constant("graph_all_reduce_bytes"), sizes.graphs * (2 * run.shapes.layers // run.pp + 1))


def _times(one: Constant, count: int) -> Interval:
    return Interval(
        low=int(one.low * count),
        expected=int(one.value * count),
        high=int(one.high * count),
        provenance=one.provenance,
    )


def _logged(run: ProfileRun, captured: Interval) -> Interval:
    """What the difference of free memory before and after capture shows.

    In 0.11 to 0.16 on GPUs from 9.0 on, FlashInfer's autotuning runs a whole batch forward just before
    (`model_executor/warmup/kernel_warmup.py`), and the allocator still holds its memory when capture starts; the first
    graph empties that cache, so what it gives back is taken off (0.11.2, 0.14.1: no `empty_cache` before the first
    reading in `v1/worker/gpu_model_runner.py:capture_model`; 0.19.1 has one). vLLM may print a negative number there; it
    is 0 here. The high end is the whole of what is captured: where FlashInfer is not installed nothing is tuned.
    """
    if not _TUNED_BEFORE_CAPTURE[0] <= run.version < _TUNED_BEFORE_CAPTURE[1] or run.capability < (9, 0):
        return captured
    released = passing_peak(run)
    return Interval(
        low=max(0, captured.low - released.high),
        expected=max(0, captured.expected - released.expected),
        high=captured.high,
        provenance=captured.provenance,
    )


def _sizes(run: ProfileRun) -> CaptureSizes:
    if not (run.graphs.piecewise or run.graphs.full):
        return CaptureSizes(piecewise=(), full=())
    return capture_sizes(
        run.version,
        max_num_seqs=run.max_num_seqs,
        max_num_batched_tokens=run.tokens,
        capability=run.capability,
        architecture=run.architecture,
        query_length=1 + run.speculative_tokens,
        v0_engine=run.v0_engine,
        choice=run.graphs,
    )


def _layers(run: ProfileRun) -> float:
    """Bytes of all layers of one pipeline rank at the reference number of graphs."""
    shapes = run.shapes
    total = shapes.layers * run.constant("graph_layer_bytes").value
    total += shapes.gated_delta_layers * run.constant("graph_gated_delta_layer_bytes").value
    total += shapes.mamba_layers * run.constant("graph_mamba_layer_bytes").value
    total += shapes.latent_layers * run.constant("graph_latent_layer_bytes").value
    return total / run.pp
