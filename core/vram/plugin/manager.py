"""Which plugins there are, and the typed view of what they gave.

Entry points of the group `vram` are loaded one by one: one that fails is remembered with its distribution and
version, reported, and skipped. Order never decides; two plugins that claim one name are an error naming both.
Records that come as `Later` are loaded when they are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pluggy import PluginManager

from vram.errors import PluginError
from vram.models.record import evolve
from vram.plugin import hookspecs
from vram.plugin.blame import STUMBLES, silent, told
from vram.plugin.discovery import Found, PluginInfo, from_entry_point, in_order, installed, left_out, origin_of
from vram.plugin.kinds import HOOKS, KINDS
from vram.plugin.marker import COMMAND_PREFIX, PROJECT
from vram.plugin.named import Claim, Named, taken_from

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pluggy import HookimplOpts

    from vram.architecture.engine import Engine
    from vram.models.adapter import ArchitectureAdapter
    from vram.models.artifact import Artifact
    from vram.models.checkpoint_format import CheckpointFormat
    from vram.models.command import Command
    from vram.models.deployment_reader import DeploymentReader
    from vram.models.detected import GpuDetector
    from vram.models.inventory_source import InventorySource
    from vram.models.kv_dtype import KVCacheDtype
    from vram.models.platform import Platform
    from vram.models.profile import OverheadProfile
    from vram.models.scheme import QuantizationScheme
    from vram.models.self_test import SelfTest


class _Manager(PluginManager):
    """pluggy's manager, which looks at every name of a plugin module; only a marked function can be a hook."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        if isinstance(plugin, ModuleType):
            value = plugin.__dict__.get(name)
            if not isinstance(value, FunctionType) or not value.__dict__:
                return None
        return super().parse_hookimpl_opts(plugin, name)


