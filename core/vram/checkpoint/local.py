"""A model on this machine: a folder, a config.json, a safetensors file or one of a plugin's format. Reads headers, never weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

from vram.checkpoint import safetensors_header
from vram.checkpoint.files import is_file, lfs_pointer_size, list_folder, read_prefix, read_whole
from vram.checkpoint.formats import format_names, format_of, open_parts, suffixes
from vram.checkpoint.json_text import MAX_CONFIG_BYTES, MAX_INDEX_BYTES, parse_object
from vram.checkpoint.mistral_params import PARAMS_FILE, config_fields
from vram.checkpoint.quantization_block import MODELOPT_FILE, block_of, needs_modelopt_file, with_modelopt_file
from vram.checkpoint.shard_index import ShardIndex, listing, missing_siblings, names_hash, parse_index
from vram.errors import CheckpointError
from vram.models.checkpoint import Checkpoint, HeaderTensor, Inventory
from vram.models.checkpoint_format import CheckpointFormat
from vram.models.config import ModelConfig
from vram.models.record import evolve

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer_config.json"
#: index files in vLLM's order (`model_loader/default_loader.py`): safetensors before pickles
SAFETENSORS_INDEX = "model.safetensors.index.json"
MISTRAL_INDEX = "consolidated.safetensors.index.json"
PICKLE_INDEX = "pytorch_model.bin.index.json"

_PICKLED = (".bin", ".pt", ".pth")
_NOT_WEIGHTS = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt", "tokenizer.bin")


def open_local(path: str) -> Checkpoint:
    """The model at a path that exists. Raises CheckpointError, HeaderError, ConfigError."""
    if os.path.isdir(path):
        return open_folder(path)
    name = os.path.basename(path)
    form = format_of(name)
    if form is not None:
        return _open_parts(form, path)
    if name.endswith(".safetensors"):
        return _open_weights_file(path)
    if name.endswith(_PICKLED):
        raise CheckpointError(
            path=path, problem="is a pickle, which is never opened; give the folder of its config.json"
        )
    ending = os.path.splitext(name)[1]
    if ending not in ("", ".json") and not read_prefix(path, 4096)[0].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        raise CheckpointError(path=path, problem=f"is no config.json, and no plugin reads {ending} files")
    return _open_config(path)


def open_folder(folder: str, *, whole: bool = True) -> Checkpoint:
    """A checkpoint folder. Raises CheckpointError, naming shards that are missing.

    With `whole` False (a cache that may be half downloaded) missing shards only mean that there is no inventory.
    """
    names = list_folder(folder)
    config, quantization = _read_config(folder, names)
    sentence = next((name for name in names if name.startswith("sentence_") and name.endswith("_config.json")), None)
    tokenizer = TOKENIZER_FILE if TOKENIZER_FILE in names and config.has("position_embedding_type") else None
    checkpoint = Checkpoint(
        id=_name_of(folder),
        source="local",
        config=config,
        quantization=quantization,
        sentence_length=_stated_length(folder, sentence, "max_seq_length"),
        tokenizer_length=_stated_length(folder, tokenizer, "model_max_length"),
    )
    with safetensors_header.collector_paused():
        return _with_weights(checkpoint, folder, names, whole=whole)


def _open_parts(form: CheckpointFormat, path: str) -> Checkpoint:
    """A file of a plugin's format, with its siblings where it is split. Raises HeaderError, CheckpointError."""
    folder, name = os.path.split(path)
    names: tuple[str, ...] = (name,)
    if missing_siblings(names):
        names = (*names, *missing_siblings(names))
        missing = tuple(part for part in names if not is_file(os.path.join(folder, part)))
        if missing:
            raise CheckpointError(path=path, problem=f"is one of {len(names)} parts; missing: {listing(missing)}")
    parts = [(part, partial(read_prefix, part)) for part in (os.path.join(folder, name) for name in sorted(names))]
    return open_parts(form, parts, model=os.path.splitext(name)[0], path=path)


