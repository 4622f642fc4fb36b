"""From a checkpoint and what was asked to everything the arithmetic needs: GPU, model, formats and vLLM's defaults."""

from __future__ import annotations

from vram.ask.describe import bind_quantization, build_spec, with_graph
from vram.errors import InputError, UnknownNameError
from vram.gpus.choose import choose_gpu
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import Deployment, EngineArgs, Policy
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Gpu, OverheadProfile
from vram.models.record import frozen
from vram.models.request import Request
from vram.models.scheme import Quantization, QuantizationScheme
from vram.models.spec import ModelSpec
from vram.plugin.manager import Plugins, plugins
from vram.units import gib
from vram.vllm.defaults import resolve_batch
from vram.vllm.dtype import resolve_dtype
from vram.vllm.versions import NEWEST, Behaviour, behaviour, parse_version


@frozen(kw_only=True, eq=False)
class Inputs:
    """Everything resolved, ready for the arithmetic."""

    checkpoint: Checkpoint
    spec: ModelSpec
    scheme: QuantizationScheme | None
    quantization: Quantization | None
    kv_dtype: KVCacheDtype
    kv_dtype_name: str
    deployment: Deployment
    behaviour: Behaviour
    profile: OverheadProfile
    policy: Policy


def build_inputs(checkpoint: Checkpoint, request: Request) -> Inputs:
    """Resolve names through the plugins and fill in vLLM's defaults. Raises VramError."""
    registry = plugins()
    args = request.args
    if request.concurrency < 1:
        raise InputError(name="concurrency", value=request.concurrency, problem="must be at least 1")
    checkpoint = with_graph(registry, checkpoint, request.trust_remote_code)
    gpu, profile, free = choose_gpu(registry, request)
    version = parse_version(request.vllm_version) if request.vllm_version else NEWEST
    spec = build_spec(registry, checkpoint, gpu.compute_capability, version, args)
    bound = bind_quantization(registry, checkpoint, args.quantization, gpu.compute_capability, version, spec.renames)
    quantization = bound.quantization if bound else None
    rules = behaviour(version)
    asked_kv = args.kv_cache_dtype
    if asked_kv == "auto" and quantization is not None and quantization.kv_cache_dtype:
        asked_kv = quantization.kv_cache_dtype
    return Inputs(
        checkpoint=checkpoint,
        spec=spec,
        scheme=bound.scheme if bound else None,
        quantization=quantization,
        kv_dtype=_kv_dtype(registry, asked_kv),
        kv_dtype_name=args.kv_cache_dtype,
        deployment=resolve_deployment(request, spec, gpu, rules, free),
        behaviour=rules,
        profile=profile,
        policy=request.policy,
    )


def resolve_deployment(
    request: Request, spec: ModelSpec, gpu: Gpu, rules: Behaviour, free_memory_bytes: int | None = None
) -> Deployment:
    """The deployment with vLLM's defaults filled in. Raises InputError."""
    args = request.args
    memory = gpu.memory_bytes
    if request.gpu_memory_gib is not None:
        if not 0 < request.gpu_memory_gib <= 1e6:
            raise InputError(
                name="gpu_memory_gib", value=request.gpu_memory_gib, problem="must be between 0 and 1e6 GiB"
            )
        memory = gib(request.gpu_memory_gib)
    max_model_len = args.max_model_len if args.max_model_len not in (None, -1, 0) else spec.max_model_len
    assert max_model_len is not None
    batch = resolve_batch(
        rules,
        args,
        max_model_len=max_model_len,
        gpu_memory_bytes=memory,
        device_name=gpu.name,
        capability=gpu.compute_capability,
        chunked_prefill=spec.chunks_prefill,
        largest_item=spec.largest_whole_item,
    )
    return Deployment(
        args=args,
        gpu=gpu,
        gpu_memory_bytes=memory,
        vllm_version=rules.version,
        dtype=resolve_dtype(
            args.dtype,
            checkpoint=spec.dtype,
            capability=gpu.compute_capability,
            pooling=spec.runner == "pooling",
        ),
        max_model_len=max_model_len,
        max_num_seqs=batch.max_num_seqs,
        max_num_batched_tokens=batch.max_num_batched_tokens,
        gpu_memory_utilization=args.gpu_memory_utilization or rules.default_utilization,
        num_speculative_tokens=_speculative_tokens(args),
        concurrency=request.concurrency,
        free_memory_bytes=free_memory_bytes,
    )


def _speculative_tokens(args: EngineArgs) -> int:
    value = (args.speculative_config or {}).get("num_speculative_tokens", 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1024:
        raise InputError(
            name="speculative_config.num_speculative_tokens", value=value, problem="must be a small whole number"
        )
    return value


def _kv_dtype(registry: Plugins, name: str) -> KVCacheDtype:
    found = registry.kv_dtypes.get(name)
    if found is None:
        raise UnknownNameError(kind="KV cache dtype", name=name, known=tuple(registry.kv_dtypes))
    return found
