"""The hook marker plugins import: pluggy's, typed so that strict type checkers keep signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from pluggy import HookimplMarker

F = TypeVar("F", bound=Callable[..., object])
PROJECT = "vram"
#: the distribution that brings the built-in plugins
DISTRIBUTION = "vram-estimator"
#: what the marker leaves on a function (pluggy 1.5, `_hooks.py:HookimplMarker`)
MARK = f"{PROJECT}_impl"
#: what the entry point of a module with commands is called: that, and something
COMMAND_PREFIX = "command_"
#: the environment variable that names plugins to leave out
DISABLED = "VRAM_DISABLED_PLUGINS"
hookimpl = cast("Callable[[F], F]", HookimplMarker(PROJECT))
