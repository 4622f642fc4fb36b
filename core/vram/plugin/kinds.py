"""What each hook gives: the class of its records, and the names a record claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from vram.models.later import Later
from vram.models.record import frozen
from vram.plugin.lazy import named


@frozen(kw_only=True, eq=False)
class Kind:
    """One hook's records, and what `Plugins` calls them. Their class is imported on use: most answers ask for a few kinds."""

    module: str
    record_name: str
    called: str
    names: Callable[[Any], Iterable[str]]

    def names_of(self, record: Any) -> tuple[str, ...]:
        """What a hook's record, or one that comes later, is called."""
        return record.names if isinstance(record, Later) else tuple(self.names(record))

    @property
    def record(self) -> type[Any]:
        """The class of the records."""
        found: type[Any] = getattr(import_module(self.module), self.record_name)
        return found


KINDS = {
    "vram_quantization_schemes": Kind(
        module="vram.models.scheme", record_name="QuantizationScheme", called="schemes", names=lambda s: s.methods
    ),
    "vram_kv_cache_dtypes": Kind(
        module="vram.models.kv_dtype",
        record_name="KVCacheDtype",
        called="kv_dtypes",
        names=lambda d: (d.name, *d.aliases),
    ),
    "vram_overhead_profiles": Kind(
        module="vram.models.profile",
        record_name="OverheadProfile",
        called="profiles",
        names=lambda p: (p.name, *p.aliases),
    ),
    "vram_architecture_adapters": Kind(
        module="vram.models.adapter",
        record_name="ArchitectureAdapter",
        called="adapters",
        names=lambda a: a.architectures,
    ),
    "vram_artifacts": Kind(
        module="vram.models.artifact", record_name="Artifact", called="artifacts", names=lambda a: (a.name,)
    ),
    "vram_engines": Kind(
        module="vram.architecture.engine", record_name="Engine", called="engines", names=lambda e: (e.name,)
    ),
    "vram_platforms": Kind(
        module="vram.models.platform", record_name="Platform", called="platforms", names=lambda p: (p.name,)
    ),
    "vram_checkpoint_formats": Kind(
        module="vram.models.checkpoint_format",
        record_name="CheckpointFormat",
        called="checkpoint_formats",
        names=lambda f: f.suffixes,
    ),
    "vram_deployment_readers": Kind(
        module="vram.models.deployment_reader",
        record_name="DeploymentReader",
        called="deployment_readers",
        names=lambda r: (r.name,),
    ),
    "vram_gpu_detectors": Kind(
        module="vram.models.detected", record_name="GpuDetector", called="gpu_detectors", names=lambda d: (d.name,)
    ),
    "vram_inventory_sources": Kind(
        module="vram.models.inventory_source",
        record_name="InventorySource",
        called="inventory_sources",
        names=lambda s: (s.name,),
    ),
    "vram_self_tests": Kind(
        module="vram.models.self_test", record_name="SelfTest", called="self_tests", names=lambda t: (t.name,)
    ),
    "vram_commands": Kind(
        module="vram.models.command", record_name="Command", called="commands", names=lambda c: (c.name,)
    ),
}
HOOKS = tuple(KINDS)


def load(target: str) -> list[object]:
    """The records at "package.module:attribute": the attribute, or what it gives when called. Raises whatever that raises."""
    found = named(target)
    if not callable(found):
        return [found]
    given = found()
    return list(given) if isinstance(given, Iterable) else [given]


def problem_of(kind: Kind, promised: Iterable[str], records: Iterable[object]) -> str | None:
    """Why records are not what a `Later` promised, as the rest of a sentence; None where they are."""
    names: set[str] = set()
    for record in records:
        if not isinstance(record, kind.record):
            return f"gave a {type(record).__name__}, not a {kind.record_name}"
        names.update(kind.names(record))
    missing, more = sorted({*promised} - names), sorted(names - {*promised})
    if missing:
        return f"has no {kind.record_name} {', '.join(map(repr, missing))}, which is promised"
    if more:
        return f"has {kind.record_name} {', '.join(map(repr, more))}, which is not promised"
    return None
