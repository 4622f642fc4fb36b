"""Every tensor of a layer as vLLM 0.32.0 itself creates it.

`data/vllm_tensors.jsonl` holds vLLM's own answers, asked on the meta device for two-layer Qwen3-8B and
Qwen3-30B-A3B with each kind of quantization block: elements and dtype of each tensor of each module on rank 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vram.models.scheme import ModuleRef, Quantization

from .conftest import dense_layer, moe_layer, reference, stored

_CAPABILITY = {"h100": (9, 0), "a100": (8, 0)}
_KV_HEADS = {"dense": 8, "moe": 4}
_ANSWERS = Path(__file__).parent / "data" / "vllm_tensors.jsonl"
_CASES = [json.loads(line) for line in _ANSWERS.read_text().splitlines()]


def _label(case: dict[str, Any]) -> str:
    return f"{case['base']}-{case['case']}-tp{case['tp']}"


@pytest.mark.parametrize("case", _CASES, ids=_label)
def test_tensors_are_those_vllm_creates(case: dict[str, Any], bind: Callable[..., Quantization]) -> None:
    quantization = bind(case["block"], requested=case["requested"], capability=_CAPABILITY[case["gpu"]])
    layer = dense_layer if case["base"] == "dense" else moe_layer
    modules = {module.name: module for module in (*layer(0), *layer(1))}

    for name, module in modules.items():
        # layer 1 is in the file only where it differs from layer 0
        answer = case["modules"].get(name) or case["modules"][name.replace(".1.", ".0.")]
        form = quantization.format_for(reference(module))
        assert stored(module, form, case["tp"], case["dtype"]) == {k: tuple(v) for k, v in answer.items()}, name


@pytest.mark.parametrize("case", _CASES, ids=_label)
def test_attention_scales_and_the_lm_head_are_as_in_vllm(
    case: dict[str, Any], bind: Callable[..., Quantization]
) -> None:
    quantization = bind(case["block"], requested=case["requested"], capability=_CAPABILITY[case["gpu"]])

    scales = quantization.attention_tensors(_KV_HEADS[case["base"]])
    created = {t.name.rpartition(".")[2]: [t.local_elements(case["tp"]), t.dtype or case["dtype"]] for t in scales}

    assert created == case["attention"]
    head = quantization.format_for(ModuleRef(name="lm_head", kind="lm_head"))
    assert (head is not None) == case["lm_head"]
