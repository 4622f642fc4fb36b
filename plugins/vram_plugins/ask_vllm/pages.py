"""vLLM's KV cache specs, as the child tells them, as pages of vram's planner (`vllm/v1/kv_cache_interface.py`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vram.models.cache import PageSpec, Span
from vram.models.record import frozen

#: vLLM's class, from special to general, the kind it is printed as, and what its blocks hold
_KINDS: tuple[tuple[str, str, Span], ...] = (
    ("MambaSpec", "mamba", "state"),
    ("CrossAttentionSpec", "cross_attention", "encoder"),
    ("SlidingWindowMLASpec", "sliding_window_mla", "window"),
    ("SlidingWindowSpec", "sliding_window", "window"),
    ("ChunkedLocalAttentionSpec", "chunked_local", "chunk"),
    ("MLAAttentionSpec", "mla_attention", "full"),
    ("FullAttentionSpec", "full_attention", "full"),
)
_LATENT = {"MLAAttentionSpec", "SlidingWindowMLASpec"}


@frozen(kw_only=True)
class ReadPage:
    """A page, and whether its class was none of those known: it then counts as its need grows, or as every token."""

    page: PageSpec
    strange: str | None = None


def read_page(said: Mapping[str, Any]) -> ReadPage | None:
    """The page of one spec; None where a request needs nothing of it (encoder-only attention). Raises KeyError, TypeError, ValueError."""
    classes, fields, needs = said["classes"], said["fields"], said["needs"]
    if needs and not any(blocks for _, blocks in needs):
        return None
    kind, span, strange = _kind(classes, needs, said["block_size"])
    states = span == "state"
    mode = said["mamba_cache_mode"]
    window = (
        fields.get("sliding_window")
        if span == "window"
        else fields.get("attention_chunk_size")
        if span == "chunk"
        else 0
    )
    page = PageSpec(
        kind=str(fields.get("mamba_type", kind)).lower() if states else kind,
        span=span,
        block_size=0 if states and mode == "none" else int(said["block_size"]),
        page_bytes=int(said["page_bytes"]),
        unpadded_bytes=int(said["unpadded_bytes"]),
        shape=(classes[0], json.dumps(fields, sort_keys=True)),
        window=int(window or 0) + int(fields.get("extra_retained_tokens", 0)),
        latent=bool(_LATENT & set(classes) or fields.get("use_mla")),
        packed=bool(said["outermost"]),
        state_blocks=_fixed(needs, said["block_size"], mode) if states else 0,
        state_per_block=states and _grows(needs),
    )
    return ReadPage(page=page, strange=strange)


def _kind(classes: Sequence[str], needs: Sequence[Sequence[int]], block: int) -> tuple[str, Span, str | None]:
    for name, kind, span in _KINDS:
        if name in classes:
            return kind, span, None
    fixed = bool(needs) and not _grows(needs)
    as_full = bool(needs) and all(blocks == -(-length // block) for length, blocks in needs)
    return classes[0], "state" if fixed else "full", None if fixed or as_full else classes[0]


def _grows(needs: Sequence[Sequence[int]]) -> bool:
    return len({blocks for _, blocks in needs}) > 1


def _fixed(needs: Sequence[Sequence[int]], block: int, mode: str) -> int:
    """Blocks of a state besides one per block of tokens."""
    if not needs:
        return 1 if mode == "none" else 2
    length, blocks = needs[0]
    return int(blocks) - (-(-int(length) // block) if _grows(needs) else 0)