def _name_of(path: str) -> str:
    return os.path.basename(os.path.abspath(path)) or path


def _open_config(path: str) -> Checkpoint:
    """A config.json by itself; ModelOpt's file beside it still belongs to it."""
    folder = os.path.dirname(path)
    beside = (MODELOPT_FILE,) if is_file(os.path.join(folder, MODELOPT_FILE)) else ()
    config, quantization = _parse_config(path, folder, beside)
    note = "Only the config was read; what is stored was not."
    name = _name_of(folder) if os.path.basename(path) == CONFIG_FILE else os.path.splitext(os.path.basename(path))[0]
    return Checkpoint(id=name, source="local", config=config, quantization=quantization, notes=(note,))


def _open_weights_file(path: str) -> Checkpoint:
    folder = os.path.dirname(path)
    if not is_file(os.path.join(folder, CONFIG_FILE)):
        raise CheckpointError(path=path, problem="has no config.json beside it, so its architecture is unknown")
    config, quantization = _read_config(folder, list_folder(folder))
    checkpoint = Checkpoint(id=_name_of(folder), source="local", config=config, quantization=quantization)
    return with_inventory(checkpoint, (safetensors_header.read_file(path),))


def _read_config(folder: str, names: tuple[str, ...]) -> tuple[ModelConfig, Mapping[str, object]]:
    if CONFIG_FILE in names:
        return _parse_config(os.path.join(folder, CONFIG_FILE), folder, names)
    if PARAMS_FILE in names:
        path = os.path.join(folder, PARAMS_FILE)
        fields = config_fields(parse_object(read_whole(path, MAX_CONFIG_BYTES), path), path)
        config = ModelConfig(raw=fields, path=path)
        return config, block_of(config)
    raise CheckpointError(path=folder, problem=_why_no_config(names))


def _parse_config(path: str, folder: str, names: tuple[str, ...]) -> tuple[ModelConfig, Mapping[str, object]]:
    raw = parse_object(read_whole(path, MAX_CONFIG_BYTES), path)
    config = ModelConfig(raw=raw, path=path)
    block = block_of(config)
    if MODELOPT_FILE in names and needs_modelopt_file(block):
        beside = os.path.join(folder, MODELOPT_FILE)
        block = with_modelopt_file(block, parse_object(read_whole(beside, MAX_CONFIG_BYTES), beside), beside)
    return config, block


def _stated_length(folder: str, name: str | None, field: str) -> int | None:
    """Tokens that a file beside config.json states; tokenizers without a limit write 10^30."""
    if name is None:
        return None
    path = os.path.join(folder, name)
    value = parse_object(read_whole(path, MAX_INDEX_BYTES), path).get(field)
    return value if isinstance(value, int) and 0 < value < 2**31 else None


def _why_no_config(names: tuple[str, ...]) -> str:
    """What a folder without config.json is, so that the error helps."""
    whole = tuple(name for name in names if name.endswith(suffixes()))
    if whole:
        return f"has no config.json; name one of its {format_names()} files instead: {listing(whole)}"
    if "adapter_config.json" in names:
        return "is a LoRA adapter; give its base model, and --enable-lora"
    if "model_index.json" in names:
        return "is a diffusers pipeline, not a language model"
    return "has no config.json" if names else "is empty"


