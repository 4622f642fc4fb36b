"""The engine's dtype: `config/model.py:_resolve_auto_dtype` case by case."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram.vllm.dtype import resolve_dtype, supported_dtypes

AMPERE, TURING = (8, 0), (7, 5)


@pytest.mark.parametrize(
    ("requested", "checkpoint", "capability", "pooling", "expected"),
    [
        ("auto", "bfloat16", AMPERE, False, "bfloat16"),
        ("auto", "float16", AMPERE, False, "float16"),
        ("auto", "bfloat16", TURING, False, "float16"),  # no bfloat16 before 8.0
        ("auto", "float32", AMPERE, False, "bfloat16"),  # the preferred one of the platform
        ("auto", "float32", TURING, False, "float16"),
        ("auto", "float32", AMPERE, True, "float16"),  # pooling models
        ("auto", "bfloat16", AMPERE, True, "bfloat16"),
        ("auto", "float8_e4m3fn", AMPERE, False, "bfloat16"),  # nothing to compute in
        ("auto", "float8_e4m3fn", AMPERE, True, "bfloat16"),
        ("half", "bfloat16", AMPERE, False, "float16"),
        ("float", "bfloat16", AMPERE, False, "float32"),
        ("bfloat16", "float16", TURING, False, "bfloat16"),  # asked for: refused by a check later, not here
    ],
)
def test_a_dtype(requested: str, checkpoint: str, capability: tuple[int, int], pooling: bool, expected: str) -> None:
    assert resolve_dtype(requested, checkpoint=checkpoint, capability=capability, pooling=pooling) == expected


def test_bfloat16_needs_8_0() -> None:
    assert supported_dtypes((8, 0)) == ("bfloat16", "float16", "float32")
    assert supported_dtypes((8, 9))[0] == supported_dtypes((12, 0))[0] == "bfloat16"
    assert supported_dtypes((7, 9)) == ("float16", "float32")


def test_a_dtype_vllm_does_not_compute_in_is_refused() -> None:
    with pytest.raises(InputError, match="must be auto, float16, bfloat16, float32"):
        resolve_dtype("int8", checkpoint="bfloat16", capability=AMPERE, pooling=False)


def test_float16_is_too_narrow_for_some_models() -> None:
    # vLLM 0.33.0's GPU wheel on a T4: Gemma 2 and 3 in float32
    def resolved(asked: str, capability: tuple[int, int], model_type: str) -> str:
        return resolve_dtype(asked, checkpoint="bfloat16", capability=capability, pooling=False, model_type=model_type)

    assert resolved("auto", (7, 5), "gemma2") == resolved("auto", (7, 5), "gemma3") == "float32"
    assert resolved("auto", (7, 5), "llama") == "float16"
    assert resolved("auto", (8, 0), "gemma3") == "bfloat16"
    with pytest.raises(InputError, match="gemma2"):
        resolved("half", (8, 0), "gemma2")
