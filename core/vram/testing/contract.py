"""Call a plugin's hooks as the command does and hold what they give against the contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from vram.models.later import Later
from vram.models.scheme import QuantizationScheme
from vram.plugin.blame import STUMBLES
from vram.plugin.kinds import HOOKS, KINDS, Kind, load, problem_of
from vram.plugin.marker import MARK
from vram.testing.commands import command_problems
from vram.testing.readers import detector_problems, format_problems, reader_problems, source_problems
from vram.testing.records import (
    adapter_problems,
    artifact_problems,
    kv_dtype_problems,
    platform_problems,
    profile_problems,
    scheme_problems,
)

#: what is wrong with one record of a hook
_PROBLEMS: dict[str, Callable[[Any], Iterator[str]]] = {
    "vram_quantization_schemes": scheme_problems,
    "vram_kv_cache_dtypes": kv_dtype_problems,
    "vram_overhead_profiles": profile_problems,
    "vram_architecture_adapters": adapter_problems,
    "vram_artifacts": artifact_problems,
    "vram_platforms": platform_problems,
    "vram_engines": lambda _: iter(()),  # its class is all that can be held against it without running it
    "vram_checkpoint_formats": format_problems,
    "vram_deployment_readers": reader_problems,
    "vram_gpu_detectors": detector_problems,
    "vram_inventory_sources": source_problems,
    "vram_commands": command_problems,
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
        except STUMBLES as error:  # whatever an import raises is the finding
            return (f"{plugin} cannot be imported: {type(error).__name__}: {error}",)
    hooks = [name for name in HOOKS if getattr(getattr(plugin, name, None), MARK, None) is not None]
    if not hooks:
        return (f"no function is marked with @hookimpl and named {', '.join(HOOKS)}",)
    return tuple(problem for hook in hooks for problem in _hook_problems(plugin, hook))


def _hook_problems(plugin: object, hook: str) -> Iterator[str]:
    kind = KINDS[hook]
    try:
        given = list(getattr(plugin, hook)())
    except STUMBLES as error:
        yield f"{hook} raises {type(error).__name__}: {error}"
        return
    records: list[object] = []
    for each in given:
        if isinstance(each, Later):
            loaded, problem = _loaded(kind, each)
            records += loaded
            if problem:
                yield f"{hook}: {each.load}{problem}"
        else:
            records.append(each)
    yield from _record_problems(hook, kind, records)


def _loaded(kind: Kind, later: Later) -> tuple[list[object], str | None]:
    """The records of a Later, and what it promised and did not keep."""
    try:
        records = load(later.load)
        problem = problem_of(kind, later.names, records)
    except STUMBLES as error:
        return [], f": {type(error).__name__}: {error}"
    if problem:
        return [], f" {problem}"
    claiming = [each for each in records if isinstance(each, QuantizationScheme) and _overrides_claims(each)]
    if claiming and not later.claims:
        return records, " has a `claims` of its own: say in Later(claims=...) whose checkpoints it may take"
    return records, None


def _overrides_claims(scheme: QuantizationScheme) -> bool:
    return type(scheme).claims is not QuantizationScheme.claims


def _record_problems(hook: str, kind: Kind, records: list[object]) -> Iterator[str]:
    claimed: dict[str, object] = {}
    for record in records:
        if not isinstance(record, kind.record):
            yield f"{hook} gives a {type(record).__name__}, not a {kind.record_name}"
            continue
        try:
            names = list(kind.names(record))
        except STUMBLES as error:
            yield f"{hook}: the names of {record!r} cannot be read: {type(error).__name__}: {error}"
            continue
        for name in names:
            if not isinstance(name, str) or not name:
                yield f"{hook}: {name!r} is no name"
            elif claimed.setdefault(name, record) is not record:
                yield f"{hook}: the name {name!r} is given twice"
        try:
            yield from (f"{hook}: {problem}" for problem in _PROBLEMS[hook](record))
        except STUMBLES as error:
            yield f"{hook}: {names[:1]} raises {type(error).__name__}: {error}"
