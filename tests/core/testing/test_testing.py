"""The contract tests find each of a set of deliberately wrong plugins, and nothing in the built-in ones."""

from __future__ import annotations

import tomllib
import types
from pathlib import Path

import pytest

from vram import hookimpl
from vram.models.checkpoint_format import CheckpointFormat
from vram.models.command import Command
from vram.models.deployment_reader import DeploymentReader, FoundServer
from vram.models.detected import GpuDetector
from vram.models.inventory_source import InventorySource
from vram.models.kv_dtype import KVCacheDtype
from vram.models.later import Later
from vram.models.profile import Constant, Gpu, OverheadProfile
from vram.models.scheme import Format, Quantization, QuantizationScheme, StoredTensor
from vram.testing import check_plugin, problems_of

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
BUILT_IN = sorted(PROJECT["project"]["entry-points"]["vram"].values())


def plugin(**hooks: object) -> types.SimpleNamespace:
    """An object with hooks that give what is given, or call it."""
    made = types.SimpleNamespace()
    for name, gives in hooks.items():
        setattr(made, name, hookimpl(gives if callable(gives) else lambda gives=gives: gives))
    return made


class Negative(Format):
    def linear(self, shape):
        return (StoredTensor(name="w", elements=-5, dtype="uint8"),)

    experts = linear


class Bound(Quantization):
    name = "bad"

    def format_for(self, module):
        return Negative()


class Bad(QuantizationScheme):
    name = "bad"
    methods = ("bad",)

    def bind(self, request):
        return Bound()


class Taking(Bad):
    def claims(self, request):
        return True


class Careless(CheckpointFormat):
    """Looks at no byte, and calls its files what vram reads itself."""

    name = "careless"
    suffixes = (".json",)

    def read_header(self, read, path):
        return None

    def checkpoint(self, headers, *, model, path):
        return headers[0]


class Fragile(Careless):
    suffixes = (".fragile",)

    def read_header(self, read, path):
        return read(8)[0][0]


class Counting(InventorySource):
    name = "counting"

    def inventory(self, checkpoint, *, trust_remote_code):
        return 5


class Eager(DeploymentReader):
    """Sees a server in every text."""

    name = "eager"

    def claims(self, text):
        return True

    def servers(self, text):
        return [FoundServer(line=1, kind="anything")]


class Wordy(Eager):
    name = "wordy"

    def servers(self, text):
        return ["vllm serve x/y"]


def raising():
    raise ZeroDivisionError("a bug")


