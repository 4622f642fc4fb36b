"""Call a plugin's hooks as the command does and hold what they give against the contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from attrs import frozen

from vram.models.adapter import ArchitectureAdapter
from vram.models.artifact import Artifact
from vram.models.command import Command
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import OverheadProfile
from vram.models.scheme import QuantizationScheme
from vram.plugin.manager import HOOKS
from vram.testing.commands import command_problems
from vram.testing.records import (
    adapter_problems,
    artifact_problems,
    kv_dtype_problems,
    profile_problems,
    scheme_problems,
)


@frozen(kw_only=True)
class _Kind:
    """What one hook must give, what names it claims, and what is wrong with one record."""

    record: type[Any]
    names: Callable[[Any], Iterable[str]]
    problems: Callable[[Any], Iterator[str]]


_KINDS = {
    "vram_quantization_schemes": _Kind(record=QuantizationScheme, names=lambda s: s.methods, problems=scheme_problems),
    "vram_kv_cache_dtypes": _Kind(
        record=KVCacheDtype, names=lambda d: (d.name, *d.aliases), problems=kv_dtype_problems
    ),
    "vram_overhead_profiles": _Kind(
        record=OverheadProfile, names=lambda p: (p.name, *p.aliases), problems=profile_problems
    ),
    "vram_architecture_adapters": _Kind(
        record=ArchitectureAdapter, names=lambda a: a.architectures, problems=adapter_problems
    ),
    "vram_artifacts": _Kind(record=Artifact, names=lambda a: (a.name,), problems=artifact_problems),
    "vram_commands": _Kind(record=Command, names=lambda c: (c.name, *c.library), problems=command_problems),
}


def check_plugin(plugin: object) -> None:
    """Raise AssertionError listing every broken contract. `plugin` is a module, its dotted name, or an object."""
    found = problems_of(plugin)
    if found:
        raise AssertionError("\n".join(found))


def problems_of(plugin: object) -> tuple[str, ...]:
    """Every broken contract as a sentence naming the hook; empty where all is well."""
    if isinstance(plugin, str):
        try:
            plugin = import_module(plugin)
        except Exception as error:  # noqa: BLE001  whatever an import raises is the finding
            return (f"{plugin} cannot be imported: {type(error).__name__}: {error}",)
    hooks = [name for name in HOOKS if getattr(getattr(plugin, name, None), "vram_impl", None) is not None]
    if not hooks:
        return (f"no function is marked with @hookimpl and named {', '.join(HOOKS)}",)
    return tuple(problem for hook in hooks for problem in _hook_problems(plugin, hook))


def _hook_problems(plugin: object, hook: str) -> Iterator[str]:
    kind = _KINDS[hook]
    try:
        records = list(getattr(plugin, hook)())
    except Exception as error:  # noqa: BLE001
        yield f"{hook} raises {type(error).__name__}: {error}"
        return
    claimed: dict[str, object] = {}
    for record in records:
        if not isinstance(record, kind.record):
            yield f"{hook} gives a {type(record).__name__}, not a {kind.record.__name__}"
            continue
        try:
            names = list(kind.names(record))
        except Exception as error:  # noqa: BLE001
            yield f"{hook}: the names of {record!r} cannot be read: {type(error).__name__}: {error}"
            continue
        for name in names:
            if not isinstance(name, str) or not name:
                yield f"{hook}: {name!r} is no name"
            elif claimed.setdefault(name, record) is not record:
                yield f"{hook}: the name {name!r} is given twice"
        try:
            yield from (f"{hook}: {problem}" for problem in kind.problems(record))
        except Exception as error:  # noqa: BLE001
            yield f"{hook}: {names[:1]} raises {type(error).__name__}: {error}"
