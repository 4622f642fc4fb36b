"""Names first: what a hook gives as Later is imported when its name is asked for, and blamed when it breaks its word."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from vram import hookimpl
from vram.errors import PluginError
from vram.models.kv_dtype import KVCacheDtype
from vram.models.later import Later
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.plugin.manager import Plugins
from vram.quantization.resolve import resolve

MODULE = "names_first_{}"
GOOD = "from vram.models.kv_dtype import KVCacheDtype\nint6 = KVCacheDtype(name='int6', bits=6, aliases=('six',))\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Writes a module that can be imported; gives its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> str:
        (tmp_path / f"{MODULE.format(name)}.py").write_text(text)
        monkeypatch.delitem(sys.modules, MODULE.format(name), raising=False)
        return MODULE.format(name)

    return write


@pytest.fixture
def giving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """An entry point of a plugin whose hook gives what is given."""

    def make(name: str, *given: object, hook: str = "vram_kv_cache_dtypes") -> EntryPoint:
        plugin = types.ModuleType(f"made_up_{name}")
        setattr(plugin, hook, hookimpl(lambda: given))
        monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
        return EntryPoint(name=name, value=plugin.__name__, group="vram")

    return make


def test_names_are_known_before_anything_is_imported(module, giving) -> None:
    name = module("good", GOOD)
    found = Plugins([giving("mine", Later(names=("int6", "six"), load=f"{name}:int6"))], disabled=()).kv_dtypes
    assert (sorted(found), len(found), "six" in found, "int7" in found) == (["int6", "six"], 2, True, False)
    assert name not in sys.modules


def test_a_name_that_is_asked_for_imports_its_own_module_alone(module, giving) -> None:
    good, other = module("good", GOOD), module("other", "raise SystemError('not to be imported')")
    laters = (Later(names=("int6", "six"), load=f"{good}:int6"), Later(names=("int7",), load=f"{other}:int7"))
    registry = Plugins([giving("mine", *laters)], disabled=())
    assert registry.kv_dtypes["six"].bits == 6
    assert registry.kv_dtypes.get("int6") is registry.kv_dtypes["six"]
    assert other not in sys.modules
    assert not registry.failures


def test_records_and_laters_are_mixed(module, giving) -> None:
    later = Later(names=("int6", "six"), load=f"{module('good', GOOD)}:int6")
    found = Plugins([giving("mine", KVCacheDtype(name="int7", bits=7), later)], disabled=()).kv_dtypes
    assert {name: dtype.bits for name, dtype in found.items()} == {"int7": 7, "int6": 6, "six": 6}


@pytest.mark.parametrize(
    "ending", ["def load():\n    return [int6]\n", "def load():\n    return int6\n", "load = int6\n"]
)
def test_what_is_loaded_is_a_record_or_gives_one_or_several(module, giving, ending: str) -> None:
    later = Later(names=("int6", "six"), load=f"{module('good', GOOD + ending)}:load")
    assert Plugins([giving("mine", later)], disabled=()).kv_dtypes["int6"].bits == 6


@pytest.mark.parametrize(
    ("text", "names", "sentence"),
    [
        ("1 / 0", ("int6",), "names_first_bad:int6: ZeroDivisionError: division by zero"),
        ("", ("int6",), "names_first_bad:int6: AttributeError"),
        ("int6 = 'text'", ("int6",), "names_first_bad:int6 gave a str, not a KVCacheDtype"),
        (GOOD, ("int6", "six", "seven"), "names_first_bad:int6 has no KVCacheDtype 'seven', which is promised"),
        (GOOD, ("int6",), "names_first_bad:int6 has KVCacheDtype 'six', which is not promised"),
    ],
)
def test_a_broken_promise_is_blamed_on_its_plugin_and_the_others_go_on(
    module, giving, text: str, names: tuple[str, ...], sentence: str
) -> None:
    bad = giving("bad", Later(names=names, load=f"{module('bad', text)}:int6"))
    registry = Plugins([bad, giving("good", KVCacheDtype(name="int7", bits=7))], disabled=())
    assert not registry.failures
    assert registry.kv_dtypes.get("int6") is None
    assert "int6" not in registry.kv_dtypes
    assert [dtype.name for dtype in registry.kv_dtypes.values()] == ["int7"]
    assert [(info.name, sentence in (info.error or "")) for info in registry.failures] == [("bad", True)]
    with pytest.raises(KeyError):
        registry.kv_dtypes["int6"]


def test_two_plugins_that_promise_one_name_are_an_error_before_either_is_imported(module, giving) -> None:
    good = module("good", GOOD)
    entries = [giving(name, Later(names=("int6", "six"), load=f"{good}:int6")) for name in ("a", "b")]
    with pytest.raises(PluginError, match=r"KVCacheDtype 'int6' is claimed by both a \(.*and b \("):
        _ = Plugins(entries, disabled=()).kv_dtypes
    assert good not in sys.modules


def test_load_all_finds_what_no_answer_has_asked_for(module, giving) -> None:
    registry = Plugins([giving("bad", Later(names=("int6",), load=f"{module('bad', '')}:int6"))], disabled=())
    registry.load_all()
    assert [info.name for info in registry.failures] == ["bad"]


class Taker(QuantizationScheme):
    """Takes every checkpoint of `fp8`, as DeepSeek V4's scheme does some."""

    name = "taker"
    methods = ("taker",)

    def claims(self, request: QuantizationRequest) -> bool:
        return request.method == "fp8"

    def bind(self, request: QuantizationRequest) -> Quantization:
        return Bound()


class Bound(Quantization):
    name = "taken"

    def format_for(self, module):
        return None


class Fp8(Taker):
    name = "fp8"
    methods = ("fp8",)
    claims = QuantizationScheme.claims


@pytest.mark.parametrize(("claims", "taken"), [(("fp8",), "taker"), ((), "fp8")])
def test_a_scheme_that_may_take_anothers_checkpoint_says_so_with_its_names(
    module, giving, claims: tuple[str, ...], taken: str
) -> None:
    text = f"import sys\nTaker = sys.modules[{__name__!r}].Taker\n"
    later = Later(names=("taker",), load=f"{module('taker', text)}:Taker", claims=claims)
    registry = Plugins([giving("mine", Fp8(), later, hook="vram_quantization_schemes")], disabled=())
    request = QuantizationRequest(method="", config={"quant_method": "fp8"})
    found = resolve(registry.schemes, request)
    assert found is not None
    assert found.scheme.name == taken
