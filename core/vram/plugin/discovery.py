"""Which plugins are installed: the group `vram` of every distribution's entry points.

`importlib.metadata` would do, at a third of a second's worth of imports and parsing for the one question asked here, so
`*.dist-info/entry_points.txt` in the folders of `sys.path` is read directly. Where the path holds anything else that
could hide a distribution (an archive, another finder), `importlib.metadata` is asked as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vram.models.record import frozen
from vram.plugin.blame import Origin
from vram.plugin.marker import DISABLED, DISTRIBUTION, PROJECT

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_KINDS = (".dist-info", ".egg-info")
_ENTRY_POINTS = "entry_points.txt"


@frozen(kw_only=True, eq=False)
class Found:
    """One entry point with its distribution."""

    name: str
    value: str
    distribution: str
    version: str

    @property
    def source(self) -> str:
        """The plugin with its distribution and version, for sentences."""
        return f"{self.name} ({self.distribution} {self.version})"

    @property
    def info(self) -> PluginInfo:
        """The same for whoever lists plugins, before it is loaded."""
        return PluginInfo(name=self.name, module=self.value, distribution=self.distribution, version=self.version)

    def load(self) -> Any:
        """The module, or the attribute behind a colon. Raises whatever importing it raises."""
        module, _, attribute = self.value.partition(":")
        found: Any = import_module(module.strip())
        for name in filter(None, attribute.strip().split(".")):
            found = getattr(found, name)
        return found


@frozen(kw_only=True)
class PluginInfo:
    """One entry point: where it is from, what it hooks, and its error if it could not be used."""

    name: str
    module: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str | None = None
    disabled: bool = False

    @property
    def source(self) -> str:
        """The plugin with its distribution and version, for sentences."""
        return f"{self.name} ({self.distribution} {self.version})"


def origin_of(plugin: Found | PluginInfo, hook: str) -> Origin:
    """Where the records of a plugin's hook are from."""
    ours = plugin.distribution == DISTRIBUTION
    return Origin(plugin=plugin.name, source=plugin.source, hook=hook, is_ours=ours)


def installed() -> list[Found]:
    """The plugins of this environment, each distribution once: the first on `sys.path`."""
    if not _plain():
        from importlib.metadata import entry_points

        return [from_entry_point(entry) for entry in entry_points(group=PROJECT)]
    seen: set[str] = set()
    return [found for folder in sys.path for found in _in_folder(folder or ".", seen)]


def left_out() -> frozenset[str]:
    """The plugins that the environment turns off, by name."""
    return frozenset(name.strip() for name in os.environ.get(DISABLED, "").split(",") if name.strip())


def in_order(found: Iterable[Found]) -> list[Found]:
    """By name, so that the order of installation decides nothing."""
    return sorted(found, key=lambda each: (each.name, each.value))


def from_entry_point(entry: EntryPoint) -> Found:
    """An entry point as `importlib.metadata` gives it."""
    dist = entry.dist
    name, version = ("unknown", "unknown") if dist is None else (dist.metadata["Name"], dist.metadata["Version"])
    return Found(name=entry.name, value=entry.value, distribution=name, version=version)


def _plain() -> bool:
    """Whether every distribution lies in a folder of `sys.path`."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    paths = [os.fspath(path) for path in sys.path]
    return len(finders) <= 1 and not any(path.endswith(".egg") or os.path.isfile(path) for path in paths)


def _in_folder(folder: str, seen: set[str]) -> Iterator[Found]:
    try:
        names = os.listdir(folder)
    except OSError:  # named in sys.path and not there
        return
    for name in names:
        stem, kind = os.path.splitext(name.lower())
        if kind not in _KINDS:
            continue
        distribution = "_".join(filter(None, stem.partition("-")[0].replace(".", "_").split("_")))
        if distribution in seen:
            continue
        seen.add(distribution)
        lines = _read(os.path.join(folder, name, _ENTRY_POINTS)).splitlines()
        entries = list(_entries(lines))
        if entries:
            known = _metadata(os.path.join(folder, name))
            for key, value in entries:
                yield Found(
                    name=key,
                    value=value,
                    distribution=known.get("name", distribution),
                    version=known.get("version", ""),
                )


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and values of the group's section; extras behind a value are of no use here."""
    inside = False
    for raw in lines:
        line = raw.strip()
        if line.startswith("["):
            inside = line == f"[{PROJECT}]"
        elif inside and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()


def _metadata(folder: str) -> dict[str, str]:
    """Name and version as the distribution states them."""
    text = _read(os.path.join(folder, "METADATA")) or _read(os.path.join(folder, "PKG-INFO"))
    head = text.partition("\n\n")[0].splitlines()
    pairs = (line.partition(": ") for line in head if line.startswith(("Name: ", "Version: ")))
    return {name.lower(): value.strip() for name, _, value in pairs}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