GPU = Gpu(name="G", family="f", memory_bytes=-1, compute_capability=(9, 0), bandwidth=1.0)
CONSTANT = Constant(name="c", value=9.0, low=1.0, high=2.0, provenance="measured", source="")
WRONG = {
    "no hook": (types.SimpleNamespace(), "no function is marked"),
    "the wrong type": (plugin(vram_kv_cache_dtypes=["text"]), "gives a str, not a KVCacheDtype"),
    "a name twice": (
        plugin(vram_kv_cache_dtypes=[KVCacheDtype(name="x", bits=8), KVCacheDtype(name="x", bits=4)]),
        "'x' is given twice",
    ),
    "a hook that raises": (plugin(vram_overhead_profiles=raising), "raises ZeroDivisionError: a bug"),
    "not iterable": (plugin(vram_overhead_profiles=None), "raises TypeError"),
    "negative sizes": (plugin(vram_quantization_schemes=[Bad()]), "has a negative size"),
    "negative memory": (plugin(vram_overhead_profiles=[OverheadProfile(name="p", gpus=(GPU,))]), "-1 bytes of memory"),
    "a constant outside its bounds": (
        plugin(vram_overhead_profiles=[OverheadProfile(name="p", constants=(CONSTANT,))]),
        "not within its own bounds",
    ),
    "a dtype of no bits": (plugin(vram_kv_cache_dtypes=[KVCacheDtype(name="x", bits=0)]), "takes 0 bytes"),
    "a Later of no module": (
        plugin(vram_kv_cache_dtypes=[Later(names=("x",), load="no_such_module_anywhere:x")]),
        "no_such_module_anywhere:x: ModuleNotFoundError",
    ),
    "a Later that promises what it has not": (
        plugin(vram_quantization_schemes=[Later(names=("bad", "worse"), load=f"{__name__}:Bad")]),
        "has no QuantizationScheme 'worse', which is promised",
    ),
    "a Later with more than it promises": (
        plugin(vram_quantization_schemes=[Later(names=(), load=f"{__name__}:Bad")]),
        "has QuantizationScheme 'bad', which is not promised",
    ),
    "a Later whose record is wrong": (
        plugin(vram_quantization_schemes=[Later(names=("bad",), load=f"{__name__}:Bad")]),
        "has a negative size",
    ),
    "a Later that does not say whose checkpoints it takes": (
        plugin(vram_quantization_schemes=[Later(names=("bad",), load=f"{__name__}:Taking")]),
        "say in Later(claims=...)",
    ),
    "a format of another's suffix": (plugin(vram_checkpoint_formats=[Careless()]), "'.json' is no end of a file name"),
    "a format that makes no checkpoint": (plugin(vram_checkpoint_formats=[Careless()]), "a NoneType, not a Checkpoint"),
    "a format that breaks on an empty file": (plugin(vram_checkpoint_formats=[Fragile()]), "raises IndexError"),
    "a detector that finds nothing": (
        plugin(vram_gpu_detectors=[GpuDetector(name="g", detect=lambda: ())]),
        "finds nothing and raises no DetectionError",
    ),
    "a detector of words": (plugin(vram_gpu_detectors=[GpuDetector(name="g", detect=lambda: "H")]), "g: gives a str"),
    "a detector that breaks": (plugin(vram_gpu_detectors=[GpuDetector(name="g", detect=raising)]), "ZeroDivisionError"),
    "a reader that finds a server in a text without one": (
        plugin(vram_deployment_readers=[Eager()]),
        "eager: finds a server in a text without one",
    ),
    "a reader of words": (plugin(vram_deployment_readers=[Wordy()]), "wordy: gives a str"),
    "a source of numbers": (plugin(vram_inventory_sources=[Counting()]), "gives a int, not an Inventory or None"),
    "a missing module": ("no_such_module_anywhere", "cannot be imported"),
}


@pytest.mark.parametrize(("wrong", "expected"), WRONG.values(), ids=WRONG.keys())
def test_each_wrong_plugin_is_found(wrong: object, expected: str) -> None:
    assert any(expected in problem for problem in problems_of(wrong)), problems_of(wrong)


def test_check_plugin_raises_with_every_problem() -> None:
    with pytest.raises(AssertionError, match="no function is marked"):
        check_plugin(types.SimpleNamespace())


@pytest.mark.parametrize("module", BUILT_IN)
def test_built_in_plugins_keep_the_contracts(module: str) -> None:
    check_plugin(module)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "Do It"}, "'Do It' is not a word"),
        ({"name": "estimate"}, "'estimate' is a command of vram itself"),
        ({"summary": "two\nlines"}, "not one line"),
        ({"summary": ""}, "not one line"),
        ({"load": "no_such_module:command"}, "no_such_module:command cannot be loaded: ModuleNotFoundError"),
        ({"load": "vram.cli"}, "cannot be loaded: ValueError"),
        ({"load": "vram.cli:main"}, "vram.cli:main is a function, not a click command"),
        ({"library": {"estimate": "vram.cli:main"}}, "vram.estimate is vram's own"),
        ({"library": {"a-b": "vram.cli:main"}}, "'a-b' is no name for the library"),
        ({"library": {"mine": "vram.cli:nothing"}}, "vram.cli:nothing cannot be loaded: AttributeError"),
    ],
)
def test_a_command_that_breaks_the_contract_is_named(wrong: dict[str, object], told: str) -> None:
    right = {"name": "do-it", "summary": "What it does.", "load": "vram.cli.estimate:command"}

    class Plugin:
        @staticmethod
        @hookimpl
        def vram_commands():
            yield Command(**{**right, **wrong})

    (problem,) = problems_of(Plugin)
    assert told in problem
