"""The contract tests: what is a plugin at all, and that the built-in ones keep the contracts. Mistakes are in `test_mistakes.py`."""

from __future__ import annotations

import tomllib
import types
from pathlib import Path

import pytest

from vram import hookimpl
from vram.models.later import Later
from vram.models.scheme import Format, Quantization, QuantizationScheme, StoredTensor
from vram.testing import check_plugin, problems_of

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
BUILT_IN = sorted(PROJECT["project"]["entry-points"]["vram"].values())


def plugin(**hooks: object) -> types.SimpleNamespace:
    """An object with hooks that give what is given."""
    made = types.SimpleNamespace()
    for name, gives in hooks.items():
        setattr(made, name, hookimpl(lambda gives=gives: gives))
    return made


class OneByte(Format):
    bits_per_weight = 8.0

    def linear(self, shape):
        return (StoredTensor(name="w", elements=shape.rows * shape.inputs, dtype="uint8"),)

    def experts(self, shape):
        weights = shape.experts * shape.hidden_size * (shape.up_rows + shape.intermediate_size)
        return (StoredTensor(name="w", elements=weights, dtype="uint8"),)


class Bound(Quantization):
    name = "taking"

    def format_for(self, module):
        return OneByte()


class Taking(QuantizationScheme):
    name = "taking"
    methods = ("taking",)

    def claims(self, request):
        return True

    def bind(self, request):
        return Bound()


WRONG = {
    "no hook": (types.SimpleNamespace(), "no function is marked"),
    "a hook nobody knows": (plugin(vram_no_such_hook=[]), "vram_no_such_hook is no hook"),
    "a missing module": ("no_such_module_anywhere", "cannot be imported"),
    "a Later that does not say whose checkpoints it takes": (
        plugin(vram_quantization_schemes=[Later(names=("taking",), load=f"{__name__}:Taking")]),
        "say in Later(claims=...)",
    ),
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
