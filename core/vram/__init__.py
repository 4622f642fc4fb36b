"""Will this model start under vLLM on this hardware, and what will it hold?

    import vram
    est = vram.estimate("Qwen/Qwen3-8B", gpu="H100", tensor_parallel_size=2, max_model_len=32768, concurrency=16)
    est.to_dict()

Names are loaded on first use, so that importing `vram` costs nothing a plugin or `--help` would notice. Plugins'
commands answer `vram.plan` and `vram.compare`, and may add further names: `vram.reconcile`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vram.errors import NotGivenError, VramError

if TYPE_CHECKING:
    from vram.advise.inverse import min_gpus, min_memory_bytes, min_utilization
    from vram.advise.many import Sweep, SweepRow, estimate_many
    from vram.advise.performance import performance
    from vram.api import estimate, gpus, max_concurrency, max_context, models
    from vram.models.comparison import Comparer, Comparison
    from vram.models.estimate import Estimate
    from vram.models.performance import Performance
    from vram.models.plan import Plan, Planner
    from vram.plugin.marker import hookimpl

    compare: Comparer  # plugins give these two; names that nobody promised here are not typed
    plan: Planner

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Estimate",
    "Performance",
    "Plan",
    "Sweep",
    "SweepRow",
    "VramError",
    "__version__",
    "compare",
    "estimate",
    "estimate_many",
    "gpus",
    "hookimpl",
    "max_concurrency",
    "max_context",
    "min_gpus",
    "min_memory_bytes",
    "min_utilization",
    "models",
    "performance",
    "plan",
]

_LAZY = {
    "estimate": "vram.api",
    "max_context": "vram.api",
    "max_concurrency": "vram.api",
    "gpus": "vram.api",
    "models": "vram.api",
    "estimate_many": "vram.advise.many",
    "Sweep": "vram.advise.many",
    "SweepRow": "vram.advise.many",
    "performance": "vram.advise.performance",
    "min_gpus": "vram.advise.inverse",
    "min_utilization": "vram.advise.inverse",
    "min_memory_bytes": "vram.advise.inverse",
    "Plan": "vram.models.plan",
    "Comparison": "vram.models.comparison",
    "Performance": "vram.models.performance",
    "Estimate": "vram.models.estimate",
    "hookimpl": "vram.plugin.marker",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        return _given(name)
    return getattr(import_module(module), name)


def _given(name: str) -> Any:
    """What a plugin's command adds under a name: `vram.reconcile`. Raises AttributeError."""
    if name.startswith("_"):  # Python's own questions must not ask for plugins
        raise AttributeError(f"module 'vram' has no attribute {name!r}")
    from vram.models.command import PROMISED
    from vram.plugin.commands import given_commands

    try:
        return given_commands().in_library(name)
    except AttributeError:
        if name in PROMISED:  # a command built on it has a sentence to say
            raise NotGivenError(name=name) from None
        raise


def __dir__() -> list[str]:
    from vram.plugin.commands import given_commands

    return sorted({*__all__, *given_commands().library_names()})


class _Called(ModuleType):
    """A package that answers to its name as the function of the library does: `vram.gpus()`, and `vram.gpus.find_gpu`."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        return getattr(import_module("vram.api"), self.__name__.rpartition(".")[2])(*args, **named)


class _Package(ModuleType):
    """The function `vram.estimate` and the package of its arithmetic share a name, and so do `vram.gpus` and `vram.models`.

    Importing a submodule binds it on its parent. Here the function `estimate` stays, whose package is nobody's to import, and
    `from vram.estimate.x import y` works as ever because imports go through `sys.modules`; the public packages can be called.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and name == "estimate":
            return
        if isinstance(value, ModuleType) and name in ("gpus", "models"):
            value.__class__ = _Called
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
