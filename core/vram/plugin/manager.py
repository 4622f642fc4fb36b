"""Which plugins there are, and the typed view of what they gave.

Entry points of the group `vram` are loaded one by one: one that fails is remembered with its distribution and
version, reported, and skipped. Order never decides; two plugins that claim one name are an error naming both.
Records that come as `Later` are loaded when they are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from vram.errors import PluginError
from vram.models.later import Later
from vram.models.record import evolve, frozen
from vram.plugin.discovery import Found, from_entry_point, installed
from vram.plugin.kinds import HOOKS, KINDS
from vram.plugin.marker import MARK
from vram.plugin.named import Claim, Named

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from vram.models.adapter import ArchitectureAdapter
    from vram.models.artifact import Artifact
    from vram.models.kv_dtype import KVCacheDtype
    from vram.models.profile import OverheadProfile
    from vram.models.scheme import QuantizationScheme

DISABLED = "VRAM_DISABLED_PLUGINS"


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


class Plugins:
    """Everything plugins gave, by kind and name. Built once per process; pass `entry_points` in tests."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None, disabled: Iterable[str] | None = None) -> None:
        if disabled is None:
            disabled = os.environ.get(DISABLED, "").split(",")
        self._disabled = {name.strip() for name in disabled if name.strip()}
        self._loaded: list[tuple[PluginInfo, Mapping[str, Callable[[], Iterable[object]]]]] = []
        self._failed: list[PluginInfo] = []
        found = installed() if entry_points is None else [from_entry_point(entry) for entry in entry_points]
        for each in sorted(found, key=lambda f: (f.name, f.value)):
            self._load(each)

    def _load(self, found: Found) -> None:
        info = PluginInfo(name=found.name, module=found.value, distribution=found.distribution, version=found.version)
        if found.name in self._disabled:
            self._failed.append(evolve(info, disabled=True))
            return
        try:
            hooks = _hooks_of(found.value, found.load())
        except Exception as error:  # noqa: BLE001  a third party's bug must not kill the command
            self._blame(info, f"{type(error).__name__}: {error}")
        else:
            self._loaded.append((evolve(info, hooks=tuple(sorted(hooks))), hooks))

    def _blame(self, info: PluginInfo, error: str) -> None:
        self._failed.append(evolve(info, error=error))

    def _collect(self, hook: str) -> Named[Any]:
        """What a hook's plugins gave, by name. Raises PluginError on a conflict."""
        kind = KINDS[hook]
        claims: dict[str, Claim] = {}
        owners: dict[str, PluginInfo] = {}
        for info, hooks in self._loaded:
            if hook not in hooks:
                continue
            try:
                named: list[tuple[Iterable[str], object]] = []
                for record in hooks[hook]():
                    if not isinstance(record, (Later, kind.record)):
                        raise PluginError(problem=f"{hook} gave a {type(record).__name__}, not a {kind.record_name}")
                    names = record.names if isinstance(record, Later) else kind.names(record)
                    named.append((tuple(names), record))
            except Exception as error:  # noqa: BLE001
                self._blame(info, f"{hook}: {type(error).__name__}: {error}")
                continue
            for names, record in named:
                claim = Claim(record=record, blame=partial(self._blame, info))
                for name in names:
                    other = claims.get(name)
                    if other is not None and other.record is not record:
                        raise PluginError(
                            problem=f"{kind.record_name} {name!r} is claimed by both "
                            f"{_source(owners[name])} and {_source(info)}"
                        )
                    claims[name], owners[name] = claim, info
        return Named(kind, claims)

    @cached_property
    def schemes(self) -> Mapping[str, QuantizationScheme]:
        """Quantization schemes by each method they answer for. Raises PluginError on a conflict."""
        return self._collect("vram_quantization_schemes")

    @cached_property
    def kv_dtypes(self) -> Mapping[str, KVCacheDtype]:
        """KV cache dtypes by name and alias. Raises PluginError on a conflict."""
        return self._collect("vram_kv_cache_dtypes")

    @cached_property
    def adapters(self) -> Mapping[str, ArchitectureAdapter]:
        """Architecture adapters by architecture. Raises PluginError on a conflict."""
        return self._collect("vram_architecture_adapters")

    @cached_property
    def profiles(self) -> Mapping[str, OverheadProfile]:
        """Overhead profiles by name and alias. Raises PluginError on a conflict."""
        return self._collect("vram_overhead_profiles")

    @cached_property
    def artifacts(self) -> Mapping[str, Artifact]:
        """Deployment files by kind. Raises PluginError on a conflict."""
        return self._collect("vram_artifacts")

    def load_all(self) -> None:
        """Call every hook and load every record, so that `infos` shows every failure. Raises PluginError on a conflict."""
        for kind in (self.schemes, self.kv_dtypes, self.adapters, self.profiles, self.artifacts):
            kind.values()

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every entry point seen, loaded or not, by name."""
        failed = {(info.name, info.module) for info in self._failed}
        loaded = [info for info, _ in self._loaded if (info.name, info.module) not in failed]
        return tuple(sorted([*loaded, *self._failed], key=lambda i: (i.name, i.module)))

    @property
    def failures(self) -> tuple[PluginInfo, ...]:
        """Entry points that were not disabled and could not be used."""
        return tuple(info for info in self._failed if info.error)


def _source(info: PluginInfo) -> str:
    return f"{info.name} ({info.distribution} {info.version})"


def _hooks_of(module: str, plugin: object) -> dict[str, Callable[[], Iterable[object]]]:
    """The marked functions of a plugin by the names of their hooks. Raises PluginError where there is none, or an unknown one."""
    hooks: dict[str, Callable[[], Iterable[object]]] = {}
    for name in vars(plugin) if isinstance(plugin, ModuleType) else dir(plugin):
        function = getattr(plugin, name, None)
        if isinstance(plugin, ModuleType) and not isinstance(function, FunctionType):
            continue  # in a module a marked function alone can be a hook
        mark = getattr(function, MARK, None)
        if isinstance(mark, dict) and callable(function):
            hooks[mark.get("specname") or name] = function
    unknown = sorted(hooks.keys() - KINDS.keys())
    if unknown or not hooks:
        problem = f"unknown hooks {', '.join(unknown)}" if unknown else "it implements no hook"
        raise PluginError(problem=f"{module}: {problem} (there are {', '.join(HOOKS)})")
    return hooks


_current: Plugins | None = None


def plugins() -> Plugins:
    """This process's plugins, discovered on first use."""
    global _current  # noqa: PLW0603  one registry per process, as pluggy hosts have
    if _current is None:
        _current = Plugins()
    return _current


def use_plugins(replacement: Plugins | None) -> Plugins | None:
    """Replace this process's plugins (None: discover again); gives back the former ones. For tests."""
    global _current
    former, _current = _current, replacement
    return former
