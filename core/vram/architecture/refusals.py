"""What vLLM's configs refuse of a deployment before anything is loaded."""

from __future__ import annotations

from vram.errors import InputError
from vram.models.deployment import Deployment
from vram.models.spec import ModelSpec
from vram.vllm.defaults import LONG_PROMPT


def check_arguments(deployment: Deployment, spec: ModelSpec) -> None:
    """What vLLM's configs refuse before anything is loaded, in their words. Raises InputError.

    Sources: `config/scheduler.py:verify_max_model_len`, `config/parallel.py:_validate_parallel_config`, `config/lora.py`,
    `entrypoints` choices (0.33.0; the first two since 0.6.6, `config.py:SchedulerConfig._verify_args`).
    """
    args, tokens, seqs = deployment.args, deployment.max_num_batched_tokens, deployment.max_num_seqs
    length = deployment.max_model_len
    forced = not deployment.v0_engine and deployment.vllm_version < (0, 11, 1) and spec.runner == "generate"
    asked = None if forced else args.enable_chunked_prefill
    splits = length > LONG_PROMPT if deployment.v0_engine else spec.chunks_prefill
    whole = not (splits if asked is None else asked)
    if tokens < length and whole and args.max_num_batched_tokens is not None:
        problem = (
            f"max_num_batched_tokens ({tokens}) is smaller than max_model_len ({length}), and prompts are not split"
        )
        raise InputError(name="max_num_batched_tokens", value=None, problem=problem)
    if tokens < seqs:
        problem = f"max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs ({seqs})"
        raise InputError(name="max_num_seqs", value=None, problem=problem)
    tp, pcp, dcp = deployment.tp, args.prefill_context_parallel_size, args.decode_context_parallel_size
    if pcp == 1 and tp % dcp:
        raise InputError(
            name="decode_context_parallel_size", value=None, problem=f"tp_size={tp} must be divisible by dcp_size={dcp}"
        )
    if pcp > 1 and dcp not in (1, pcp, tp * pcp):
        problem = f"must be 1, {pcp} or {tp * pcp} beside prefill_context_parallel_size={pcp}"
        raise InputError(name="decode_context_parallel_size", value=dcp, problem=problem)
    by_layers = args.offload_backend == "prefetch" or args.offload_group_size > 0
    if by_layers and args.offload_num_in_group > args.offload_group_size:
        problem = f"offload_num_in_group ({args.offload_num_in_group}) must be <= offload_group_size ({args.offload_group_size})"
        raise InputError(name="offload_num_in_group", value=None, problem=problem)
    if by_layers and args.offload_prefetch_step < 1:
        raise InputError(name="offload_prefetch_step", value=args.offload_prefetch_step, problem="must be at least 1")
    redundant = (args.eplb_config or {}).get("num_redundant_experts", 0)
    if args.enable_eplb and not args.enable_expert_parallel:
        raise InputError(name="enable_eplb", value=None, problem="enable_expert_parallel must be True to use EPLB")
    if args.enable_eplb and tp * pcp * args.data_parallel_size == 1:
        raise InputError(
            name="enable_eplb", value=None, problem="EPLB requires tensor, prefill-context, or data parallelism"
        )
    if redundant and not args.enable_eplb:
        problem = f"num_redundant_experts is set to {redundant} but EPLB is not enabled"
        raise InputError(name="eplb_config", value=None, problem=problem)
