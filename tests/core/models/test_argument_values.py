"""Values of engine arguments that vLLM's own configs refuse (0.33.0 `config/multimodal.py`, `config/speculative.py`)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from vram.errors import InputError
from vram.models.argument_values import number, of_its_kind, one_of, whole
from vram.models.deployment import EngineArgs

VALIDATORS: dict[str, Callable[[], Any]] = {
    "count": whole, "layers": lambda: whole(0), "length": lambda: whole(-1), "share": lambda: number(0, 1, exclusive=True),
    "degrees": lambda: number(-0.5, 2.5), "word": lambda: one_of("a", "b"), "rank": lambda: one_of(1, 8),
}  # fmt: skip


def checked(name: str, value: Any) -> None:
    VALIDATORS[name]()(None, SimpleNamespace(name=name), value)


TAKEN: dict[str, tuple[Any, ...]] = {
    "count": (None, 1, 2**40), "layers": (None, 0, 1, 2**40), "length": (None, -1, 1, 2**40), "share": (None, 1e-9, 1, 1.0, 0.5),
    "degrees": (None, -0.5, 0, 2, 2.5), "word": (None, "a", "b"), "rank": (None, 1, 8),
}  # fmt: skip
REFUSED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "count": ("must be a whole number from 1 to 2^40", (0, -1, 2**40 + 1, True, 1.0, "1", [1])),
    "layers": ("must be a whole number from 0 to 2^40", (-1, False, 0.0)),
    "length": ("must be a whole number from -1 to 2^40", (0, -2, 2**40 + 1)),
    "share": ("must be a number from 0 to 1", (0, 0.0, -1, 1.0000001, True, "0.5", float("nan"), float("inf"))),
    "degrees": ("must be a number from -0.5 to 2.5", (-0.51, 2.51, True)),
    "word": ("must be a, b", ("c", 1, True, ["a"])),
    "rank": ("must be 1, 8", (2, True, "8", 8.0)),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in TAKEN.items() for value in values])
def test_a_validator_takes_what_it_says_up_to_its_ends(name: str, value: Any) -> None:
    checked(name, value)


@pytest.mark.parametrize(
    ("name", "value", "problem"), [(name, value, said) for name, (said, values) in REFUSED.items() for value in values]
)
def test_and_refuses_what_lies_beyond_or_is_of_another_kind(name: str, value: Any, problem: str) -> None:
    with pytest.raises(InputError) as error:
        checked(name, value)
    assert (error.value.data["name"], error.value.data["problem"]) == (name, problem)


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        ("bool | None", [True, False], [0, 1, "true"]),
        ("str | None", ["", "a"], [1, True, ["a"]]),
        ("Sequence[str] | None", [[], ["a"], ("a", "b")], ["a", [1], {"a": 1}, ["a", None]]),
        ("Mapping[str, object] | None", [{}, {"a": 1}], ["a", [], {1: "a"}, {"a": 1, 2: 3}]),
        ("Mapping[str, str] | None", [{}, {"a": "b"}], [{"a": 1}, {1: "a"}, {"a": "b", "c": None}, []]),
        ("int", ["anything", 1], []),
    ],
)
def test_a_value_is_of_the_kind_that_its_annotation_names(kind: str, taken: list[Any], refused: list[Any]) -> None:
    for value in taken:
        assert of_its_kind("x", kind, value) is value
    for value in refused:
        with pytest.raises(InputError, match="must be"):
            of_its_kind("x", kind, value)


@pytest.mark.parametrize(
    ("argument", "value", "named"),
    [
        ("limit_mm_per_prompt", {"image": {"count": "a"}}, "limit_mm_per_prompt.image.count"),
        ("limit_mm_per_prompt", {"image": 1, "video": -1}, "limit_mm_per_prompt.video"),
        ("limit_mm_per_prompt", {"image": {"count": 2**40 + 1}}, "limit_mm_per_prompt.image.count"),
        ("limit_mm_per_prompt", {"text": {"width": 5}}, "limit_mm_per_prompt.text.width"),
        ("eplb_config", {"num_redundant_experts": -1}, "eplb_config.num_redundant_experts"),
        ("eplb_config", {"num_redundant_experts": False}, "eplb_config.num_redundant_experts"),
        ("limit_mm_per_prompt", {"image": True}, "limit_mm_per_prompt.image"),
        ("limit_mm_per_prompt", {"image": None}, "limit_mm_per_prompt.image"),
        ("limit_mm_per_prompt", {"image": 1.5}, "limit_mm_per_prompt.image"),
        ("limit_mm_per_prompt", {"image": [1]}, "limit_mm_per_prompt.image"),
        ("limit_mm_per_prompt", {"image": {"count": 1, "width": 0}}, "limit_mm_per_prompt.image.width"),
        ("limit_mm_per_prompt", {"image": {"count": 1, "num_frames": 8}}, "limit_mm_per_prompt.image.num_frames"),
        ("limit_mm_per_prompt", {"audio": {"length": "long"}}, "limit_mm_per_prompt.audio.length"),
        ("speculative_config", {"model": {"a": 1}, "num_speculative_tokens": 2}, "speculative_config.model"),
        ("speculative_config", {"method": ["mtp"]}, "speculative_config.method"),
        ("speculative_config", {"method": "mtp", "num_speculative_tokens": "two"}, "speculative_config.num_speculative_tokens"),
        ("speculative_config", {"method": "ngram", "prompt_lookup_max": 0}, "speculative_config.prompt_lookup_max"),
        ("speculative_config", {"method": "mtp", "num_speculative_tokens": True}, "speculative_config.num_speculative_tokens"),
    ],
)  # fmt: skip
def test_a_value_inside_json_that_vllm_refuses_is_refused_by_its_place(argument: str, value: Any, named: str) -> None:
    with pytest.raises(InputError) as error:
        EngineArgs.from_mapping({argument: value})
    assert error.value.data["name"] == named


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("limit_mm_per_prompt", {"image": 0, "video": {"count": 2, "num_frames": 32, "width": 512, "height": 512}}),
        ("limit_mm_per_prompt", {"audio": {"length": 48000}, "image": {"width": None, "height": 16}}),
        ("speculative_config", {"method": "eagle3", "model": "a/b", "num_speculative_tokens": 3, "draft_tensor_parallel_size": 1}),
        ("limit_mm_per_prompt", {"image": {"count": 2**40, "width": 1}, "video": {"num_frames": 1}, "text": 3}),
        ("speculative_config", {"model": None, "num_speculative_tokens": 1, "max_model_len": None}),
        ("speculative_config", None),
        ("speculative_config", {}),
        ("limit_mm_per_prompt", None),
        ("eplb_config", {"num_redundant_experts": 0}),
        ("eplb_config", {"window_size": 5}),
        ("eplb_config", None),
    ],
)  # fmt: skip
def test_what_vllm_takes_is_taken(argument: str, value: Any) -> None:
    assert getattr(EngineArgs.from_mapping({argument: value}), argument) == value
