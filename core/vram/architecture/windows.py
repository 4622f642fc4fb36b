"""A model whose sliding windows are switched off (`--disable-sliding-window`)."""

from __future__ import annotations

from functools import lru_cache

from vram.models.cache import AttentionCache, CacheLayer
from vram.models.record import evolve
from vram.models.spec import ModelSpec


@lru_cache(maxsize=64)
def without_windows(spec: ModelSpec) -> ModelSpec:
    """Windowed layers keep every token, of a context no longer than the window, where results are the same.

    vLLM 0.33.0 `config/model.py:_get_and_verify_max_len` and the line after it. Cached, so that the same question gives the
    same object.
    """
    windows = [
        cache.window
        for run in spec.runs
        for cache in run.layer.caches
        if isinstance(cache, AttentionCache) and cache.kind == "sliding_window" and cache.window
    ]
    if not windows:
        return spec
    runs = (
        evolve(run, layer=evolve(run.layer, caches=tuple(_whole(cache) for cache in run.layer.caches)))
        for run in spec.runs
    )
    derived = min(spec.derived_max_model_len, *windows)
    return evolve(spec, runs=tuple(runs), derived_max_model_len=derived, max_model_len=min(spec.max_model_len, derived))


def _whole(cache: CacheLayer) -> CacheLayer:
    if isinstance(cache, AttentionCache) and cache.kind == "sliding_window":
        return evolve(cache, kind="full_attention", window=None)
    return cache
