"""What vLLM's configs refuse of a deployment before anything is loaded, in their words.

Each rule names the release it came with where that is not the first; the files were read release by release (0.6.6 to 0.33.0).
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.architecture.config_keys import refused_keys
from vram.architecture.without import is_without
from vram.errors import InputError
from vram.models.cache import AttentionCache, LatentCache
from vram.models.deployment import ENGINE_DEFAULTS, Deployment
from vram.models.serve_flags import serve_flags
from vram.models.spec import ModelSpec
from vram.vllm.defaults import LONG_PROMPT
from vram.vllm.versions import format_version

_RUNNERS = ("auto", "generate", "pooling", "draft")
#: drafts that Model Runner V1 schedules ahead with (`config/vllm.py`), by the first version; before 0.11.1 none
_AHEAD = (
    ((0, 33, 0), {"eagle", "eagle3", "mtp", "dflash", "ngram_gpu", "draft_model", "dspark"}),
    ((0, 20, 0), {"eagle", "eagle3", "mtp", "dflash", "ngram_gpu", "draft_model"}),
    ((0, 18, 0), {"eagle", "eagle3", "mtp", "ngram_gpu", "draft_model"}),
    ((0, 16, 0), {"eagle", "eagle3", "mtp", "draft_model"}),
    ((0, 11, 1), {"eagle", "eagle3", "mtp"}),
    ((0, 0, 0), set[str]()),
)


def check_arguments(deployment: Deployment, spec: ModelSpec) -> None:
    """Raises InputError with the first thing that vLLM refuses before it loads anything."""
    for rules in (_words, _batches, _ranks, _classes, _experts, _offloading, _cache, _speculation, _ahead):
        for refusal in rules(deployment, spec):
            raise refusal


def _refused(name: str, problem: str, value: object = None) -> InputError:
    """The argument, what is wrong with it, and its value where the sentence does not have it."""
    return InputError(name=name, value=value, problem=problem)


def _words(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """Names that a release's parser or the config classes of JSON arguments do not have."""
    del spec
    args, version = deployment.args, deployment.vllm_version
    for name, default in ENGINE_DEFAULTS.items():
        flag = serve_flags().get(name)
        if flag is not None and flag.gone and version >= flag.gone and getattr(args, name) != default:
            instead = f"; {flag.instead} took its place" if flag.instead else ""
            yield _refused(name, f"left vLLM with {format_version(flag.gone)}{instead}")
    if version >= (0, 13, 0) and args.runner not in _RUNNERS:  # before, also a task
        yield _refused("runner", f"must be {', '.join(_RUNNERS)}", args.runner)
    if version >= (0, 16, 0) and args.convert == "reward":
        yield _refused("convert", "must be auto, none, embed or classify", args.convert)
    for name in ("compilation_config", "speculative_config", "eplb_config"):
        for key, problem in refused_keys(name, getattr(args, name) or {}, version):
            yield _refused(f"{name}.{key}", problem)


