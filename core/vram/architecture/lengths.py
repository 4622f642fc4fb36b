"""The longest context where files beside config.json decide: `config/model.py:_get_and_verify_max_len` (vLLM 0.33.0)."""

from __future__ import annotations

from functools import lru_cache

from vram.models.checkpoint import Checkpoint
from vram.models.record import evolve
from vram.models.spec import ModelSpec


def limited(spec: ModelSpec, checkpoint: Checkpoint) -> ModelSpec:
    """The model with the length vLLM derives.

    What sentence-transformers' file states wins, even where it is more; the tokenizer's bounds pooling models of absolute
    positions.
    """
    config, tokenizer = checkpoint.config, checkpoint.tokenizer_length
    length = spec.derived_max_model_len
    absolute = config.has("position_embedding_type") and config.string("position_embedding_type") == "absolute"
    if tokenizer and absolute and spec.runner == "pooling":
        length = min(length, tokenizer)
    return _with_length(spec, checkpoint.sentence_length or length)


@lru_cache(maxsize=256)
def hinted(spec: ModelSpec, hint: str) -> ModelSpec:
    """The same object for the same question."""
    return evolve(spec, hints=spec.hints | {hint})


@lru_cache(maxsize=256)
def _with_length(spec: ModelSpec, length: int) -> ModelSpec:
    """The same object for the same question: specs are compared by identity."""
    if length == spec.derived_max_model_len:
        return spec
    own = spec.max_model_len != spec.derived_max_model_len  # LongRoPE's default is its original length
    default = min(spec.max_model_len, length) if own else length
    return evolve(spec, derived_max_model_len=length, max_model_len=default)
