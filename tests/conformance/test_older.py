"""`vram` against older releases of vLLM: 0.9.2, 0.10.2, 0.11.2 and 0.20.2, each about shapes of the catalog on A100 and H100.

`older_answers.jsonl` was recorded by `ask_vllm.py` from their CPU builds (V1 engine), with 24 GiB for the cache. What differs is listed
with its cause and must differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conformance import registry
from tests.conformance.comparing import unequal

ANSWERS = [
    {"args": {}, "available_gib": 24, **answer}
    for answer in registry.read(Path(__file__).with_name("older_answers.jsonl"))
]
_BACKEND = (
    "transformers' backend: what of its attention and frequencies was registered differed; 256 or 576 bytes too much"
)
_LATENT = "latent attention registered fp8 scales that were never used, and the router's correction was in bf16 in 0.9: 29 kB at most"
_SIGLIP = "SigLIP's positions were divided over tensor-parallel ranks before 0.14: 4.7 MB too much"
_GPTQ = "which of Qwen3.5's layers GPTQ left whole was read differently: up to 0.4 % too much"
#: model and release: why parameters differ
DIFFERENT = {
    ("HuggingFaceTB/SmolLM3-3B", "0.10.2"): _BACKEND,
    ("HuggingFaceTB/SmolLM3-3B", "0.11.2"): _BACKEND,
    ("HuggingFaceTB/SmolLM3-3B", "0.20.2"): _BACKEND,
    ("deepseek-ai/DeepSeek-R1", "0.9.2"): _LATENT,
    ("deepseek-ai/DeepSeek-R1", "0.10.2"): _LATENT,
    ("google/gemma-3-12b-it", "0.9.2"): _SIGLIP,
    ("google/gemma-3-12b-it", "0.10.2"): _SIGLIP,
    ("google/gemma-3-12b-it", "0.11.2"): _SIGLIP,
    ("Qwen/Qwen3.5-397B-A17B-GPTQ-Int4", "0.20.2"): _GPTQ,
}


def where(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["id"], answer["vllm"]


def label(answer: dict[str, Any]) -> str:
    return f"{answer['vllm']} {answer['id']} {answer['gpu']} tp{answer['tp']}"


@pytest.mark.parametrize("answer", [one for one in ANSWERS if where(one) not in DIFFERENT], ids=label)
def test_an_older_release_is_answered_as_it_answers(answer: dict[str, Any]) -> None:
    assert unequal(answer) == {}


@pytest.mark.parametrize("different", DIFFERENT, ids=" ".join)
def test_what_differs_is_parameters_alone_and_little(different: tuple[str, str]) -> None:
    found = [(one, unequal(one)) for one in ANSWERS if where(one) == different]
    assert any(differs for _, differs in found)
    for _, differs in found:
        assert set(differs) <= {"parameter_bytes"}
        for want, got in differs.values():
            assert got[0] / want[0] == pytest.approx(1, rel=0.004)
