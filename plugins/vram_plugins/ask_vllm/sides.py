"""What vram predicts and what the asked vLLM says, side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import click

from vram.architecture.engine import Told
from vram.models.estimate import Estimate, KvCacheFacts
from vram.models.record import frozen
from vram.report import print_rows

_DIGITS = 6  # of a concurrency: the last bits of a division are nobody's business


@frozen(kw_only=True)
class Side:
    """One number of both; None is what one of them does not tell, and then nothing is compared."""

    name: str
    own: object
    vllm: object

    @property
    def agrees(self) -> bool | None:
        """None where there is nothing to compare."""
        return None if self.own is None or self.vllm is None else self.own == self.vllm


def sides_of(own: Estimate | str, asked: Estimate, told: Told) -> tuple[Side, ...]:
    """Every number that vLLM tells, ours beside it; `own` a sentence where there is no estimate of ours."""
    known = None if isinstance(own, str) else own

    def side(name: str, read: Callable[[Estimate], object]) -> Side:
        return Side(name=name, own=None if known is None else read(known), vllm=read(asked))

    ranks = [
        side(f"parameter bytes, rank {rank}", lambda e, rank=rank: e.ranks[rank].parameter_bytes)  # type: ignore[misc]
        for rank in range(len(told.ranks))
    ]
    return (
        *ranks,
        side("dtype", lambda e: e.model.dtype),
        side("max_model_len", lambda e: e.deployment.max_model_len),
        side("max_num_seqs", lambda e: e.deployment.max_num_seqs),
        side("max_num_batched_tokens", lambda e: e.deployment.max_num_batched_tokens),
        side("block_size", lambda e: e.kv_cache.block_size),
        side("cache layers", lambda e: [rank.cache_layers for rank in e.ranks]),
        side("cache groups", lambda e: _groups(e.kv_cache)),
        side("cache page bytes", lambda e: sum(group.layers * group.page_bytes for group in e.kv_cache.groups)),
        side("cache bytes per token", lambda e: e.kv_cache.bytes_per_token),
        side("cache blocks", lambda e: e.kv_cache.num_blocks),
        side("cache tokens", lambda e: e.kv_cache.tokens),
        side("max concurrency", lambda e: round(e.kv_cache.max_concurrency, _DIGITS)),
        side("estimated max length", lambda e: e.kv_cache.estimated_max_model_len or "fits"),
        Side(name="attention backends", own=None, vllm=", ".join(told.backends) or "none"),
    )


def _groups(cache: KvCacheFacts) -> str:
    """ "36 layers × 16 tokens: 65,536 B", a block and one layer's page; equal groups are counted."""
    counted = Counter(f"{g.layers} layers × {g.block_size} tokens: {g.page_bytes:,} B" for g in cache.groups)
    return "; ".join(f"{times} times {text}" if times > 1 else text for text, times in counted.items()) or "none"


def print_sides(sides: tuple[Side, ...], own: Estimate | str, told: Told, *, as_json: bool) -> bool:
    """Print them; whether they agree. A model that is refused here agrees with nobody."""
    agree = not isinstance(own, str) and all(side.agrees is not False for side in sides)
    if as_json:
        click.echo(json.dumps(_document(sides, own, told, agree), indent=1))
        return agree
    if isinstance(own, str):
        click.echo(f"vram alone gives no answer: {own}\n")
    rows = [(side.name, _shown(side.own), _shown(side.vllm), _mark(side.agrees)) for side in sides]
    print_rows(("", "vram", told.engine, ""), rows)
    click.echo(f"\nAsked of {told.where}. {_conclusion(sides, own, agree=agree)}")
    for note in told.notes:
        click.echo(f"Note: {note}")
    return agree


def _conclusion(sides: tuple[Side, ...], own: Estimate | str, *, agree: bool) -> str:
    if isinstance(own, str):
        return "There is nothing to hold it against."
    differing = [side.name for side in sides if side.agrees is False]
    return "Both agree." if agree else f"They differ in: {', '.join(differing)}."


def _document(sides: tuple[Side, ...], own: Estimate | str, told: Told, agree: bool) -> dict[str, Any]:
    return {
        "engine": told.engine,
        "asked": told.where,
        "agree": agree,
        "refused": own if isinstance(own, str) else None,
        "rows": [{"name": s.name, "vram": s.own, "vllm": s.vllm, "agrees": s.agrees} for s in sides],
        "notes": list(told.notes),
    }


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _mark(agrees: bool | None) -> str:
    return "" if agrees is None else "=" if agrees else "differs"
