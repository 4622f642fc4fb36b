"""From a checkpoint to the model as vLLM builds it and how its modules are stored: where plugins meet models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from vram.architecture.engine import Told, described_or_told
from vram.architecture.graph_choice import compiles
from vram.architecture.items import items_of
from vram.architecture.lengths import hinted, limited
from vram.architecture.pooling import as_run
from vram.architecture.redundant import with_redundant_experts
from vram.architecture.shelf import SpecShelf
from vram.architecture.skipped import with_unquantized
from vram.architecture.stored import told_of_its_head
from vram.architecture.towers import TOWERS_LEFT_OUT_SINCE, served
from vram.architecture.windows import without_windows
from vram.checkpoint.stamp import stamp
from vram.errors import PluginError, RemoteCodeError, VramError
from vram.models.adapter import BuildContext
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import EngineArgs
from vram.models.record import evolve
from vram.models.scheme import QuantizationRequest
from vram.models.spec import UNREAD_ITEMS, ModelSpec
from vram.plugin.manager import Plugins
from vram.quantization.resolve import Resolved, checkpoint_method, resolve
from vram.vllm.versions import Version

_SHELF = SpecShelf()


@lru_cache(maxsize=256)
def bind_quantization(
    registry: Plugins,
    checkpoint: Checkpoint,
    requested: str | None,
    capability: tuple[int, int],
    version: Version,
    renames: tuple[tuple[str, str], ...],
    hypothetical: bool = False,
    experts: tuple[str, bool] = ("auto", False),
) -> Resolved | None:
    """The scheme that reads the checkpoint's quantization block, or quantizes online; a `hypothetical` one is sized as its
    quantizer usually writes it. `experts` are the arguments that choose their kernel: `moe_backend`, `enable_lora`.
    Raises QuantizationError.
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
        moe_backend=experts[0],
        lora=experts[1],
    )
    return resolve(registry.schemes, request)


def build_spec(
    registry: Plugins,
    checkpoint: Checkpoint,
    capability: tuple[int, int],
    version: Version,
    args: EngineArgs,
    max_num_batched_tokens: int | None = None,
    told: Told | None = None,
) -> ModelSpec:
    """The model as vLLM builds it, by the adapter of its architecture or, `assumed`, by its config's standard fields.

    Where no adapter can and an engine was asked, as that `told`.
    `max_num_batched_tokens` is vLLM's own where the user gave none. Raises ConfigError, ArchitectureError.
    """
    method = stored_method(checkpoint, version) or args.quantization
    length = args.max_model_len
    context = BuildContext(
        vllm_version=version,
        compute_capability=capability,
        quantization=method or None,
        max_model_len=length
        if length is not None and length > 0
        else checkpoint.sentence_length,  # -1 and 0 leave it to vLLM
        max_num_batched_tokens=args.max_num_batched_tokens or max_num_batched_tokens,
        tensor_parallel_size=args.tensor_parallel_size,
        items=items_of(args),
        compiled=compiles(args, version, next(iter(checkpoint.config.strings("architectures")), "")),
    )
    known = _known(registry, checkpoint)
    whole = described_or_told(
        told, known=known, build=lambda: limited(_built(registry, checkpoint, context), checkpoint)
    )
    if context.items and whole.encoders == _built(registry, checkpoint, evolve(context, items=())).encoders:
        whole = hinted(whole, UNREAD_ITEMS)
    whole = as_run(whole, args.runner, args.convert, checkpoint.config)
    spec = served(whole, _refused(whole, args, version), tp_mode=args.mm_encoder_tp_mode, version=version)
    if args.disable_sliding_window:
        spec = without_windows(spec)
    if args.enable_eplb:
        spec = with_redundant_experts(spec, int(str((args.eplb_config or {}).get("num_redundant_experts", 0))))
    if args.kv_cache_dtype_skip_layers:
        spec = with_unquantized(spec, tuple(map(str, args.kv_cache_dtype_skip_layers)))
    if not args.speculative_config:
        return spec
    wanted = json.dumps(dict(args.speculative_config), sort_keys=True, default=str)
    return _drafted(registry, checkpoint, context, spec, wanted, stamp(str(args.speculative_config.get("model"))))


def sized_by_batch(registry: Plugins, checkpoint: Checkpoint, args: EngineArgs) -> bool:
    """Whether the model, once described, has modules as long as a batch: it is then built after vLLM resolved that."""
    return bool(args.speculative_config) or _SHELF.reads((registry, checkpoint), "max_num_batched_tokens")


@lru_cache(maxsize=512)
def stored_method(checkpoint: Checkpoint, version: Version) -> str:
    """The method the checkpoint names, "" for none."""
    return checkpoint_method(checkpoint.quantization, version)


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
    registry: Plugins,
    checkpoint: Checkpoint,
    context: BuildContext,
    spec: ModelSpec,
    wanted: str,
    read: tuple[object, ...],
) -> ModelSpec:
    """The model with the draft of a `speculative_config` (as JSON text); `read` is of the draft's files."""
    del read  # part of the key: a changed draft is read again
    from vram.architecture.draft import with_speculation
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


def _known(registry: Plugins, checkpoint: Checkpoint) -> bool:
    return any(name in registry.adapters for name in checkpoint.config.strings("architectures"))


def _build(registry: Plugins, checkpoint: Checkpoint, context: BuildContext) -> ModelSpec:
    if checkpoint.manual is not None:
        from vram.architecture.by_hand import spec_by_hand

        return spec_by_hand(checkpoint.manual)
    config = told_of_its_head(checkpoint.config, checkpoint.inventory)
    for architecture in config.strings("architectures"):
        adapter = registry.adapters.get(architecture)
        if adapter is not None:
            return adapter.build(config, context)
    from vram.architecture.generic import Generic

    spec = Generic().build(config, context)
    if checkpoint.inventory is not None and not checkpoint.quantization:
        from vram.architecture.stored import with_stored_weights

        return with_stored_weights(spec, checkpoint.inventory)
    return spec


@lru_cache(maxsize=64)
def with_graph(registry: Plugins, checkpoint: Checkpoint, trust_remote_code: bool) -> Checkpoint:
    """For an architecture no adapter knows and no header tells of: its tensors, where a plugin's inventory source tells
    them (transformers, with the `[graph]` extra). Raises RemoteCodeError.
    """
    if _known(registry, checkpoint) or checkpoint.inventory is not None or checkpoint.source not in _WITH_FILES:
        return checkpoint
    from vram.architecture.generic import refused

    if refused(checkpoint.config) is not None:
        return checkpoint  # its tensors would not help, and building it takes seconds and a quarter of a gigabyte
    for name, source in registry.inventory_sources.items():
        try:
            inventory = source.inventory(checkpoint, trust_remote_code=trust_remote_code)
        except RemoteCodeError:
            raise
        except PluginError as error:
            registry.inventory_sources.blame(name, error)
        except VramError as error:
            checkpoint = evolve(checkpoint, notes=(*checkpoint.notes, f"{source.name} could not build it: {error}"))
        else:
            if inventory is not None:
                return evolve(checkpoint, inventory=evolve(inventory, source=source.name), source="graph")
    return checkpoint


_WITH_FILES = frozenset({"local", "hub", "cache"})
