"""The marker that makes a plugin's function a hook.

It is pluggy's protocol (`HookimplMarker("vram")`, 1.5: one attribute on the function), which a plugin may use as well;
pluggy itself is not loaded, because finding the marked functions of a module is all that is needed of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])
PROJECT = "vram"
MARK = f"{PROJECT}_impl"


def hookimpl(function: F) -> F:
    """Mark a function as the hook of its name."""
    setattr(function, MARK, {"specname": None})
    return function