def _batches(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/scheduler.py:verify_max_model_len` (before: `SchedulerConfig._verify_args`)."""
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
        yield _refused("max_num_batched_tokens", problem)
    if tokens < seqs:
        problem = f"max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs ({seqs})"
        yield _refused("max_num_seqs", problem)


def _ranks(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/parallel.py:_validate_parallel_config`, and since 0.11.1 `config/model.py:verify_with_parallel_config`."""
    args, tp = deployment.args, deployment.tp
    pcp, dcp = args.prefill_context_parallel_size, args.decode_context_parallel_size
    name = "decode_context_parallel_size"
    if pcp == 1 and tp % dcp:
        yield _refused(name, f"tp_size={tp} must be divisible by dcp_size={dcp}")
    if pcp > 1 and dcp not in (1, pcp, tp * pcp):
        yield _refused(name, f"must be 1, {pcp} or {tp * pcp} beside prefill_context_parallel_size={pcp}", dcp)
    heads = next((cache.num_kv_heads for cache in spec.caches if isinstance(cache, AttentionCache)), 0)
    latent = any(isinstance(cache, LatentCache) for cache in spec.caches)
    if pcp > 1 and deployment.vllm_version < (0, 13, 0):
        yield _refused("prefill_context_parallel_size", "Prefill context parallelism is not fully supported", pcp)
    if pcp > 1 and (
        deployment.vllm_version < (0, 26, 0) or (heads and not latent)
    ):  # `cp_utils.py`: latent attention alone has it
        yield _refused("prefill_context_parallel_size", "requires an attention backend that supports it", pcp)
    if pcp > 1 and not deployment.v2_runner and deployment.vllm_version >= (0, 27, 0):
        yield _refused("prefill_context_parallel_size", "requires Model Runner V2", pcp)
    if dcp == 1 or latent or not heads or deployment.vllm_version < (0, 11, 1):
        return
    if tp <= heads:
        problem = f"for GQA/MQA requires --tensor-parallel-size ({tp}) to be greater than the model's total number of KV heads ({heads})"
        yield _refused(name, problem, dcp)
    if dcp > tp // heads:
        problem = f"exceeds the maximum supported value ({tp // heads}) for --tensor-parallel-size ({tp}) and {heads} model KV heads"
        yield _refused(name, problem, dcp)
    queries = spec.num_attention_heads // heads
    if queries % dcp:
        yield _refused(name, f"must divide the model's number of query heads per KV head ({queries}) for GQA/MQA", dcp)


def _classes(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/model.py:verify_with_parallel_config`, `config/lora.py:verify_with_model_config` (before 0.33 where it is loaded)."""
    if deployment.pp > 1 and is_without(spec.architecture, "pipeline"):
        yield _refused("pipeline_parallel_size", "Pipeline parallelism is not supported for this model", deployment.pp)
    if deployment.args.enable_lora and is_without(spec.architecture, "lora"):
        yield _refused("enable_lora", f"LoRA is not supported for {spec.architecture}")


def _experts(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/model.py:_verify_with_expert_parallelism` (since 0.8), redundant ones in `config/parallel.py` (since 0.9.2)."""
    args = deployment.args
    redundant = (args.eplb_config or {}).get("num_redundant_experts", 0)
    if args.enable_eplb and not args.enable_expert_parallel:
        yield _refused("enable_eplb", "enable_expert_parallel must be True to use EPLB")
    if args.enable_eplb and deployment.tp * args.prefill_context_parallel_size * args.data_parallel_size == 1:
        yield _refused("enable_eplb", "EPLB requires tensor, prefill-context, or data parallelism")
    if redundant and not args.enable_eplb:
        yield _refused("eplb_config", f"num_redundant_experts is set to {redundant} but EPLB is not enabled")
    if args.enable_expert_parallel and not spec.has_experts and spec.provenance == "derived":
        problem = "Number of experts in the model must be greater than 0 when expert parallelism is enabled"
        yield _refused("enable_expert_parallel", problem)


def _offloading(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/offload.py:validate_offload_config` (since 0.17)."""
    del spec
    args = deployment.args
    group, last = args.offload_group_size, args.offload_num_in_group
    if args.offload_backend != "prefetch" and not group:
        return
    if last > group:
        problem = f"offload_num_in_group ({last}) must be <= offload_group_size ({group})"
        yield _refused("offload_num_in_group", problem)
    if args.offload_prefetch_step < 1:
        problem = (
            f"offload_prefetch_step ({args.offload_prefetch_step}) must be >= 1 when prefetch offloading is enabled"
        )
        yield _refused("offload_prefetch_step", problem)


def _cache(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/vllm.py:validate_mamba_block_size` (since 0.11.1) where nothing is recurrent; the rest is known with the cache."""
    del spec
    args = deployment.args
    block = args.mamba_block_size
    if block not in (None, deployment.max_model_len) and args.enable_prefix_caching is False:
        yield _refused("mamba_block_size", "can only be set with --enable-prefix-caching", block)


def _speculation(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/speculative.py:_verify_and_get_draft_tp`, `_verify_args`; `config/vllm.py:_set_max_num_scheduled_tokens` (0.28)."""
    del spec
    given, tp = deployment.args.speculative_config or {}, deployment.tp
    ranks, lookup = (
        given.get("draft_tensor_parallel_size"),
        (given.get("prompt_lookup_min"), given.get("prompt_lookup_max")),
    )
    if ranks not in (None, 1, tp):
        problem = "cannot be other value than 1 or target model tensor_parallel_size"
        yield _refused("speculative_config.draft_tensor_parallel_size", problem, ranks)
    if given.get("tensor_parallel_size") is not None:
        problem = "is not a valid argument in the speculative_config; pass draft_tensor_parallel_size instead"
        yield _refused("speculative_config.tensor_parallel_size", problem)
    least, most = lookup
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield _refused("speculative_config.prompt_lookup_min", f"must be <= prompt_lookup_max={most}", least)
    tokens, ahead = deployment.max_num_batched_tokens, deployment.num_speculative_tokens
    if given and tokens <= ahead and deployment.vllm_version >= (0, 28, 0):
        problem = f"does not have enough slots to schedule a token beside num_lookahead_tokens={ahead}"
        yield _refused("max_num_batched_tokens", problem, tokens)


def _ahead(deployment: Deployment, spec: ModelSpec) -> Iterator[InputError]:
    """`config/vllm.py` (`engine/arg_utils.py` to 0.11.0): what asynchronous scheduling, asked for, cannot be combined with."""
    del spec
    args, version = deployment.args, deployment.vllm_version
    if not args.async_scheduling or version < (0, 10, 0):
        return
    newest = version >= (0, 33, 0)
    if newest and deployment.v2_runner:
        return
    if deployment.pp > 1 and (newest or version < (0, 16, 0)):
        problem = (
            "is not supported by the V1 model runner with pipeline parallelism"
            if newest
            else ("is not yet compatible with pipeline_parallel_size > 1")
        )
        yield _refused("async_scheduling", problem)
    method = str((args.speculative_config or {}).get("method") or "")
    method = "mtp" if method.endswith("_mtp") else method
    if method and method not in next(known for since, known in _AHEAD if version >= since):
        yield _refused("async_scheduling", f"is not supported with {method}-based speculative decoding")
