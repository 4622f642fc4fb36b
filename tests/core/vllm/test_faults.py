"""The list of known faults: what every entry has to be."""

from __future__ import annotations

from typing import Any

import pytest

from vram.ask.asking import ask
from vram.vllm.faults import LATER, Fault, faults, met_by
from vram.vllm.versions import NEWEST, OLDEST

BY_ID = {one.id: one for one in faults()}


def met(model: str = "Qwen/Qwen3-8B", gpu: str = "H100", weights: str = "", **args: Any) -> set[str]:
    question = ask(model, gpu=gpu, **args)
    return {one.id for one in met_by(question.deployment, question.spec, weights)}


@pytest.mark.parametrize("fault", faults(), ids=lambda one: one.id)
def test_an_entry_has_its_own_name_a_range_of_releases_and_a_source(fault: Fault) -> None:
    assert BY_ID[fault.id] is fault
    assert OLDEST <= fault.since <= NEWEST
    assert fault.since < fault.until
    assert fault.until == LATER or fault.until <= NEWEST
    assert len(fault.source) > 10
    assert fault.effect[-1] not in ".;,"


@pytest.mark.parametrize("fault", faults(), ids=lambda one: one.id)
def test_every_condition_can_be_asked_of_a_deployment(fault: Fault) -> None:
    version = ".".join(map(str, fault.since))
    question = ask("Qwen/Qwen3-8B", gpu="H100", vllm_version=version)
    assert fault not in met_by(question.deployment, question.spec, "")  # and none is met by everybody


def test_an_ordinary_deployment_meets_none() -> None:
    assert met() == set()
    assert met("Qwen/Qwen3-30B-A3B", tensor_parallel_size=2) == set()
    assert met("openai/gpt-oss-120b", "B200") == set()


def test_a_sentence_tells_releases_effect_and_direction() -> None:
    assert str(BY_ID["b12x-workspace"]) == (
        "vLLM from 0.25.0 on: this kernel of experts takes a workspace while vLLM measures: 11.47 GiB were seen on a 96 GB "
        "card; the cache has less memory than said here."
    )
    assert str(BY_ID["sleep-mode-uncounted"]).startswith("vLLM from 0.17.0 to before 0.27.0: with sleep mode")


def test_a_range_ends_where_the_fault_does() -> None:
    found = [met(enable_sleep_mode=True, vllm_version=v) for v in ("0.16.0", "0.17.0", "0.26.0", "0.27.0")]
    assert [bool(one) for one in found] == [False, True, True, False]


def test_a_pattern_is_held_against_each_variable() -> None:
    asked = {
        "vllm_version": "0.20.2",
        "environment": {"VLLM_USE_FLASHINFER_MOE_FP8": "1", "VLLM_LOGGING_LEVEL": "DEBUG"},
    }
    assert met("Qwen/Qwen3-30B-A3B", **asked) == {"variable-moe-kernels"}
    assert met("Qwen/Qwen3-8B", **asked) == set()  # no experts
    assert met("Qwen/Qwen3-30B-A3B", **{**asked, "environment": {"VLLM_USE_FLASHINFER_MOE_FP8": "0"}}) == set()
