"""`vram` against vLLM's own answers: equal to the byte and the token.

`answers.jsonl` is about the bundled catalog, of 0.32.0 and 0.33.0, `rocm_answers.jsonl` the same of 0.33.0 that takes itself for
one on AMD's GPUs, with and without AITER (but for mixtures under AITER whose routing biases are 16-bit there: 0.000005 %),
`registry_answers.jsonl` about every architecture that
vLLM registers (`follow` and `registry.py` record them). What is not equal yet is listed in `unequal.txt`, and must be unequal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import registry
from tests.conformance.comparing import unequal

_HERE = Path(__file__).parent
RECORDED = (
    *registry.read(_HERE / "answers.jsonl"),
    *registry.read(_HERE / "rocm_answers.jsonl"),
    *registry.built(),
)
UNEQUAL = registry.not_equal_yet()


def label(answer: dict[str, Any]) -> str:
    return f"{answer['vllm']} {answer['id']} {answer['gpu']} tp{answer['tp']} {json.dumps(answer['args'])}"


@pytest.mark.parametrize("answer", [a for a in RECORDED if a["id"] not in UNEQUAL], ids=label)
def test_parameters_defaults_and_kv_plan_are_vllms(answer: dict[str, Any]) -> None:
    assert unequal(answer) == {}


@pytest.mark.parametrize("architecture", sorted(UNEQUAL))
def test_an_architecture_that_is_equal_leaves_the_list(architecture: str) -> None:
    assert any(registry.differs(answer) for answer in registry.built() if answer["id"] == architecture)
