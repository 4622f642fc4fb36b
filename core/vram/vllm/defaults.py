"""vLLM's own budgets of tokens and sequences for what the user leaves open, by version, engine and device."""

from __future__ import annotations

from vram.models.deployment import EngineArgs
from vram.models.record import frozen
from vram.units import GIB
from vram.vllm.versions import Behaviour

LONG_PROMPT = 32768  #: V0 splits longer prompts


@frozen(kw_only=True)
class BatchDefaults:
    """`max_num_batched_tokens` and `max_num_seqs` for the API server."""

    max_num_batched_tokens: int
    max_num_seqs: int


@frozen(kw_only=True)
class Batched:
    """What besides the arguments decides a batch. `largest_item` is of a model whose attention sees whole items, 0 without;
    `may_chunk_long`: V0 splits the prompts of such a model by itself where they may be long.
    """

    max_model_len: int
    gpu_memory_bytes: int
    device_name: str
    capability: tuple[int, int]
    v0_engine: bool = False
    chunked_prefill: bool = True
    largest_item: int = 0
    pooling: bool = False
    multimodal: bool = False
    may_chunk_long: bool = True


def batch_defaults(
    behaviour: Behaviour, *, gpu_memory_bytes: int, device_name: str, capability: tuple[int, int]
) -> BatchDefaults:
    """V1's token and sequence budgets by device.

    Source: `engine/arg_utils.py`. Three tiers by total memory; A100 of any size and GB10 (12.1) stay in the lowest; the 160 GiB
    tier exists since 0.28. Until 0.8.4 the *name* decides, until 0.8.3 that of tokens alone; 0.8.5 excepts no A100.
    """
    version, name = behaviour.version, device_name.lower()
    if version < (0, 8, 5):
        large = "h100" in name or "h200" in name
        seqs = 1024 if large or version < (0, 8, 4) else 256
        return BatchDefaults(max_num_batched_tokens=8192 if large else 2048, max_num_seqs=seqs)
    small = capability == (12, 1) or ("a100" in name and version >= (0, 9, 0))
    if small or gpu_memory_bytes < 70 * GIB:
        return BatchDefaults(max_num_batched_tokens=2048, max_num_seqs=256)
    if behaviour.has_160_gib_tier and gpu_memory_bytes >= 160 * GIB:
        return BatchDefaults(max_num_batched_tokens=16384, max_num_seqs=1024)
    return BatchDefaults(max_num_batched_tokens=8192, max_num_seqs=1024)


def resolve_batch(behaviour: Behaviour, args: EngineArgs, batched: Batched) -> BatchDefaults:
    """`max_num_batched_tokens` and `max_num_seqs` as vLLM ends up with them.

    Source: `engine/arg_utils.py:_set_default_max_num_seqs_and_batched_tokens_args` (0.33.0). Only what the user left open
    is derived: without chunked prefill (encoder-only models) a batch must hold the whole context, with attention to whole
    items one of them; a batch never exceeds all sequences' tokens.
    """
    if batched.v0_engine:
        return _resolve_v0(args, batched)
    defaults = batch_defaults(
        behaviour,
        gpu_memory_bytes=batched.gpu_memory_bytes,
        device_name=batched.device_name,
        capability=batched.capability,
    )
    if args.performance_mode == "throughput" and behaviour.version >= (0, 17, 0):
        twice = {name: 2 * getattr(defaults, name) for name in ("max_num_batched_tokens", "max_num_seqs")}
        defaults = BatchDefaults(**twice)
    tokens, seqs, length = args.max_num_batched_tokens, args.max_num_seqs, batched.max_model_len
    if tokens is None:
        tokens = defaults.max_num_batched_tokens
        # V1 to 0.11.0 splits the prompts of what generates whatever was asked (`_set_default_args_v1`)
        asked = args.enable_chunked_prefill if behaviour.version >= (0, 11, 1) or batched.pooling else None
        if not (asked if asked is not None else batched.chunked_prefill):
            tokens = length if behaviour.version < (0, 11, 1) else max(length, tokens)
        if behaviour.batches_hold_items:
            tokens = max(batched.largest_item, tokens)
        tokens = min((seqs or defaults.max_num_seqs) * length, tokens)
    if seqs is None:
        seqs = min(defaults.max_num_seqs, tokens)
    return BatchDefaults(max_num_batched_tokens=tokens, max_num_seqs=seqs)


def chunks_long_prompts(args: EngineArgs, batched: Batched) -> bool:
    """Whether V0 splits prompts where the length is above 32,768 and nobody says otherwise.

    Source: `engine/arg_utils.py:create_engine_config` (0.6.6, 0.7.3), `_set_default_args_v0` (0.8.5 to 0.10.1).
    """
    if args.enable_chunked_prefill is not None or args.enable_lora or args.speculative_config:
        return False
    return batched.may_chunk_long and not batched.multimodal and not batched.pooling


def _resolve_v0(args: EngineArgs, batched: Batched) -> BatchDefaults:
    """V0's: a whole prompt, or 2,048 tokens where it is split; more for pooling and multimodal models.

    Source: `config.py:SchedulerConfig.__post_init__` (0.6.6, 0.8.5).
    """
    length, seqs, tokens = batched.max_model_len, args.max_num_seqs or 256, args.max_num_batched_tokens
    if tokens is None:
        split = args.enable_chunked_prefill or (length > LONG_PROMPT and chunks_long_prompts(args, batched))
        tokens = 2048 if split else max(length, 2048)
        tokens = max(tokens, 32768 if batched.pooling else 0, 5120 if batched.multimodal else 0)
    return BatchDefaults(max_num_batched_tokens=tokens, max_num_seqs=seqs)
