"""Workspaces of attention to chosen tokens (DeepSeek V3.2 and V4, GLM-5 and their kin)."""

from __future__ import annotations

from vram.estimate.memory.profile_run import ProfileRun
from vram.units import MIB

_INDEXED_LENGTHS = 40  # contexts whose keys the indexer gathers at once
_SCALE_BLOCK, _SCALE_BYTES = 128, 4
_PREFILLS = 4  # prompts whose compressed keys are gathered at once
_SCORES = 512  # VLLM_SPARSE_INDEXER_MAX_LOGITS_MB, which are MiB
_SCORES_SINCE = (0, 19, 0)


def sparse_workspace_bytes(run: ProfileRun) -> int:
    """Bytes of the larger of two gathers, which share vLLM's workspace with the experts; it stays allocated.

    The indexer's: 40 contexts of (head_dim + 4 per 128) bytes for every `index_ratio`-th token. Where keys are compressed:
    4 prompts of (context / ratio + window + batch) vectors in the model's dtype. Source: `layers/sparse_attn_indexer.py`,
    `v1/attention/backends/mla/indexer.py:get_max_prefill_buffer_size`, `layers/deepseek_v4_attention.py` (0.20.2).
    """
    sparse = run.shapes.sparse
    if sparse is None:
        return 0
    key = sparse.index_head_dim + -(-sparse.index_head_dim // _SCALE_BLOCK) * _SCALE_BYTES
    indexed = run.gathered_tokens * _INDEXED_LENGTHS // sparse.index_ratio * key
    if not sparse.head_dim:
        return indexed
    rows = -(-run.gathered_tokens // sparse.ratio) + sparse.window + run.tokens
    return max(indexed, _PREFILLS * rows * sparse.head_dim * run.item)


def sparse_score_bytes(run: ProfileRun) -> int:
    """Room for the indexer's scores, made in every layer's dummy forward (`layers/sparse_attn_indexer.py`, 0.20.2)."""
    has = run.shapes.sparse is not None and run.version >= _SCORES_SINCE
    return (run.environment.score_mib or _SCORES) * MIB if has else 0
