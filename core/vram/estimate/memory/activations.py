"""The activation peak: the most that the profile run holds at once beyond the weights."""

from __future__ import annotations

import math

from vram.estimate.memory.moe_workspace import keeps_workspace, moe_passing_bytes, moe_workspace_bytes
from vram.estimate.memory.profile_run import ProfileRun
from vram.estimate.memory.sampling import sampler_peak, sampler_state_bytes
from vram.estimate.memory.sparse_attention import sparse_score_bytes, sparse_workspace_bytes
from vram.estimate.memory.towers import tower_memory
from vram.models.interval import Interval, weaker
from vram.units import MIB

_LATENT_TOKENS = 65536
_LATENT_TOKENS_BEFORE_0_11 = 131072
_TIMED_SINCE, _TIMED_FOR_SURE_SINCE = (0, 20, 0), (0, 26, 0)
_ROUNDING = 48 * MIB  # the allocator's segments


def activation_peak(run: ProfileRun) -> Interval:
    """Bytes of the most loaded rank: max(forward, sampling) + what stays alive through both, or the tower's own pass.

    What stays alive: the MoE workspace (versions that keep it), the tower's inputs and embeddings, and cuBLAS
    workspaces. The low and high ends carry the constants' spread, `activation_spread` of the whole and half of the
    tower, whose item sizes come from processors that are not read.
    """
    workspace, tower = max(moe_workspace_bytes(run), sparse_workspace_bytes(run)), tower_memory(run)
    workspace = max(0, workspace - run.loaded_workspace)
    library = run.constant("library_workspace_bytes")
    text = _larger(passing_peak(run), sampler_peak(run))
    kept = (workspace if keeps_workspace(run) else 0) + tower.kept
    expected = max(text.expected + kept, tower.peak) + int(library.value)
    spread = run.constant("activation_spread").value * expected
    unsure = workspace if (0, 11, 0) <= run.version < (0, 12, 0) else 0  # there it depends on the kernel's class
    below = math.hypot(text.expected - text.low, spread, _ROUNDING, tower.kept / 2, unsure)
    above = math.hypot(text.high - text.expected, spread, _ROUNDING, tower.kept / 2)
    own = weaker(text.provenance, library.provenance)
    once = Interval(low=max(0, int(expected - below)), expected=expected, high=int(expected + above), provenance=own)
    return _larger(once, compilation_peak(run) + Interval.exact(tower.kept))


def passing_peak(run: ProfileRun) -> Interval:
    """Bytes of one forward of `tokens` tokens that are free again after it: all but a workspace that stays."""
    workspace = 0 if keeps_workspace(run) else moe_workspace_bytes(run)
    return forward_peak(run) + Interval.exact(moe_passing_bytes(run) + workspace)


def compilation_peak(run: ProfileRun) -> Interval:
    """Bytes of timing the first compiled kernel within the profile run; nothing where the compiled code was kept from before.

    PyTorch 2.11 (vLLM 0.20) runs what it may combine on random tensors of the real sizes: this rank's embedding, of which the first
    kernel gathers, and two tensors of (tokens, hidden). Measured to 1 MiB on an H200 with 0.26, and met by nine logs of 0.27 on; one
    of 0.21 and two of 0.17 (PyTorch 2.10) do without. Source: `torch/_inductor/scheduler.py:speedup_by_combo_kernel`,
    `codegen/triton.py:codegen_kernel_benchmark`; `config/compilation.py` sets `benchmark_combo_kernel` (0.20.0, 0.33.0).
    """
    if run.version < _TIMED_SINCE or not (run.graphs.compiled and run.gathers):
        return Interval.exact(0)
    rows = -(-run.shapes.vocabulary // run.tp) + 2 * run.tokens
    idle = sampler_state_bytes(run) if run.pp > 1 else 0  # which the rank with the embedding does not keep
    size = max(0, rows * run.shapes.hidden * run.item - idle)
    seen = size if run.version >= _TIMED_FOR_SURE_SINCE else 0
    return Interval(low=0, expected=seen, high=size + _ROUNDING, provenance="derived")


def _larger(a: Interval, b: Interval) -> Interval:
    """The maximum of two quantities that vary on their own."""
    return Interval(
        low=max(a.low, b.low),
        expected=max(a.expected, b.expected),
        high=max(a.high, b.high, a.expected, b.expected),
        provenance=a.provenance if a.expected >= b.expected else b.provenance,
    )


def forward_peak(run: ProfileRun) -> Interval:
    """Bytes of one forward over `tokens` tokens: tokens × item × (factor × hidden + widest block).

    The widest block is what one attention or MLP holds between its projections on this rank (3·I/tp for SwiGLU); the
    factor counts hidden-size tensors alive at that point (input, residual, norm, output; measured on first pipeline
    ranks, which do not sample). Latent attention also up-projects a whole chunked-context workspace,
    65536 tokens (131072 before 0.11) × heads/tp × (nope + v), in place of the MLP's block. Of several residual streams four
    copies are alive: before and after both mixings of a layer (measured on three logs; read: two at least). A sparse
    indexer holds room for its scores.
    Source: `v1/attention/backends/mla/common.py` (0.11.2), `model_executor/layers/attention/mla_attention.py` (0.33.0).
    """
    factor = run.constant("forward_hidden_factor_v2" if run.v2_runner else "forward_hidden_factor")
    shapes = run.shapes
    latent = 0
    if shapes.latent_width and not run.v0_engine:
        cached = _LATENT_TOKENS if run.version >= (0, 11, 0) else _LATENT_TOKENS_BEFORE_0_11
        latent = cached * shapes.latent_width
    scores = sparse_score_bytes(run)

    def peak(hidden_factor: float) -> int:
        streams = 4 * shapes.streams if shapes.streams > 1 else 0
        streams += run.v0_engine and run.tp > 1  # not compiled, an all-reduce's input and output live at once
        residual = (hidden_factor + streams) * shapes.hidden * run.tokens
        return int(run.item * (residual + max(shapes.widest * run.tokens, latent))) + scores

    return Interval(
        low=peak(factor.low), expected=peak(factor.value), high=peak(factor.high), provenance=factor.provenance
    )
