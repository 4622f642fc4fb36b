"""Layers whose cache stays at the model's dtype (`--kv-cache-dtype-skip-layers`)."""

from __future__ import annotations

from functools import lru_cache

from vram.models.cache import AttentionCache, CacheLayer, LatentCache
from vram.models.record import evolve
from vram.models.spec import LayerRun, ModelSpec


@lru_cache(maxsize=64)
def with_unquantized(spec: ModelSpec, skipped: tuple[str, ...]) -> ModelSpec:
    """The model with those layers unquantized: positions, or "sliding_window" for every windowed one.

    Source: vLLM 0.33.0 `model_executor/layers/attention/attention.py`, `mla_attention.py`. Cached, so that the same question gives
    the same object.
    """
    named = frozenset(skipped)
    runs: list[LayerRun] = []
    for run in spec.runs:
        chosen = tuple(index for index in run.indices if str(index) in named)
        rest = tuple(index for index in run.indices if str(index) not in named)
        if chosen:
            caches = tuple(_plain(cache) for cache in run.layer.caches)
            runs.append(evolve(run, layer=evolve(run.layer, caches=caches), indices=chosen))
        if rest:
            windows = "sliding_window" in named
            caches = tuple(_plain(c) if windows and _windowed(c) else c for c in run.layer.caches)
            runs.append(evolve(run, layer=evolve(run.layer, caches=caches), indices=rest))
    return evolve(spec, runs=tuple(runs))


def _plain(cache: CacheLayer) -> CacheLayer:
    return evolve(cache, unquantized=True) if isinstance(cache, AttentionCache | LatentCache) else cache


def _windowed(cache: CacheLayer) -> bool:
    return isinstance(cache, AttentionCache) and bool(cache.window)
