"""The tables of names hold what the modules hold: a new adapter, scheme or dtype without its line fails here."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

from vram.models.later import Later
from vram.plugin.kinds import KINDS, load
from vram_plugins import architectures, artifacts, kv_dtypes, quantization

#: a package, its hook, and the function of each of its modules
PACKAGES = (
    (architectures, "vram_architecture_adapters", "adapters"),
    (quantization, "vram_quantization_schemes", "schemes"),
    (kv_dtypes, "vram_kv_cache_dtypes", "dtypes"),
    (artifacts, "vram_artifacts", "artifacts"),
)
LATERS = [
    pytest.param(hook, later, id=later.load) for package, hook, _ in PACKAGES for later in getattr(package, hook)()
]


@pytest.mark.parametrize(("hook", "later"), LATERS)
def test_a_module_holds_the_names_of_its_line_in_their_order(hook: str, later: Later) -> None:
    kind = KINDS[hook]
    assert later.names == tuple(name for record in load(later.load) for name in kind.names(record))


@pytest.mark.parametrize(("package", "hook", "function"), PACKAGES)
def test_every_module_that_gives_records_has_a_line(package: ModuleType, hook: str, function: str) -> None:
    modules = [import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    giving = {f"{module.__name__}:{function}" for module in modules if hasattr(module, function)}
    assert giving == {later.load for later in getattr(package, hook)()}


def test_schemes_that_may_take_others_checkpoints_say_so() -> None:
    from vram.models.scheme import QuantizationScheme

    for later in quantization.vram_quantization_schemes():
        taking = [scheme for scheme in load(later.load) if type(scheme).claims is not QuantizationScheme.claims]
        assert bool(taking) == bool(later.claims), later.load
