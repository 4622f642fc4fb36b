"""A model on the Hub: its config, and the headers of its weights by range request. No weight is ever fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from vram.checkpoint import safetensors_header
from vram.checkpoint.formats import format_names, format_of, open_parts, suffixes
from vram.checkpoint.hub_client import HubRepository
from vram.checkpoint.in_threads import read_all
from vram.checkpoint.json_text import MAX_CONFIG_BYTES, MAX_INDEX_BYTES, parse_object
from vram.checkpoint.local import CONFIG_FILE, PICKLE_INDEX, SAFETENSORS_INDEX, with_index, with_inventory
from vram.checkpoint.mistral_params import PARAMS_FILE, config_fields
from vram.checkpoint.quantization_block import MODELOPT_FILE, block_of, needs_modelopt_file, with_modelopt_file
from vram.checkpoint.shard_index import ShardIndex, listing, parse_index
from vram.errors import CheckpointError, ModelNotFoundError
from vram.models.checkpoint import Checkpoint, HeaderTensor, Reading
from vram.models.config import ModelConfig
from vram.models.record import evolve

_SINGLE = "model.safetensors"
_PARALLEL_READS = 16
_MAX_REMOTE_SHARDS = 2_000


def open_hub(
    repository: str,
    *,
    revision: str | None,
    token: str | bool | None,
    progress: Reading | None = None,
    seconds: float | None = None,
    has_config: Callable[[], None] | None = None,
) -> Checkpoint:
    """The model on the Hub. `repository` may end in "/file.gguf" or ":Q4_K_M" to choose a file of a plugin's format.

    After `seconds` nothing more is asked (None: as long as it takes); `has_config` is called once the config is there.

    Raises ModelNotFoundError, CheckpointError, HeaderError, ConfigError.
    """
    repository, chosen = _split_chosen(repository)
    hub = HubRepository(repository, revision, token, seconds)
    tell = progress or _silent
    tell(f"Asking {hub.host} for {repository}", 0, 0)
    if chosen:
        return _open_chosen(hub, chosen)
    config, block = _read_config(hub)
    if has_config is not None:
        has_config()
    checkpoint = Checkpoint(id=repository, source="hub", config=config, quantization=block)
    checkpoint = _with_weights(checkpoint, hub, tell)
    return evolve(checkpoint, revision=hub.commit or revision)


def _silent(what: str, done: int, total: int) -> None:
    """No one listens."""


def _split_chosen(model: str) -> tuple[str, str]:
    """ "org/name/file.gguf" and "org/name:Q4_K_M" are a repository and one of its files."""
    if ":" in model:
        repository, _, chosen = model.partition(":")
        return repository, chosen
    parts = model.split("/")
    if len(parts) > len(("org", "name")) and model.endswith(suffixes()):
        return "/".join(parts[:2]), "/".join(parts[2:])
    return model, ""


def _read_config(hub: HubRepository) -> tuple[ModelConfig, Mapping[str, object]]:
    path = f"{hub.repository}/{CONFIG_FILE}"
    data = hub.read(CONFIG_FILE, MAX_CONFIG_BYTES)
    if data is None:
        return _read_params(hub)
    config = ModelConfig(raw=parse_object(data, path), path=path)
    block = block_of(config)
    if needs_modelopt_file(block):
        beside = hub.read(MODELOPT_FILE, MAX_CONFIG_BYTES)
        if beside is not None:
            name = f"{hub.repository}/{MODELOPT_FILE}"
            block = with_modelopt_file(block, parse_object(beside, name), name)
    return config, block


def _read_params(hub: HubRepository) -> tuple[ModelConfig, Mapping[str, object]]:
    """A repository without config.json: Mistral's params.json, or an error that says what it holds instead."""
    path = f"{hub.repository}/{PARAMS_FILE}"
    data = hub.read(PARAMS_FILE, MAX_CONFIG_BYTES)
    if data is not None:
        config = ModelConfig(raw=config_fields(parse_object(data, path), path), path=path)
        return config, block_of(config)
    names = hub.files()
    whole = tuple(f"{hub.repository}/{name}" for name in names if name.endswith(suffixes()))
    problem = "has no config.json"
    if whole:
        problem += f"; choose one of its {format_names()} files: {listing(whole)}"
    elif "adapter_config.json" in names:
        problem = "is a LoRA adapter; give its base model, and --enable-lora"
    elif "model_index.json" in names:
        problem = "is a diffusers pipeline, not a language model"
    raise CheckpointError(path=hub.repository, problem=problem)


