"""vLLM's own defaults for what the user leaves open (`engine/arg_utils.py:get_batch_defaults`, 0.33.0)."""

from __future__ import annotations

from vram.models.deployment import EngineArgs
from vram.models.record import frozen
from vram.units import GIB
from vram.vllm.versions import Behaviour


@frozen(kw_only=True)
class BatchDefaults:
    """`max_num_batched_tokens` and `max_num_seqs` for the API server."""

    max_num_batched_tokens: int
    max_num_seqs: int


def batch_defaults(
    behaviour: Behaviour, *, gpu_memory_bytes: int, device_name: str, capability: tuple[int, int]
) -> BatchDefaults:
    """vLLM's token and sequence budgets by device.

    Source: `engine/arg_utils.py`. Three tiers by total memory; A100 of any size and GB10 (12.1) stay in the lowest;
    the 160 GiB tier exists since 0.28, the 70 GiB tier since 0.8.
    """
    small = "a100" in device_name.lower() or capability == (12, 1)
    if behaviour.has_160_gib_tier and gpu_memory_bytes >= 160 * GIB and not small:
        return BatchDefaults(max_num_batched_tokens=16384, max_num_seqs=1024)
    if gpu_memory_bytes >= 70 * GIB and not small:
        if behaviour.v1:
            return BatchDefaults(max_num_batched_tokens=8192, max_num_seqs=1024)
        return BatchDefaults(max_num_batched_tokens=2048, max_num_seqs=256)
    return BatchDefaults(max_num_batched_tokens=2048, max_num_seqs=256)


def resolve_batch(
    behaviour: Behaviour,
    args: EngineArgs,
    *,
    max_model_len: int,
    gpu_memory_bytes: int,
    device_name: str,
    capability: tuple[int, int],
    chunked_prefill: bool = True,
    largest_item: int = 0,
) -> BatchDefaults:
    """`max_num_batched_tokens` and `max_num_seqs` as vLLM ends up with them.

    Source: `engine/arg_utils.py:_set_default_max_num_seqs_and_batched_tokens_args` (0.33.0). Only what the user left open
    is derived: without chunked prefill (encoder-only models) a batch must hold the whole context, with attention to whole
    items (`largest_item` tokens, 0 for none) one of them; a batch never exceeds all sequences' tokens.
    """
    defaults = batch_defaults(
        behaviour, gpu_memory_bytes=gpu_memory_bytes, device_name=device_name, capability=capability
    )
    tokens = args.max_num_batched_tokens
    seqs = args.max_num_seqs
    if tokens is None:
        tokens = defaults.max_num_batched_tokens
        asked = args.enable_chunked_prefill
        chunked = asked if asked is not None else behaviour.v1 and chunked_prefill
        if not chunked:
            tokens = max(max_model_len, tokens)
        if behaviour.batches_hold_items:
            tokens = max(largest_item, tokens)
        tokens = min((seqs or defaults.max_num_seqs) * max_model_len, tokens)
    if seqs is None:
        seqs = min(defaults.max_num_seqs, tokens)
    return BatchDefaults(max_num_batched_tokens=tokens, max_num_seqs=seqs)
