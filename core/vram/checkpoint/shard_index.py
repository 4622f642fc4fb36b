"""The index of a sharded checkpoint (`model.safetensors.index.json`): which files, how many bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.checkpoint.json_text import MAX_INDEX_BYTES, parse_object
from vram.checkpoint.safetensors_header import collector_paused
from vram.errors import CheckpointError
from vram.models.record import field, frozen

_MAX_FILES = 10_000  # the largest checkpoints have a few hundred shards
_NUMBERED = re.compile(r"(.*?)-?(\d{5})-of-(\d{5})(\.\w+)")


@frozen(kw_only=True, eq=False)
class ShardIndex:
    """Files in order of their names, how many tensors it lists, and its own totals where it states them.

    `names_hash` stands for the tensors' names in any order: keeping 90,000 of them only to compare would cost
    as much memory as the headers.
    """

    files: tuple[str, ...]
    tensors: int
    names_hash: int = field(repr=False)
    total_bytes: int | None = None
    parameters: int | None = None


def parse_index(data: bytes, path: str) -> ShardIndex:
    """An index file. Raises CheckpointError, also for a file name that leads out of the folder."""
    with collector_paused():
        index = parse_object(data, path, limit=MAX_INDEX_BYTES)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(path=path, problem="has no weight_map")
    names = set()
    for name in weight_map.values():
        if not isinstance(name, str):
            raise CheckpointError(path=path, problem="names a shard that is no text")
        names.add(name)
    if len(names) > _MAX_FILES:
        raise CheckpointError(path=path, problem=f"names {len(names):,} shards")
    for name in names:
        _check_inside(name, path)
    metadata = index.get("metadata")
    return ShardIndex(
        files=tuple(sorted(names)),
        tensors=len(weight_map),
        names_hash=names_hash(weight_map),
        total_bytes=_count(metadata, "total_size"),
        parameters=_count(metadata, "total_parameters"),
    )


def names_hash(names: Iterable[str]) -> int:
    """The same number for the same names in any order, within one process."""
    return sum(map(hash, names))


def missing_siblings(names: Iterable[str]) -> tuple[str, ...]:
    """Shards that others name by their number ("model-00002-of-00005.safetensors") and that are not there."""
    present = set(names)
    wanted: set[str] = set()
    for name in present:
        match = _NUMBERED.fullmatch(name)
        if match and int(match[3]) <= _MAX_FILES:
            stem = name[: match.start(2)]
            wanted |= {f"{stem}{number:05}-of-{match[3]}{match[4]}" for number in range(1, int(match[3]) + 1)}
    return tuple(sorted(wanted - present))


def listing(names: tuple[str, ...], shown: int = 4) -> str:
    """Names for an error: the first few and how many more."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _check_inside(name: str, path: str) -> None:
    """A shard lies in the checkpoint's folder or below: no absolute path, no "..", no drive, no NUL."""
    parts = name.split("/")
    if not name or "\\" in name or "\0" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
        raise CheckpointError(path=path, problem=f"names the shard {name[:80]!r}, which leads out of its folder")


def _count(metadata: object, name: str) -> int | None:
    """A total of the index's metadata; tools have written it as int, float and text. Nonsense counts as absent."""
    value = metadata.get(name) if isinstance(metadata, dict) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**60:
        return value
    return None