def _with_weights(checkpoint: Checkpoint, hub: HubRepository, tell: Reading) -> Checkpoint:
    """The inventory by range requests; where the Hub stops answering in between, what the index states."""
    index: ShardIndex | None = None
    try:
        data = hub.read(SAFETENSORS_INDEX, MAX_INDEX_BYTES)
        if data is not None:
            index = parse_index(data, f"{hub.repository}/{SAFETENSORS_INDEX}")
            return with_inventory(checkpoint, _read_headers(hub, index.files, tell), index)
        single = _find_header(hub, _SINGLE)
        return (
            with_inventory(checkpoint, (single,)) if single is not None else _with_other_weights(checkpoint, hub, tell)
        )
    except ModelNotFoundError as error:
        return with_index(checkpoint, index, f"The weights' headers could not be read: {error.data['problem']}.")


def _with_other_weights(checkpoint: Checkpoint, hub: HubRepository, tell: Reading) -> Checkpoint:
    """Weights under other names, or pickles, of which only the index is read."""
    data = hub.read(PICKLE_INDEX, MAX_INDEX_BYTES)
    if data is not None:
        index = parse_index(data, f"{hub.repository}/{PICKLE_INDEX}")
        return with_index(checkpoint, index, "The weights are pickles, which are never opened; the index was read.")
    named = tuple(name for name in hub.files() if name.endswith(".safetensors") and "/" not in name)
    files = tuple(name for name in named if name.startswith("consolidated")) or named
    files = tuple(name for name in files if not name.startswith("adapter_"))
    if files:
        return with_inventory(checkpoint, _read_headers(hub, files, tell))
    return with_index(checkpoint, None, "The repository has no safetensors weights; only its config was read.")


def _read_headers(hub: HubRepository, files: tuple[str, ...], tell: Reading) -> tuple[tuple[HeaderTensor, ...], ...]:
    """The headers of all files, several at a time. Raises ModelNotFoundError, HeaderError, CheckpointError."""
    if len(files) > _MAX_REMOTE_SHARDS:
        raise CheckpointError(path=hub.repository, problem=f"has {len(files):,} weight files")
    return read_all(
        lambda name: _read_header(hub, name),
        files,
        workers=_PARALLEL_READS,
        done=lambda count: tell("Reading weight headers", count, len(files)),
    )


def _read_header(hub: HubRepository, name: str) -> tuple[HeaderTensor, ...]:
    header = _find_header(hub, name)
    if header is None:
        raise CheckpointError(path=f"{hub.repository}/{name}", problem="is named by the index but not there")
    return header


def _find_header(hub: HubRepository, name: str) -> tuple[HeaderTensor, ...] | None:
    """The tensors of one file, None where the repository has none of that name. Raises as `_read_headers`."""
    path = f"{hub.repository}/{name}"
    begin = safetensors_header.LENGTH_BYTES
    start = hub.read_start(name, begin + safetensors_header.FIRST_READ_BYTES)
    if start is None:
        return None
    data, size = start
    length = safetensors_header.header_length(data, size, path)
    if begin + length > len(data):
        data, size = hub.read_start(name, begin + length) or start
    return safetensors_header.parse_header(data[begin : begin + length], length, size, path)


def _open_chosen(hub: HubRepository, chosen: str) -> Checkpoint:
    """A file by its name, or the one (possibly split) whose name carries the quantization `chosen`."""
    names: tuple[str, ...] = (chosen,)
    form = format_of(chosen)
    if form is None:
        found = tuple(name for name in hub.files() if name.endswith(suffixes()))
        names = tuple(name for name in found if chosen.lower() in name.lower())
        form = format_of(names[0]) if names else None
        if form is None:
            problem = f"has no {format_names()} file of {chosen[:40]!r}; it has: {listing(found) or 'none'}"
            raise CheckpointError(path=hub.repository, problem=problem)
        names = tuple(name for name in names if name.endswith(form.suffixes))
    parts = [(f"{hub.repository}/{name}", partial(_read_start, hub, name)) for name in names]
    checkpoint = open_parts(form, parts, model=f"{hub.repository}:{chosen}", path=parts[0][0])
    return evolve(checkpoint, revision=hub.commit or hub.revision)


def _read_start(hub: HubRepository, name: str, limit: int) -> tuple[bytes, int | None]:
    start = hub.read_start(name, limit)
    if start is None:
        raise CheckpointError(path=f"{hub.repository}/{name}", problem="is not there")
    return start
