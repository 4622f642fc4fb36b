"""From a checkpoint, a GPU and arguments to the question that the arithmetic is asked, and to the same one for another deployment.

Whoever wants another length, parallel size or GPU asks `redeploy`: everything that depends on what changed is resolved anew
(the model's description, vLLM's batch defaults, formats, cache dtype, engine), and what does not is found where it was.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Unpack

from vram.architecture.draft import draft_tokens
from vram.architecture.engine import Told
from vram.architecture.overrides import with_overrides
from vram.architecture.reading import NO_FLOAT16
from vram.architecture.refusals import check_arguments
from vram.architecture.runners import Served, refused_choice, uses_v0_engine, uses_v2_runner
from vram.ask.describe import bind_quantization, build_spec, sized_by_batch, stored_method
from vram.ask.platforms import on_its_platform
from vram.errors import InputError, QuantizationError, UnknownNameError, VramError
from vram.estimate.parts import Parts, compute
from vram.estimate.question import Question
from vram.models.cache import LatentCache, StateCache
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import Deployment, EngineArgs, Policy
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Hardware
from vram.models.spec import BFLOAT16_IS_AUTO, ModelSpec
from vram.plugin.manager import Plugins, plugins
from vram.quantization.asked_kernels import asked_name
from vram.quantization.resolve import Resolved
from vram.vllm.defaults import LONG_PROMPT, BatchDefaults, Batched, chunks_long_prompts, resolve_batch
from vram.vllm.dtype import resolve_dtype
from vram.vllm.environment import decided_by
from vram.vllm.versions import Behaviour, Version, behaviour

if TYPE_CHECKING:
    from vram.models.engine_arguments import EngineArguments


def pose(
    checkpoint: Checkpoint,
    hardware: Hardware,
    args: EngineArgs,
    *,
    version: Version,
    concurrency: int = 1,
    policy: Policy | None = None,
    suppose: bool = False,
    told: Told | None = None,
    assumed: tuple[str, ...] = (),
) -> Question:
    """The question with every name resolved and vLLM's defaults filled in, or what an asked engine `told` in their place.

    With `suppose`, a quantization that no loader can make is sized as its quantizer usually writes it. Raises VramError.
    """
    registry, rules = plugins(), behaviour(version)
    hardware = on_its_platform(registry, hardware, args.environment, version)
    capability = hardware.gpu.compute_capability
    asked, checkpoint = checkpoint, with_overrides(checkpoint, args.hf_overrides)
    spec = build_spec(registry, checkpoint, capability, version, args, told=told)
    served = _served_by(args, spec, checkpoint, hardware, version)
    if variable := refused_choice(version, served):
        raise InputError(name=variable, value="1", problem="chooses what does not have yet what is asked for")
    if args.max_model_len == -1 and version < (0, 14, 0):
        raise InputError(name="max_model_len", value="auto", problem="is of vLLM 0.14 and later; give a length")
    v0_engine = uses_v0_engine(version, served)
    batch = resolve_batch(rules, args, _batched(args, spec, hardware, v0_engine=v0_engine))
    if "canvases" in spec.hints and batch.max_num_seqs >= 128:  # config.py:DiffusionGemmaModelForBlockDiffusionConfig
        batch = BatchDefaults(max_num_batched_tokens=batch.max_num_batched_tokens, max_num_seqs=8)
    if args.max_num_batched_tokens is None and sized_by_batch(registry, checkpoint, args):
        spec = build_spec(registry, checkpoint, capability, version, args, batch.max_num_batched_tokens, told=told)
    bound, hypothetical = _bound(registry, checkpoint, args, capability, version, spec, suppose, told)
    quantization = bound.quantization if bound else None
    asked_kv = args.kv_cache_dtype
    if asked_kv == "auto":
        asked_kv = (quantization and quantization.kv_cache_dtype) or spec.kv_cache_dtype
    elif asked_kv == "bfloat16" and BFLOAT16_IS_AUTO in spec.hints:
        asked_kv = "auto"
    deployment = _deployment(args, spec, batch, hardware, rules, concurrency, served)
    if told is None:
        check_arguments(deployment, spec)
    return Question(
        checkpoint=asked,
        hardware=hardware,
        spec=spec,
        scheme=bound.scheme if bound else None,
        quantization=quantization,
        hypothetical=hypothetical,
        kv_dtype=_kv_dtype(registry, asked_kv),
        deployment=deployment if told is None else told.settled(deployment),
        policy=policy or Policy(),
        told=told,
        assumed=assumed,
    )


def redeploy(
    question: Question,
    *,
    checkpoint: Checkpoint | None = None,
    hardware: Hardware | None = None,
    version: Version | None = None,
    concurrency: int | None = None,
    policy: Policy | None = None,
    suppose: bool | None = None,
    **args: Unpack[EngineArguments],
) -> Question:
    """The same question for another deployment; `args` are engine arguments under vLLM's names, None for its default.

    Raises VramError where vLLM could not be asked for that.
    """
    deployment, told = question.deployment, question.told
    if told is not None:
        told = None if checkpoint or hardware or version else told.beside(args)
    return pose(
        checkpoint or question.checkpoint,
        hardware or question.hardware,
        deployment.args.changed(args),
        version=version or deployment.vllm_version,
        concurrency=deployment.concurrency if concurrency is None else concurrency,
        policy=policy or question.policy,
        suppose=question.hypothetical if suppose is None else suppose,
        told=told,
        assumed=() if version else question.assumed,
    )


def parts_of(question: Question, **args: Any) -> Parts | None:
    """The parts of the same question for another deployment; None where vLLM takes no such thing (a batch smaller than the
    context, sizes that do not divide).
    """
    try:
        return compute(redeploy(question, **args))
    except VramError:
        return None


def _bound(
    registry: Plugins,
    checkpoint: Checkpoint,
    args: EngineArgs,
    capability: tuple[int, int],
    version: Version,
    spec: ModelSpec,
    suppose: bool,
    told: Told | None,
) -> tuple[Resolved | None, bool]:
    """How the modules are stored, and whether that is hypothetical."""
    asked = (registry, checkpoint, args.quantization, capability, version, spec.renames)
    experts = (asked_name(args.experts_kernel, version), args.enable_lora)
    try:
        return bind_quantization(*asked, experts=experts), False
    except QuantizationError:
        if told is not None:
            return None, False  # the engine builds what is not known here
        if not suppose or args.quantization is None or checkpoint.quantization:
            raise
        return bind_quantization(*asked, hypothetical=True, experts=experts), True


def _length(args: EngineArgs, spec: ModelSpec) -> int:
    """The length vLLM plans with before its cache is: with auto-fit (-1) the model's own, shortened to what fits later."""
    length = args.max_model_len if args.max_model_len is not None and args.max_model_len > 0 else spec.max_model_len
    limit = spec.draft.max_model_len if spec.draft else None
    return length if limit is None else min(length, limit)


