"""What callers without a type checker pass: each argument of a question is of its type, or the InputError says which it must be."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from vram.errors import InputError
from vram.models.deployment import Policy


def shown(value: object) -> object:
    """A value for a sentence; of an object its kind, which has no address in it."""
    return value if isinstance(value, str | int | float | list | tuple | dict | None) else type(value).__name__


def check_types(**given: object) -> None:
    """Raise InputError where one is neither None nor what `vram.estimate` says it is."""
    for name, value in given.items():
        good, what = _TYPES[name]
        if value is not None and not good(value):
            told = "gpus" if name == "gpu_names" else name
            raise InputError(name=told, value=shown(value), problem=f"must be {what}")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _several(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


_SWITCH = (lambda value: isinstance(value, bool), "True or False")
_TYPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "gpu": (_text, "the name of one GPU"),
    "gpu_memory_gib": (_number, "a number of GiB"),
    "gpus": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a number of GPUs"),
    "used_gib": (_number, "a number of GiB"),
    "min_memory_gib": (_number, "a number of GiB"),
    "max_memory_gib": (_number, "a number of GiB"),
    "counts": (_several, "a list of numbers"),
    "quantizations": (_several, "a list of names"),
    "kv_cache_dtypes": (_several, "a list of names"),
    "kinds": (_several, "a list of names"),
    "clouds": (_several, "a list of names"),
    "gpu_names": (lambda value: isinstance(value, str) or _several(value), "names of GPUs"),
    "prices": (
        lambda value: not isinstance(value, int | float),
        "a file, a mapping of names to prices or a list of prices",
    ),
    "vllm_version": (_text, 'a release as text, such as "0.33.0"'),
    "profile": (_text, "the name of an overhead profile"),
    "policy": (lambda value: isinstance(value, Policy), "a vram.models.deployment.Policy"),
    "trust_remote_code": _SWITCH,
    "revision": (_text, "a branch, tag or commit as text"),
    "ask_vllm": (lambda value: isinstance(value, bool | str | os.PathLike), "True, or the path of a Python"),
}
