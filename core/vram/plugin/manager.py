"""Plugin discovery, blocking and the typed view of what plugins gave.

Entry points of the group `vram` are loaded one by one: one that fails is remembered with its distribution and
version, reported, and skipped. Order never decides; two plugins that claim one name are an error naming both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen
from pluggy import PluginManager

from vram.errors import PluginError
from vram.plugin import hookspecs
from vram.plugin.marker import DISABLED, PROJECT

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

    from pluggy import HookimplOpts

    from vram.models.adapter import ArchitectureAdapter
    from vram.models.artifact import Artifact
    from vram.models.command import Command
    from vram.models.kv_dtype import KVCacheDtype
    from vram.models.profile import OverheadProfile
    from vram.models.scheme import QuantizationScheme

HOOKS = (
    "vram_quantization_schemes",
    "vram_kv_cache_dtypes",
    "vram_overhead_profiles",
    "vram_architecture_adapters",
    "vram_artifacts",
    "vram_commands",
)


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


@frozen(kw_only=True)
class _Claim:
    """A record a plugin gave, with who gave it."""

    record: Any = field(repr=False)
    plugin: PluginInfo


class _Manager(PluginManager):
    """pluggy's manager, which looks at every name of a plugin module; only a marked function can be a hook."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        if isinstance(plugin, ModuleType):
            value = plugin.__dict__.get(name)
            if not isinstance(value, FunctionType) or not value.__dict__:
                return None
        return super().parse_hookimpl_opts(plugin, name)


