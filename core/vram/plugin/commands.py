"""Plugins' commands by name, without the plugin manager: what `--help`, completion and `vram.NAME` need.

Commands are given by the hook `vram_commands` in a module whose entry point is called `command_` and something. Of all
plugins these modules alone are imported here, so they hold the hook and nothing else. One that fails is skipped here;
the manager, which every answer asks, reports it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from vram.errors import PluginError
from vram.models.command import Command
from vram.models.record import field, frozen
from vram.plugin.blame import STUMBLES, Origin, silent
from vram.plugin.conform import problem_of
from vram.plugin.discovery import Found, in_order, installed, left_out, origin_of
from vram.plugin.lazy import named
from vram.plugin.marker import COMMAND_PREFIX

HOOK = "vram_commands"


@frozen(kw_only=True)
class GivenCommand:
    """A command, and where it is from."""

    command: Command
    origin: Origin

    @property
    def source(self) -> str:
        """The plugin with its distribution and version."""
        return self.origin.source


@frozen(kw_only=True)
class GivenCommands:
    """What plugins gave, by name: more than one under a name is a conflict. `skipped` says what failed, and why."""

    by_name: Mapping[str, tuple[GivenCommand, ...]] = field(factory=dict)
    skipped: tuple[str, ...] = ()

    def command(self, name: str) -> GivenCommand | None:
        """The command of that name, None where there is none. Raises PluginError where several plugins claim it."""
        return _only(f"command {name!r}", self.by_name.get(name, ()))

    def in_library(self, name: str) -> Any:
        """What a plugin adds to the library under a name. Raises AttributeError, PluginError on a conflict."""
        commands = [given for one in self.by_name.values() for given in one]
        found = _only(f"the name vram.{name}", [given for given in commands if name in given.command.library])
        if found is None:
            raise AttributeError(f"module 'vram' has no attribute {name!r}")
        return loaded(found, found.command.library[name])

    def library_names(self) -> frozenset[str]:
        """All the names that plugins add to the library."""
        return frozenset(name for one in self.by_name.values() for given in one for name in given.command.library)


def loaded(given: GivenCommand, path: str) -> Any:
    """What a plugin named as "package.module:attribute". Raises PluginError naming the plugin where that fails."""
    try:
        with silent(path):
            return named(path)
    except STUMBLES as error:
        raise given.origin.error(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error


def given_commands() -> GivenCommands:
    """Those of the installed plugins; VRAM_DISABLED_PLUGINS holds here, too."""
    return _installed(left_out())


@lru_cache(maxsize=8)
def _installed(off: frozenset[str]) -> GivenCommands:
    return _read(found for found in installed() if found.name not in off)


def _read(plugins: Iterable[Found]) -> GivenCommands:
    by_name: dict[str, list[GivenCommand]] = defaultdict(list)
    skipped = []
    for found in in_order(plugins):
        if not found.name.startswith(COMMAND_PREFIX):
            continue
        try:
            with silent(found.value):
                commands = list(getattr(found.load(), HOOK)())
            faults = [
                problem_of(one) or "" if isinstance(one, Command) else f" is a {type(one).__name__}" for one in commands
            ]
            if any(faults):
                raise TypeError(f"{HOOK} gives a Command{next(filter(None, faults))}")
            origin = origin_of(found, HOOK)
            given = [GivenCommand(command=one, origin=origin) for one in commands]
        except STUMBLES as error:  # a third party's bug must not kill the help
            skipped.append(f"plugin {found.source} was skipped: {type(error).__name__}: {error}")
            continue
        for one in given:
            by_name[one.command.name].append(one)
    return GivenCommands(by_name={name: tuple(by_name[name]) for name in sorted(by_name)}, skipped=tuple(skipped))


def _only(what: str, found: Sequence[GivenCommand]) -> GivenCommand | None:
    if len(found) > 1:
        raise PluginError(problem=f"{what} is claimed by both {found[0].source} and {found[1].source}")
    return found[0] if found else None