def _batched(args: EngineArgs, spec: ModelSpec, hardware: Hardware, *, v0_engine: bool) -> Batched:
    return Batched(
        max_model_len=_length(args, spec) if args.max_model_len or spec.chunks_prefill else spec.derived_max_model_len,
        gpu_memory_bytes=hardware.gpu.board_memory_bytes or hardware.memory_bytes,
        device_name=hardware.gpu.name,
        capability=hardware.gpu.compute_capability,
        v0_engine=v0_engine,
        chunked_prefill=spec.chunks_prefill,
        largest_item=spec.largest_whole_item,
        pooling=spec.runner == "pooling",
        multimodal=bool(spec.encoders),
        may_chunk_long=not any(
            isinstance(cache, LatentCache) or getattr(cache, "kind", "") == "sliding_window" for cache in spec.caches
        ),
    )


def chunking_changes_at(question: Question) -> int | None:
    """The length above which vLLM's V0 engine splits prompts, so that a longer context may need less; None where it never
    starts to.
    """
    deployment = question.deployment
    batched = _batched(deployment.args, question.spec, question.hardware, v0_engine=deployment.v0_engine)
    return LONG_PROMPT if deployment.v0_engine and chunks_long_prompts(deployment.args, batched) else None


def _served_by(
    args: EngineArgs, spec: ModelSpec, checkpoint: Checkpoint, hardware: Hardware, version: Version
) -> Served:
    drafted = args.speculative_config or {}
    generates = spec.runner == "generate"
    capability = hardware.gpu.compute_capability
    experts, states = _kinds(spec)
    return Served(
        capability=capability,
        dtype=resolve_dtype(args.dtype, checkpoint=spec.dtype, capability=capability, pooling=not generates),
        kv_cache_dtype=args.kv_cache_dtype,
        quantization=stored_method(checkpoint, version) or args.quantization or "",
        draft=str(drafted.get("method") or drafted.get("model") or ""),
        generates=generates,
        states=states,
        pipelined=args.pipeline_parallel_size > 1,
        offloads=args.cpu_offload_gb > 0,
        lora=args.enable_lora,
        architecture=spec.architecture,
        moe=experts,
        stored_quantized=bool(stored_method(checkpoint, version)),
        canvases="canvases" in spec.hints,
        prompt_ranks=args.prefill_context_parallel_size,
        all_states=args.mamba_cache_mode == "all",
        environment=decided_by(args.environment, version),
    )


def _deployment(
    args: EngineArgs,
    spec: ModelSpec,
    batch: BatchDefaults,
    hardware: Hardware,
    rules: Behaviour,
    concurrency: int,
    served: Served,
) -> Deployment:
    gpu = hardware.gpu
    return Deployment(
        args=args,
        gpu=gpu,
        gpu_memory_bytes=hardware.memory_bytes,
        vllm_version=rules.version,
        dtype=resolve_dtype(
            args.dtype,
            checkpoint=spec.dtype,
            capability=gpu.compute_capability,
            pooling=not served.generates,
            float16=NO_FLOAT16 not in spec.hints,
        ),
        max_model_len=_length(args, spec),
        max_num_seqs=batch.max_num_seqs,
        max_num_batched_tokens=batch.max_num_batched_tokens,
        gpu_memory_utilization=args.gpu_memory_utilization or rules.default_utilization,
        num_speculative_tokens=draft_tokens(args.speculative_config, spec.draft),
        concurrency=concurrency,
        free_memory_bytes=hardware.free_memory_bytes,
        used_memory_bytes=hardware.used_bytes,
        v0_engine=uses_v0_engine(rules.version, served),
        v2_runner=uses_v2_runner(rules.version, served),
    )


@lru_cache(maxsize=256)
def _kinds(spec: ModelSpec) -> tuple[bool, bool]:
    """Whether some layer has experts, and whether some layer keeps a recurrent state."""
    return spec.has_experts, any(isinstance(cache, StateCache) for cache in spec.caches)


def _kv_dtype(registry: Plugins, name: str) -> KVCacheDtype:
    found = registry.kv_dtypes.get(name)
    if found is None:
        raise UnknownNameError(kind="KV cache dtype", name=name, known=tuple(registry.kv_dtypes))
    return found
