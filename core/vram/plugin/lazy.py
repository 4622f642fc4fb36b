"""Names that are imported when somebody uses them: what is public in one place must not be loaded in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def named(path: str) -> Any:
    """The object that "package.module:attribute" means. Raises what importing raises, AttributeError, ValueError."""
    module, colon, attribute = path.partition(":")
    if not module or not colon or not attribute:
        raise ValueError(f'{path!r} is not of the form "package.module:attribute"')
    return getattr(import_module(module), attribute)


def names_from(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` for the names that its public face takes from other modules, apart by spaces."""
    places = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        module = places.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(module), name)

    return get
