"""From a checkpoint and what was asked to everything the arithmetic needs: the only place plugins meet models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec

from attrs import evolve, field, frozen

from vram.architecture.by_hand import spec_by_hand
from vram.architecture.draft import with_speculation
from vram.architecture.generic import Generic
from vram.architecture.shelf import SpecShelf
from vram.architecture.stored import told_of_its_head, with_stored_weights
from vram.architecture.towers import TOWERS_LEFT_OUT_SINCE, served
from vram.blame import blamed_on
from vram.errors import InputError, RemoteCodeError, UnknownNameError, VramError
from vram.gpus import find_gpu, profile_for
from vram.manager import Plugins, plugins
from vram.models.adapter import BuildContext
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import Deployment, EngineArgs, Policy
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Gpu, OverheadProfile
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.models.spec import ModelSpec
from vram.quantization.resolve import Resolved, checkpoint_method, resolve
from vram.units import gib
from vram.vllm.defaults import resolve_batch
from vram.vllm.dtype import resolve_dtype
from vram.vllm.versions import NEWEST, Behaviour, Version, behaviour, parse_version

_SHELF = SpecShelf()


@frozen(kw_only=True)
class Request:
    """What was asked, before any model is read."""

    args: EngineArgs = field(factory=EngineArgs)
    gpu: str | None = None
    gpu_memory_gib: float | None = None
    gpus: int | None = None
    concurrency: int = 1
    vllm_version: str | None = None
    profile: str | None = None
    policy: Policy = field(factory=Policy)
    trust_remote_code: bool = False


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


def choose_gpu(registry: Plugins, request: Request) -> tuple[Gpu, OverheadProfile, int | None]:
    """The GPU asked for, its profile, and its free memory where it is this machine's ("auto").

    Raises UnknownNameError, InputError, DetectionError.
    """
    profiles = registry.profiles
    named = None if request.profile is None else profile_named(registry, request.profile)
    name = request.gpu or (named.gpu if named else None)
    if name is None:
        if request.gpu_memory_gib is None:
            raise InputError(
                name="gpu", value=None, problem="say which GPU (--gpu H100) or how much memory it has (--vram-gib 80)"
            )
        gpu = Gpu(
            name=f"GPU with {request.gpu_memory_gib:g} GiB",
            family="generic",
            memory_bytes=gib(request.gpu_memory_gib),
            compute_capability=(8, 0),
            bandwidth=0.0,
            source="given by hand",
        )
        return gpu, named or profile_for(gpu, profiles), None
    free = None
    if name.lower() == "auto":
        from vram.detect import detect_gpus, known_gpu

        detected = detect_gpus()[0]
        gpu, free = known_gpu(detected, profiles), detected.free_bytes
    else:
        gpu = _gpu_named(registry, name)
    return gpu, named or profile_for(gpu, profiles), free


def profile_named(registry: Plugins, name: str) -> OverheadProfile:
    """A profile of a plugin, else one that the user saved. Raises UnknownNameError, ProfileError."""
    found = registry.profiles.get(name)
    if found is not None:
        return found
    from vram.profiles.saved import read_saved, saved_names

    if name not in saved_names():
        raise UnknownNameError(kind="profile", name=name, known=(*registry.profiles, *saved_names()))
    return read_saved(name)


@lru_cache(maxsize=256)
def _gpu_named(registry: Plugins, name: str) -> Gpu:
    """A GPU by name; looking a name up in a few hundred is not free, and the same ones are asked for again."""
    return find_gpu(name, registry.profiles)


@lru_cache(maxsize=256)
def bind_quantization(
    registry: Plugins,
    checkpoint: Checkpoint,
    requested: str | None,
    capability: tuple[int, int],
    version: Version,
    renames: tuple[tuple[str, str], ...],
    hypothetical: bool = False,
) -> Resolved | None:
    """The scheme that reads the checkpoint's quantization block, or quantizes online; a `hypothetical` one is sized as its
    quantizer usually writes it. Raises QuantizationError.
    """
    if checkpoint.manual is not None:
        return None
    names = checkpoint.config.strings("architectures")
    request = QuantizationRequest(
        method="",
        config=checkpoint.quantization,
        requested=requested,
        compute_capability=capability,
        vllm_version=version,
        renames=renames,
        architecture=names[0] if names else "",
        model=checkpoint.config,
        inventory=checkpoint.inventory,
        hypothetical=hypothetical,
    )
    with blamed_on("the quantization scheme of this checkpoint"):
        return resolve(registry.schemes, request)


def build_spec(
    registry: Plugins, checkpoint: Checkpoint, capability: tuple[int, int], version: Version, args: EngineArgs
) -> ModelSpec:
    """The model as vLLM builds it, by the adapter of its architecture or, `assumed`, by its config's standard fields.

    Raises ConfigError, ArchitectureError.
    """
    method = checkpoint_method(checkpoint.quantization) or args.quantization
    context = BuildContext(
        vllm_version=version,
        compute_capability=capability,
        quantization=method or None,
        max_model_len=args.max_model_len,
        max_num_batched_tokens=args.max_num_batched_tokens,
        tensor_parallel_size=args.tensor_parallel_size,
    )
    whole = _built(registry, checkpoint, context)
    spec = served(whole, _refused(whole, args, version), data_parallel=args.mm_encoder_tp_mode == "data")
    if not args.speculative_config:
        return spec
    wanted = json.dumps(dict(args.speculative_config), sort_keys=True, default=str)
    return _drafted(registry, checkpoint, context, spec, wanted)


def _refused(spec: ModelSpec, args: EngineArgs, version: Version) -> frozenset[str]:
    """Modalities the user takes none of, whose towers vLLM then does not build."""
    if version < TOWERS_LEFT_OUT_SINCE:
        return frozenset()
    if args.language_model_only:
        return frozenset(modality for one in spec.placed for modality in one.modalities)
    limits = dict(args.limit_mm_per_prompt or {})
    counts = {name: value.get("count") if isinstance(value, Mapping) else value for name, value in limits.items()}
    return frozenset(str(name) for name, count in counts.items() if count == 0 and not isinstance(count, bool))


@lru_cache(maxsize=64)
def _drafted(
    registry: Plugins, checkpoint: Checkpoint, context: BuildContext, spec: ModelSpec, wanted: str
) -> ModelSpec:
    """The model with the draft of a `speculative_config` (as JSON text)."""
    from vram.checkpoint.open import open_checkpoint

    return with_speculation(
        spec,
        json.loads(wanted),
        target=checkpoint.config,
        context=context,
        adapters=registry.adapters,
        open_config=lambda name: open_checkpoint(name).config,
    )


def _built(registry: Plugins, checkpoint: Checkpoint, context: BuildContext) -> ModelSpec:
    return _SHELF.find((registry, checkpoint), context, lambda seen: _build(registry, checkpoint, seen))


def _build(registry: Plugins, checkpoint: Checkpoint, context: BuildContext) -> ModelSpec:
    if checkpoint.manual is not None:
        return spec_by_hand(checkpoint.manual)
    config = told_of_its_head(checkpoint.config, checkpoint.inventory)
    for architecture in config.strings("architectures"):
        adapter = registry.adapters.get(architecture)
        if adapter is not None:
            with blamed_on(f"architecture adapter {adapter.name!r}"):
                return adapter.build(config, context)
    spec = Generic().build(config, context)
    if checkpoint.inventory is not None and not checkpoint.quantization:
        return with_stored_weights(spec, checkpoint.inventory)
    return spec


@lru_cache(maxsize=64)
def with_graph(registry: Plugins, checkpoint: Checkpoint, trust_remote_code: bool) -> Checkpoint:
    """For an architecture no adapter knows and no header tells of: the transformers model's tensors, where the `[graph]`
    extra is installed. Raises RemoteCodeError.
    """
    known = any(name in registry.adapters for name in checkpoint.config.strings("architectures"))
    if known or checkpoint.inventory is not None or checkpoint.source not in _WITH_FILES:
        return checkpoint
    if any(find_spec(package) is None for package in ("torch", "accelerate", "transformers")):
        return checkpoint
    from vram.checkpoint.graph import meta_inventory

    where = os.path.dirname(checkpoint.config.path) if checkpoint.source == "local" else checkpoint.id
    try:
        inventory = meta_inventory(where or ".", trust_remote_code=trust_remote_code, revision=checkpoint.revision)
    except RemoteCodeError:
        raise
    except VramError as error:
        return evolve(checkpoint, notes=(*checkpoint.notes, f"transformers could not build it: {error}"))
    return evolve(checkpoint, inventory=inventory, source="graph")


_WITH_FILES = frozenset({"local", "hub", "cache"})


def _kv_dtype(registry: Plugins, name: str) -> KVCacheDtype:
    found = registry.kv_dtypes.get(name)
    if found is None:
        raise UnknownNameError(kind="KV cache dtype", name=name, known=tuple(registry.kv_dtypes))
    return found
