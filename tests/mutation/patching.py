"""A loaded module made to behave as if its source had been changed, and the caches that would hide it emptied.

Functions keep their identity and get the changed code, so that whoever imported them runs it. What is computed once
at import (constants, defaults of arguments and fields) is computed again and put in place of what was there.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

from tests.mutation.mutants import Mutant

_Place = tuple[str, int]


def functions_of(module: ModuleType) -> dict[_Place, list[FunctionType]]:
    """The module's living functions by qualified name and line."""
    found: dict[_Place, list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == module.__file__:
            found.setdefault((one.__code__.co_qualname, one.__code__.co_firstlineno), []).append(one)
    return found


def apply(mutant: Mutant, module: ModuleType, functions: dict[_Place, list[FunctionType]]) -> None:
    """Change the module in this process, and forget what its functions remember."""
    for one in vars(module).values():
        if isinstance(one, functools._lru_cache_wrapper):
            one.cache_clear()
    code = compile(mutant.tree, str(module.__file__), "exec", dont_inherit=True)
    for changed in _nested(code):
        for function in functions.get((changed.co_qualname, changed.co_firstlineno), ()):
            function.__code__ = changed
    if not mutant.lines:
        _import_again(code, module)


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _import_again(code: CodeType, module: ModuleType) -> None:
    again = ModuleType(module.__name__)
    again.__dict__.update({name: module.__dict__[name] for name in ("__file__", "__spec__", "__package__")})
    exec(code, again.__dict__)
    for name, value in again.__dict__.items():
        held = module.__dict__.get(name)
        if name.startswith("__") or value is held:
            continue
        if isinstance(value, type):
            if value.__module__ == module.__name__:
                for method, function in vars(value).items():
                    _take_defaults(function, vars(held).get(method))
        elif callable(value) and getattr(value, "__module__", "") == module.__name__:
            _take_defaults(value, held)
        else:
            for other in list(sys.modules.values()):
                if getattr(other, "__dict__", {}).get(name) is held:
                    other.__dict__[name] = value
            module.__dict__[name] = value


def _take_defaults(new: object, held: object) -> None:
    new, held = getattr(new, "__wrapped__", new), getattr(held, "__wrapped__", held)
    if isinstance(new, FunctionType) and isinstance(held, FunctionType):
        held.__defaults__, held.__kwdefaults__ = new.__defaults__, new.__kwdefaults__


def caches() -> list[functools._lru_cache_wrapper[object]]:
    """Every function cache of this program that may hold a computed answer; files once read stay read."""
    read = ("vram.checkpoint", "vram.plugin", "vram.gpus", "vram.profiles", "vram.serving", "vram.models.contract")
    return [
        one
        for one in gc.get_objects()
        if isinstance(one, functools._lru_cache_wrapper)
        and str(one.__module__).startswith("vram.")
        and not str(one.__module__).startswith(read)
    ]