def _with_weights(checkpoint: Checkpoint, folder: str, names: tuple[str, ...], *, whole: bool) -> Checkpoint:
    """The inventory of the folder's safetensors files, or the size its index or pickles state."""
    index = None
    for index_name in (SAFETENSORS_INDEX, MISTRAL_INDEX):
        if index_name in names:
            path = os.path.join(folder, index_name)
            index = parse_index(read_whole(path, MAX_INDEX_BYTES), path)
            break
    shards = index.files if index else _safetensors_in(names)
    if not shards:
        return _with_pickles(checkpoint, folder, names)
    present = tuple(name for name in shards if is_file(os.path.join(folder, name)))
    missing = tuple(sorted({*shards, *missing_siblings(shards)} - set(present)))
    pointers = tuple(lfs_pointer_size(os.path.join(folder, name)) for name in present)
    if not present or (missing and not whole):
        return with_index(checkpoint, index, "The weights are not in the folder; only config and index were read.")
    if any(size is not None for size in pointers) and not missing:
        total = sum(size for size in pointers if size is not None) if None not in pointers else None
        note = "The weights are Git LFS pointers; sizes are those the pointers and the index state."
        return with_index(evolve(checkpoint, stored_bytes=total), index, note)
    if missing:
        wanted = len(present) + len(missing)
        problem = f"lacks {len(missing)} of {wanted} weight files: {listing(missing)}; finish the download"
        raise CheckpointError(path=folder, problem=f"{problem}, or give the config.json alone")
    headers = tuple(safetensors_header.read_file(os.path.join(folder, name)) for name in present)
    return with_inventory(checkpoint, headers, index)


def with_inventory(
    checkpoint: Checkpoint, headers: tuple[tuple[HeaderTensor, ...], ...], index: ShardIndex | None = None
) -> Checkpoint:
    """The checkpoint with everything its headers list. `index` is compared with them."""
    tensors = tuple(tensor for header in headers for tensor in header)
    inventory = Inventory(tensors=tensors, total_bytes=sum(tensor.nbytes for tensor in tensors), files=len(headers))
    notes = checkpoint.notes
    if index is not None and index.names_hash != names_hash(tensor.name for tensor in tensors):
        notes += (f"Index and headers disagree: {index.tensors:,} tensors listed, {len(tensors):,} stored.",)
    return evolve(
        checkpoint,
        inventory=inventory,
        stored_bytes=inventory.total_bytes,
        parameters=None if checkpoint.quantization else inventory.elements,
        notes=notes,
    )


def with_index(checkpoint: Checkpoint, index: ShardIndex | None, note: str) -> Checkpoint:
    """The checkpoint with the totals its index states, if any."""
    if index is None:
        return evolve(checkpoint, notes=(*checkpoint.notes, note))
    return evolve(
        checkpoint,
        stored_bytes=index.total_bytes or checkpoint.stored_bytes,
        parameters=None if checkpoint.quantization else index.parameters,
        notes=(*checkpoint.notes, note),
    )


def _safetensors_in(names: tuple[str, ...]) -> tuple[str, ...]:
    """Without an index vLLM loads every safetensors file, Mistral's consolidated ones before all others."""
    found = tuple(name for name in names if name.endswith(".safetensors") and not name.startswith("adapter_"))
    consolidated = tuple(name for name in found if name.startswith("consolidated"))
    return consolidated or found


def _with_pickles(checkpoint: Checkpoint, folder: str, names: tuple[str, ...]) -> Checkpoint:
    """Sizes of a checkpoint of pickles, from its index or from the files' sizes; none is opened."""
    note = "The weights are pickles, which are never opened; their size is what {}."
    if PICKLE_INDEX in names:
        path = os.path.join(folder, PICKLE_INDEX)
        index = parse_index(read_whole(path, MAX_INDEX_BYTES), path)
        if index.total_bytes:
            return with_index(checkpoint, index, note.format("the index states"))
    pickles = [name for name in names if name.endswith(_PICKLED) and name not in _NOT_WEIGHTS]
    sizes = [os.stat(path).st_size for name in pickles if is_file(path := os.path.join(folder, name))]
    if not sizes:
        return evolve(
            checkpoint, notes=(*checkpoint.notes, "Only the config was read; there are no weights beside it.")
        )
    noted = (*checkpoint.notes, note.format("the files take"))
    return evolve(checkpoint, stored_bytes=sum(sizes), notes=noted)
