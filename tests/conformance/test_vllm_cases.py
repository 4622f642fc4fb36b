"""The situations and expected numbers of vLLM's own tests (0.33.0), asked of `vram`.

A case that `vram` is known to answer otherwise carries its cause, and fails here when that is no longer so.
`python -m tests.conformance.vllm_cases_total` counts them.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.vllm_cases_reading import cases, differences


def label(case: dict[str, Any]) -> str:
    return f"{case['kind']}-{case['number']}-{case['at'].rpartition('::')[2].rpartition('/')[2]}"


@pytest.mark.parametrize("case", list(cases()), ids=label)
def test_vram_answers_as_vllms_own_test_expects(case: dict[str, Any]) -> None:
    found = differences(case)
    if "cause" in case:
        assert found, "agrees now: its cause can go"
    else:
        assert not found
