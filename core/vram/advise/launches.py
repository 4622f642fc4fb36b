"""How many kernels and all-reduces one pass of a model launches, counted from its modules."""

from __future__ import annotations

from math import prod

from vram.estimate.weights.resolved import ResolvedModel
from vram.models.cache import IndexerCache, LatentCache, StateCache
from vram.models.parameters import Experts, Linear, Tensor
from vram.models.spec import Layer


def launched(model: ResolvedModel, quantizing: int) -> int:
    """All kernels of a pass; `quantizing` of them quantize activations for products in 8 and 4 bit."""
    return sum(_kernels(run.layer) * len(run.indices) for run in model.spec.runs) + quantizing


def all_reduces(layer: Layer) -> int:
    """One after the attention (or mixer), one after the feed-forward part, where there is one."""
    rows = sum(1 for m in layer.modules if isinstance(m, Linear) and m.parallel == "row")
    experts = any(isinstance(m, Experts) for m in layer.modules)
    return max(1, min(2, rows + experts))


def _kernels(layer: Layer) -> int:
    """GPU kernels of one layer, each with a time to start and to drain that no bandwidth shortens.

    A linear is one (what quantizes its activations is counted by `launched`); a norm one; attention four (rotary, cache
    write, attention over split keys, their combination); a recurrence six (convolution, gates, recurrence, gated norm
    and the reshapes between); experts ten (scores, top-k, sorting, two products, activation, weighting and sum among
    them).
    """
    count = 1
    for module in layer.modules:
        if isinstance(module, Linear):
            count += 0 if "conv" in module.name else module.count
        elif isinstance(module, Tensor):
            count += int("norm" in module.name and prod(module.shape) > 1)
        elif isinstance(module, Experts):
            count += 10
    for cache in layer.caches:
        count += 6 if isinstance(cache, StateCache | IndexerCache | LatentCache) else 4
    return count
