"""Dimensions given by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram.checkpoint.manual import manual_checkpoint
from vram.errors import InputError

from .building import outcome


def test_what_is_given_is_kept_and_nothing_is_guessed() -> None:
    checkpoint = manual_checkpoint(
        params_billion=8.2, quantization="fp8", layers=36, kv_heads=8, head_dim=128, vision_gib=1.5
    )

    assert checkpoint.source == "manual"
    assert checkpoint.manual is not None
    assert checkpoint.parameters == checkpoint.manual.parameters == 8_200_000_000
    assert (checkpoint.manual.layers, checkpoint.manual.kv_heads, checkpoint.manual.head_dim) == (36, 8, 128)
    assert checkpoint.manual.hidden_size is None
    assert checkpoint.manual.vision_bytes == 3 * 2**29  # 1.5 GiB
    assert checkpoint.quantization == {"quant_method": "fp8"}
    assert checkpoint.config.integer("num_hidden_layers") == 36


def test_the_head_dimension_follows_from_hidden_size_and_heads() -> None:
    checkpoint = manual_checkpoint(params_billion=8, hidden_size=4096, attention_heads=32)

    assert checkpoint.manual is not None
    assert checkpoint.manual.head_dim == 128


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"params_billion": 0}, "params-billion: must be more than 0"),
        ({"params_billion": -8}, "must be more than 0"),
        ({"params_billion": float("nan")}, "must be a number"),
        ({"params_billion": float("inf")}, "at most 100,000"),
        ({"params_billion": 10**400}, "at most 100,000"),
        ({"params_billion": True}, "must be a number"),
        ({"params_billion": "8"}, "must be a number"),
        ({"layers": 0}, "layers: must be between 1 and 2,000"),
        ({"layers": -1}, "must be between"),
        ({"layers": 10**9}, "must be between"),
        ({"kv_heads": 2.5}, "kv-heads: must be an integer"),
        ({"vision_gib": -1}, "vision-gib: must be at least 0"),
        ({"kv_heads": 16, "attention_heads": 8}, "must not exceed attention_heads = 8"),
        ({"experts": 8, "experts_per_token": 9}, "must not exceed experts = 8"),
        ({"experts_per_token": 2}, "needs --experts"),
        ({"params_billion": 0.1, "vocab_size": 150_000, "hidden_size": 4096}, "less than the vocabulary"),
    ],
)
def test_numbers_that_cannot_be_are_refused(numbers: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        manual_checkpoint(**{"params_billion": 8, **numbers})  # type: ignore[arg-type]


_number = st.none() | st.integers() | st.floats() | st.booleans() | st.text(max_size=3)


@given(st.fixed_dictionaries({"params_billion": _number, "vision_gib": _number, "layers": _number, "experts": _number}))
def test_any_numbers_are_taken_or_refused(numbers: dict[str, object]) -> None:
    assert outcome(lambda: manual_checkpoint(**numbers))  # type: ignore[arg-type]