class Plugins:
    """Everything plugins gave, by kind and name. Built once per process; pass `entry_points` in tests, or what is there `also`."""

    def __init__(
        self,
        entry_points: Iterable[EntryPoint] | None = None,
        disabled: Iterable[str] | None = None,
        also: Iterable[Found] = (),
    ) -> None:
        off = left_out() if disabled is None else frozenset(disabled)
        self._pm = _Manager(PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._loaded: dict[str, PluginInfo] = {}
        self._failed: list[PluginInfo] = []
        self._announcing: list[Found] = []  # commands: no answer asks for them
        found = installed() if entry_points is None else [from_entry_point(entry) for entry in entry_points]
        for each in in_order([*found, *also]):
            if each.name in off:
                self._failed.append(evolve(each.info, disabled=True))
            elif each.name.startswith(COMMAND_PREFIX):
                self._announcing.append(each)
            else:
                self._load(each)

    def _load(self, found: Found) -> None:
        info = found.info
        try:
            with silent(f"importing {found.value}"):
                module = found.load()
            self._register(info, module)
        except STUMBLES as error:  # a third party's bug must not kill the command
            self._blame(info, told(error))

    def _blame(self, info: PluginInfo, error: str) -> None:
        failed = evolve(info, error=error)
        if failed not in self._failed:  # what is asked again fails again
            self._failed.append(failed)

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

    def _claims(self, hook: str) -> dict[str, Claim]:
        """What a hook's plugins claim, by name; one that stumbles is blamed. Raises PluginError on a conflict."""
        kind = KINDS[hook]
        claims: dict[str, Claim] = {}
        implementations = getattr(self._pm.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=lambda i: i.plugin_name):
            info = self._loaded[implementation.plugin_name]
            origin = origin_of(info, hook)
            try:
                mine = taken_from(implementation.function, kind, origin, partial(self._blame, info))
            except STUMBLES as error:
                self._blame(info, f"{hook}: {told(error)}")
                continue
            for name, claim in mine.items():
                other = claims.setdefault(name, claim)
                if other is not claim:
                    problem = f"{kind.record_name} {name!r} is claimed by both {other.origin.source} and {info.source}"
                    raise PluginError(problem=problem)
        return claims

    def _named(self, hook: str) -> Named[Any]:
        return Named(KINDS[hook], self._claims(hook))

    @cached_property
    def schemes(self) -> Mapping[str, QuantizationScheme]:
        """Quantization schemes by each method they answer for. Raises PluginError on a conflict."""
        return self._named("vram_quantization_schemes")

    @cached_property
    def kv_dtypes(self) -> Mapping[str, KVCacheDtype]:
        """KV cache dtypes by name and alias. Raises PluginError on a conflict."""
        return self._named("vram_kv_cache_dtypes")

    @cached_property
    def adapters(self) -> Mapping[str, ArchitectureAdapter]:
        """Architecture adapters by architecture. Raises PluginError on a conflict."""
        return self._named("vram_architecture_adapters")

    @cached_property
    def profiles(self) -> Mapping[str, OverheadProfile]:
        """Overhead profiles by name and alias. Raises PluginError on a conflict."""
        return self._named("vram_overhead_profiles")

    @cached_property
    def platforms(self) -> Mapping[str, Platform]:
        """Platforms besides CUDA by vLLM's name. Raises PluginError on a conflict."""
        return self._named("vram_platforms")

    @cached_property
    def artifacts(self) -> Mapping[str, Artifact]:
        """Deployment files by kind. Raises PluginError on a conflict."""
        return self._named("vram_artifacts")

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """Serving engines that can be asked, by name. Raises PluginError on a conflict."""
        return self._named("vram_engines")

    @cached_property
    def checkpoint_formats(self) -> Named[CheckpointFormat]:
        """Checkpoint formats by suffix of a file's name. Raises PluginError on a conflict."""
        return self._named("vram_checkpoint_formats")

    @cached_property
    def deployment_readers(self) -> Named[DeploymentReader]:
        """Kinds of deployment file, by name. Raises PluginError on a conflict."""
        return self._named("vram_deployment_readers")

    @cached_property
    def gpu_detectors(self) -> Named[GpuDetector]:
        """Who asks this machine for its GPUs, by name. Raises PluginError on a conflict."""
        return self._named("vram_gpu_detectors")

    @cached_property
    def inventory_sources(self) -> Named[InventorySource]:
        """Who tells the tensors of a model nobody knows, by name. Raises PluginError on a conflict."""
        return self._named("vram_inventory_sources")

    @cached_property
    def self_tests(self) -> Mapping[str, SelfTest]:
        """What plugins carry to be checked by, by name. Raises PluginError on a conflict."""
        return self._named("vram_self_tests")

    @cached_property
    def commands(self) -> Mapping[str, Command]:
        """Plugins' commands by name. Raises PluginError on a conflict."""
        while self._announcing:
            self._load(self._announcing.pop(0))
        hook = "vram_commands"
        claims = self._claims(hook)
        given = {claim.origin.plugin: claim for claim in claims.values()}
        misnamed = {plugin: claim for plugin, claim in given.items() if not plugin.startswith(COMMAND_PREFIX)}
        for plugin, claim in misnamed.items():
            claim.blame(f"{hook}: call the entry point {COMMAND_PREFIX}{plugin}, or no command line finds its commands")
        return Named(
            KINDS[hook], {name: claim for name, claim in claims.items() if claim.origin.plugin not in misnamed}
        )

    def load_all(self) -> tuple[str, ...]:
        """Call every hook and load every record, so that `infos` shows every failure; gives names that two plugins claim, as sentences."""
        conflicts = []
        for view in KINDS.values():
            try:
                getattr(self, view.called).values()
            except PluginError as error:
                conflicts.append(str(error))
        return tuple(conflicts)

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every entry point seen, loaded or not, by name; the hooks of those with commands are known once these were asked for."""
        failed = {(info.name, info.module) for info in self._failed}
        loaded = [info for info in self._loaded.values() if (info.name, info.module) not in failed]
        waiting = [found.info for found in self._announcing]
        return tuple(sorted([*loaded, *waiting, *self._failed], key=lambda i: (i.name, i.module)))

    @property
    def failures(self) -> tuple[PluginInfo, ...]:
        """Entry points that were not disabled and could not be used."""
        return tuple(info for info in self._failed if info.error)


_current: Plugins | None = None


@contextmanager
def with_module(module: str) -> Iterator[Plugins]:
    """This process's plugins with a module among them that may not be installed, for the time being."""
    global _current  # noqa: PLW0603
    before = plugins()
    if any(info.module == module for info in before.infos):
        yield before
        return
    name = f"{COMMAND_PREFIX}{module}" if hasattr(sys.modules.get(module), "vram_commands") else module
    _current = Plugins(also=[Found(name=name, value=module, distribution="not installed", version="yet")])
    try:
        yield _current
    finally:
        _current = before


def plugins() -> Plugins:
    """This process's plugins, discovered on first use."""
    global _current  # noqa: PLW0603  one registry per process, as pluggy hosts have
    if _current is None:
        _current = Plugins()
    return _current
