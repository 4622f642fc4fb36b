"""Call a plugin's hooks as the command does, take what they give across the same border, and ask the records what a run would."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from vram.errors import PluginError, VramError
from vram.models.later import Later
from vram.models.scheme import QuantizationScheme
from vram.plugin.blame import STUMBLES, Origin, silent, told
from vram.plugin.border import admitted
from vram.plugin.kinds import HOOKS, KINDS, Kind, load, problem_of
from vram.plugin.marker import MARK
from vram.testing.probes import PROBES


def check_plugin(plugin: object) -> None:
    """Raise AssertionError listing every broken contract. `plugin` is a module, its dotted name, or an object."""
    found = problems_of(plugin)
    if found:
        raise AssertionError("\n".join(found))


def problems_of(plugin: object) -> tuple[str, ...]:
    """Every broken contract as a sentence naming the hook; empty where all is well."""
    if isinstance(plugin, str):
        try:
            with silent(f"importing {plugin}"):
                plugin = import_module(plugin)
        except STUMBLES as error:  # whatever an import raises is the finding
            return (f"{plugin} cannot be imported: {type(error).__name__}: {error}",)
    marked = [name for name in dir(plugin) if getattr(getattr(plugin, name, None), MARK, None) is not None]
    unknown = [f"{name} is no hook (there are {', '.join(HOOKS)})" for name in marked if name not in KINDS]
    if not marked:
        return (f"no function is marked with @hookimpl and named {', '.join(HOOKS)}",)
    return (*unknown, *(problem for hook in HOOKS if hook in marked for problem in _hook_problems(plugin, hook)))


def _hook_problems(plugin: object, hook: str) -> Iterator[str]:
    kind, claimed = KINDS[hook], dict[str, object]()
    origin = Origin(plugin="this", source="this", hook=hook)
    try:
        with silent(hook):
            given = list(getattr(plugin, hook)())
    except STUMBLES as error:
        yield f"{hook}: raises {told(error)}"
        return
    for each in given:
        records = [each]
        if isinstance(each, Later):
            records, problem = _loaded(kind, each, origin)
            if problem:
                yield f"{hook}: {problem}"
        for record in records:
            yield from (f"{hook}: {problem}" for problem in _record_problems(kind, hook, record, origin, claimed))


def _loaded(kind: Kind, later: Later, origin: Origin) -> tuple[list[Any], str | None]:
    """The records of a Later, and what it promised and did not keep."""
    try:
        admitted(later, Later, lambda one: one.names, origin)
        with silent(later.load):
            records: list[Any] = load(later.load)
        problem = problem_of(kind, later.names, records)
    except STUMBLES as error:
        return [], f"{getattr(later, 'load', '')}: {told(error)}"
    if problem:
        return [], f"{later.load} {problem}"
    claiming = [each for each in records if isinstance(each, QuantizationScheme) and _overrides_claims(each)]
    if claiming and not later.claims:
        told_before = "say in Later(claims=...) whose checkpoints it may take"
        return records, f"{later.load} has a `claims` of its own: {told_before}"
    return records, None


def _overrides_claims(scheme: QuantizationScheme) -> bool:
    return type(scheme).claims is not QuantizationScheme.claims


def _record_problems(kind: Kind, hook: str, record: Any, origin: Origin, claimed: dict[str, object]) -> Iterator[str]:
    """What the border says of one record, and what a run would meet."""
    try:
        guarded = admitted(record, kind.record, kind.names, origin)
        for name in kind.names(record):
            if claimed.setdefault(name, record) is not record:
                yield f"the name {name!r} is given twice"
        probe = PROBES.get(hook)
        yield from (dict.fromkeys(probe(guarded)) if probe else ())
    except PluginError as error:
        yield told(error)
    except VramError as error:  # of a file, read when its records are asked for
        yield str(error)
    except STUMBLES as error:
        yield f"{getattr(record, 'name', type(record).__name__)} raises {told(error)}"