class Plugins:
    """Everything plugins gave, by kind and name. Built once per process; pass `entry_points` in tests."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None, disabled: Iterable[str] | None = None) -> None:
        if disabled is None:
            disabled = os.environ.get(DISABLED, "").split(",")
        self._disabled = {name.strip() for name in disabled if name.strip()}
        self._pm = _Manager(PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._loaded: dict[str, PluginInfo] = {}
        self._failed: list[PluginInfo] = []
        self._distributions: dict[int, tuple[str, str]] = {}
        found = list(entry_points) if entry_points is not None else _entry_points()
        for entry in sorted(found, key=lambda e: (e.name, e.value)):
            self._load(entry)

    def _load(self, entry: EntryPoint) -> None:
        distribution, version = self._named(entry.dist)
        info = PluginInfo(name=entry.name, module=entry.value, distribution=distribution, version=version)
        if entry.name in self._disabled:
            self._failed.append(evolve(info, disabled=True))
            return
        try:
            self._register(info, entry.load())
        except (Exception, SystemExit) as error:  # noqa: BLE001  a third party's bug must not kill the command
            self._failed.append(evolve(info, error=f"{type(error).__name__}: {error}"))

    def _named(self, dist: Distribution | None) -> tuple[str, str]:
        """A distribution's name and version. Each look parses its whole metadata, and one may have a hundred plugins."""
        if dist is None:
            return "unknown", "unknown"
        known = self._distributions.get(id(dist))  # its entry points hold it: the id stays its own
        if known is None:
            metadata = dist.metadata
            known = self._distributions[id(dist)] = (metadata["Name"], metadata["Version"])
        return known

    def _register(self, info: PluginInfo, plugin: object) -> None:
        key = f"{info.name}={info.module}"
        self._pm.register(plugin, name=key)
        callers = self._pm.get_hookcallers(plugin) or []
        unknown = sorted(caller.name for caller in callers if not caller.has_spec())
        if unknown or not callers:
            self._pm.unregister(name=key)
            problem = f"unknown hooks {', '.join(unknown)}" if unknown else "it implements no hook"
            raise PluginError(problem=f"{info.module}: {problem} (there are {', '.join(HOOKS)})")
        self._loaded[key] = evolve(info, hooks=tuple(sorted(caller.name for caller in callers)))

    def _collect(self, hook: str, kind: type[Any], names: Callable[[Any], Iterable[str]]) -> Mapping[str, _Claim]:
        claims: dict[str, _Claim] = {}
        implementations = getattr(self._pm.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=lambda i: i.plugin_name):
            info = self._loaded[implementation.plugin_name]
            try:
                records = list(implementation.function())
                for record in records:
                    if not isinstance(record, kind):
                        raise PluginError(problem=f"{hook} gave a {type(record).__name__}, not a {kind.__name__}")
                named = [(name, record) for record in records for name in names(record)]
            except Exception as error:  # noqa: BLE001
                self._failed.append(evolve(info, error=f"{hook}: {type(error).__name__}: {error}"))
                continue
            for name, record in named:
                other = claims.get(name)
                if other is not None and other.record is not record:
                    raise PluginError(
                        problem=f"{kind.__name__} {name!r} is claimed by both {_source(other.plugin)} and {_source(info)}"
                    )
                claims[name] = _Claim(record=record, plugin=info)
        return claims

    @cached_property
    def schemes(self) -> Mapping[str, QuantizationScheme]:
        """Quantization schemes by each method they answer for. Raises PluginError on a conflict."""
        from vram.models.scheme import QuantizationScheme as Kind

        found = self._collect("vram_quantization_schemes", Kind, lambda s: s.methods)
        return {name: claim.record for name, claim in found.items()}

    @cached_property
    def kv_dtypes(self) -> Mapping[str, KVCacheDtype]:
        """KV cache dtypes by name and alias. Raises PluginError on a conflict."""
        from vram.models.kv_dtype import KVCacheDtype as Kind

        found = self._collect("vram_kv_cache_dtypes", Kind, lambda d: (d.name, *d.aliases))
        return {name: claim.record for name, claim in found.items()}

    @cached_property
    def adapters(self) -> Mapping[str, ArchitectureAdapter]:
        """Architecture adapters by architecture. Raises PluginError on a conflict."""
        from vram.models.adapter import ArchitectureAdapter as Kind

        found = self._collect("vram_architecture_adapters", Kind, lambda a: a.architectures)
        return {name: claim.record for name, claim in found.items()}

    @cached_property
    def profiles(self) -> Mapping[str, OverheadProfile]:
        """Overhead profiles by name and alias. Raises PluginError on a conflict."""
        from vram.models.profile import OverheadProfile as Kind

        found = self._collect("vram_overhead_profiles", Kind, lambda p: (p.name, *p.aliases))
        return {name: claim.record for name, claim in found.items()}

    @cached_property
    def artifacts(self) -> Mapping[str, Artifact]:
        """Deployment files by kind. Raises PluginError on a conflict."""
        from vram.models.artifact import Artifact as Kind

        found = self._collect("vram_artifacts", Kind, lambda a: (a.name,))
        return {name: claim.record for name, claim in found.items()}

    @cached_property
    def commands(self) -> Mapping[str, Command]:
        """Plugins' commands by name. Raises PluginError on a conflict, also with a command of vram's own."""
        from vram.models.command import Command as Kind
        from vram.plugin.commands import HOOK, PREFIX
        from vram.plugin.own import OWN

        found = self._collect(HOOK, Kind, lambda c: (c.name,))
        for own in OWN:
            if own.name in found:
                source = _source(found[own.name].plugin)
                raise PluginError(problem=f"Command {own.name!r} is claimed by both vram itself and {source}")
        misnamed = {c.plugin.name: c.plugin for c in found.values() if not c.plugin.name.startswith(PREFIX)}
        for info in misnamed.values():
            problem = f"{HOOK}: call the entry point {PREFIX}{info.name}, or no command line finds its commands"
            self._failed.append(evolve(info, error=problem))
        return {name: claim.record for name, claim in found.items() if claim.plugin.name not in misnamed}

    def load_all(self) -> None:
        """Call every hook, so that `infos` shows every failure. Raises PluginError on a conflict."""
        for _ in (self.schemes, self.kv_dtypes, self.adapters, self.profiles, self.artifacts, self.commands):
            pass

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every entry point seen, loaded or not, by name."""
        failed = {(info.name, info.module) for info in self._failed}
        loaded = [info for info in self._loaded.values() if (info.name, info.module) not in failed]
        return tuple(sorted([*loaded, *self._failed], key=lambda i: (i.name, i.module)))

    @property
    def failures(self) -> tuple[PluginInfo, ...]:
        """Entry points that were not disabled and could not be used."""
        return tuple(info for info in self._failed if info.error)


def _source(info: PluginInfo) -> str:
    return f"{info.name} ({info.distribution} {info.version})"


def _entry_points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=PROJECT))


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
