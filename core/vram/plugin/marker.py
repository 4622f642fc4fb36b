"""The hook marker plugins import, without loading pluggy before it is needed.

pluggy finds implementations by an attribute that its marker leaves on the function; the marker itself is this
one assignment (`pluggy/_hooks.py:HookimplMarker`, 1.5), wrapped so that strict type checkers keep signatures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from pluggy import HookimplMarker

F = TypeVar("F", bound=Callable[..., object])
PROJECT = "vram"
#: the environment variable that names plugins to leave out
DISABLED = "VRAM_DISABLED_PLUGINS"
hookimpl = cast("Callable[[F], F]", HookimplMarker(PROJECT))
