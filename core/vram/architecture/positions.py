"""Where a model knows positions from: rotary tables, transformers' frequencies, learned positions."""

from __future__ import annotations

from collections.abc import Mapping

from vram.architecture.decoder import Dimensions
from vram.architecture.reading import overridden
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Stage, Tensor
from vram.vllm.rope import read_ropes, rope_table


def rope_frequencies(config: ModelConfig, dims: Dimensions, *, count: int = 1) -> tuple[Tensor, ...]:
    """`inv_freq` and `original_inv_freq`, fp32, of transformers' rotary embedding (rotary_dim / 2 each).

    vLLM's Transformers backend (0.32.0 `models/transformers`) keeps them instead of a table.
    """
    ropes = read_ropes(config)
    partial = ropes[0].partial if ropes else config.number("partial_rotary_factor", "rotary_pct", default=1.0)
    rotary = int(dims.head_dim * partial)
    return (Tensor(name="rotary_emb.inv_freq", shape=(2 * count, rotary // 2), dtype="float32", buffer=True),)


def layer_rope(
    config: ModelConfig, dims: Dimensions, block: Mapping[str, object], *, dtype: str | None = None
) -> Tensor:
    """The rotary table of one `rope_parameters` block, for families whose layers differ in it.

    As a module of each layer: a pipeline rank holds it once, and only if one of its layers uses it.
    """
    ropes = read_ropes(overridden(config, rope_parameters=dict(block), rope_scaling=None))
    rope = ropes[0] if ropes else None
    return rope_table(rope, head_dim=dims.head_dim, max_position=dims.max_position, dtype=dtype)


def position_table(
    name: str, positions: int, width: int, *, stage: Stage = "first", offset: int = 0
) -> tuple[Stage, Module]:
    """A learned position embedding, whole on every tensor-parallel rank."""
    embedding = Embedding(name=name, rows=positions + offset, columns=width, sharded=False, sources=(name,))
    return (stage, embedding)
