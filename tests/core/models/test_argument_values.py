"""Values of engine arguments that vLLM's own configs refuse (0.33.0 `config/multimodal.py`, `config/speculative.py`)."""

from __future__ import annotations

from typing import Any

import pytest

from vram.errors import InputError
from vram.models.deployment import EngineArgs


@pytest.mark.parametrize(
    ("argument", "value", "named"),
    [
        ("limit_mm_per_prompt", {"image": {"count": "a"}}, "limit_mm_per_prompt.image.count"),
        ("limit_mm_per_prompt", {"image": 1, "video": -1}, "limit_mm_per_prompt.video"),
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
        ("speculative_config", None),
    ],
)  # fmt: skip
def test_what_vllm_takes_is_taken(argument: str, value: Any) -> None:
    assert getattr(EngineArgs.from_mapping({argument: value}), argument) == value
