"""CUDA graphs: what capture takes, and how much of it vLLM subtracts from the KV pool."""

from __future__ import annotations

from vram.estimate.memory.activations import passing_peak
from vram.estimate.memory.budget import around
from vram.estimate.memory.profile_run import ProfileRun
from vram.models.interval import Interval, weaker
from vram.models.platform import Chip
from vram.models.profile import Constant
from vram.models.record import frozen
from vram.vllm.capture import CaptureSizes, capture_sizes
from vram.vllm.versions import behaviour

_REFERENCE_GRAPHS = 102  # 51 piecewise and 51 full graphs: the runs the constants were measured on
_REFERENCE_GRAPHS_BEFORE_0_11 = 67  # piecewise only
_UNCOMPILED = 1.4  # DeepSeek-V4-Pro under 0.20.2: 1.57 GiB logged against 1.15 of as many compiled ones
_TUNED_BEFORE_CAPTURE = ((0, 11, 0), (0, 17, 0))


@frozen(kw_only=True)
class GraphMemory:
    """`captured` is what capture takes, `charged` what the version subtracts from the pool, `beyond` what capture takes besides.

    `logged` is what "Graph capturing finished" prints: `captured`, but in versions that count released memory in.
    """

    captured: Interval
    charged: Interval
    beyond: Interval
    logged: Interval


def graph_memory(run: ProfileRun) -> GraphMemory:
    """Bytes per rank: a fixed part, and a part per layer in proportion to the number of captured sizes.

    Besides, where NCCL reduces over ranks, `graph_all_reduce_bytes` for every all-reduce in every graph.
    base + layer × L + gated-delta × L_g + Mamba × L_m + latent × L_l, times sizes / reference sizes. Eager mode captures
    nothing. Nothing is charged before 0.20 (0.18, where it is asked for); then what the GPU has less of while some graphs are
    captured, NCCL's part among it: the V1 runner extrapolates from two graphs per mode (`graph_charged_share`), which for
    compressed attention, whose graphs run on several streams, is far more than capture then takes
    (`graph_charged_compressed_layer_bytes`). The V2 runner's estimate is 0 to 0.28
    (`gpu/model_runner.py:profile_cudagraph_memory`);
    since 0.29 it captures all but the full graphs to measure them (`gpu/cudagraph_utils.py`).
    """
    sizes = _sizes(run)
    nothing = Interval.exact(0)
    if not sizes.graphs:
        return GraphMemory(captured=nothing, charged=nothing, beyond=nothing, logged=nothing)
    own, reduced = _own(run, sizes), _reductions(run, sizes)
    captured = own + reduced
    asked = run.environment.estimates_graphs
    estimated = asked is not False and run.version >= ((0, 29, 0) if run.v2_runner else (0, 18, 0)) and _estimates(run)
    if not estimated or not (run.v2_runner or asked or behaviour(run.version).charges_cuda_graphs):
        return GraphMemory(captured=captured, charged=nothing, beyond=captured, logged=_logged(run, captured))
    charged = captured if run.v2_runner else _charged(run, sizes, own, reduced)
    left = captured.expected - charged.expected  # vLLM measured what it charges: NCCL's part is no more in doubt
    beyond = Interval(
        low=left - own.expected + own.low,
        expected=left,
        high=left - own.expected + own.high,
        provenance=own.provenance,
    )
    return GraphMemory(captured=captured, charged=charged, beyond=beyond, logged=_logged(run, captured))


def _estimates(run: ProfileRun) -> bool:
    """Whether graphs are estimated there at all: on another platform, where its record says so (`gpu_worker.py`)."""
    return not isinstance(run.capability, Chip) or run.capability.has("graph_estimate", run.version)


def _own(run: ProfileRun, sizes: CaptureSizes) -> Interval:
    """What the graphs keep on one GPU by itself."""
    old, runner = run.version < (0, 11, 0), "_v2" if run.v2_runner else ""
    share = sizes.graphs / (_REFERENCE_GRAPHS_BEFORE_0_11 if old else _REFERENCE_GRAPHS)
    base, layer = run.constant(f"graph_base_bytes{runner}"), run.constant(f"graph_layer_bytes{runner}")
    expected = run.constant("graph_fixed_bytes").value + share * (base.value + _layers(run, layer)) * _fused(run)
    return around(int(expected), run.constant("graph_spread").value, weaker(base.provenance, layer.provenance))


def _fused(run: ProfileRun) -> float:
    """Without compilation no kernels are fused, and a graph has the more of them."""
    return 1.0 if run.graphs.compiled or run.version < (0, 11, 0) else _UNCOMPILED


def _charged(run: ProfileRun, sizes: CaptureSizes, own: Interval, reduced: Interval) -> Interval:
    """What the V1 runner's estimate sees: it measures two graphs of each mode, multiplies the second, and of the modes' first graphs
    counts the larger (`gpu_model_runner.py:profile_cudagraph_memory`, 0.22.1), so that of two nothing is guessed.
    """
    modes = [len(mode) for mode in (sizes.piecewise, sizes.full) if mode]
    measured = sum(min(2, graphs) for graphs in modes) / sizes.graphs
    share = measured + (1 - measured) * run.constant("graph_charged_share").value
    charged = around(int(own.expected * share), run.constant("graph_spread").value, own.provenance)
    if reduced.expected:
        charged += reduced.times((sizes.graphs - len(modes) + 1) / sizes.graphs)
    if run.shapes.sparse is not None and run.shapes.sparse.head_dim:
        charged += run.constant("graph_charged_compressed_layer_bytes").times(run.shapes.layers // run.pp * _fused(run))
    return charged


def _reductions(run: ProfileRun, sizes: CaptureSizes) -> Interval:
    """What NCCL keeps for each all-reduce in a graph: two per layer and one for the embedding, in every graph."""
    if not run.nccl:
        return Interval.exact(0)  # and what is known of it is not weakened
    return run.constant("graph_all_reduce_bytes").times(sizes.graphs * (2 * run.shapes.layers // run.pp + 1))


def _logged(run: ProfileRun, captured: Interval) -> Interval:
    """What the difference of free memory before and after capture shows.

    In 0.11 to 0.16 on GPUs from 9.0 on, FlashInfer's autotuning runs a whole batch forward just before
    (`model_executor/warmup/kernel_warmup.py`), and the allocator still holds its memory when capture starts; the first
    graph empties that cache, so what it gives back is taken off (0.11.2, 0.14.1: no `empty_cache` before the first
    reading in `v1/worker/gpu_model_runner.py:capture_model`; 0.19.1 has one). vLLM may print a negative number there; it
    is 0 here. The high end is the whole of what is captured: where FlashInfer is not installed nothing is tuned.
    """
    if not _TUNED_BEFORE_CAPTURE[0] <= run.version < _TUNED_BEFORE_CAPTURE[1] or not run.capability >= (9, 0):
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


def _layers(run: ProfileRun, each: Constant) -> float:
    """Bytes of all layers of one pipeline rank at the reference number of graphs, `each` what a plain one keeps."""
    shapes = run.shapes
    total = shapes.layers * each.value
    total += shapes.gated_delta_layers * run.constant("graph_gated_delta_layer_bytes").value
    total += shapes.mamba_layers * run.constant("graph_mamba_layer_bytes").value
    total += shapes.latent_layers * run.constant("graph_latent_layer_bytes").value
    return total / run.pp
