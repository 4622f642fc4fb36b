"""Releases are those whose model_executor/models/registry.py lists the class, read by hand in the sdists of vLLM."""

from __future__ import annotations

import pytest
from tests.command import vram as typed

import vram
from vram.architecture.releases import first_with, last_word_on
from vram.vllm.versions import parse_version

QWEN3 = "Qwen/Qwen3-8B"


@pytest.mark.parametrize(
    ("architecture", "release", "said"),
    [
        ("Qwen3ForCausalLM", "0.8.3", "vLLM 0.8.3 has no Qwen3ForCausalLM: it came with 0.8.4"),
        ("GptOssForCausalLM", "0.10.0", "vLLM 0.10.0 has no GptOssForCausalLM: it came with 0.10.1"),
        ("BambaForCausalLM", "0.24.0", "vLLM 0.24.0 no longer has BambaForCausalLM: 0.24.0 dropped it"),
        ("MPTForCausalLM", "0.33.0", "vLLM 0.33.0 no longer has MPTForCausalLM: 0.29.0 dropped it"),
    ],
)
def test_a_release_without_the_class_is_named_with_the_one_that_has_it(
    architecture: str, release: str, said: str
) -> None:
    assert last_word_on(architecture, parse_version(release)) == said


@pytest.mark.parametrize(
    ("architecture", "release"),
    [
        ("Qwen3ForCausalLM", "0.8.4"),
        ("BambaForCausalLM", "0.23.0"),
        ("LlamaForCausalLM", "0.6.6"),
        ("SmolLM3ForCausalLM", "0.10.0"),  # Transformers 4.53, the oldest allowed there, serves it
        ("Dots1ForCausalLM", "0.33.0"),  # dropped in favour of Transformers' own
        ("Qwen3_5ForConditionalGeneration", "0.16.1"),  # between a release without it and one with it
        ("AClassOfAPlugin", "0.33.0"),
    ],
)
def test_a_release_that_has_it_or_lets_transformers_serve_it_is_not_denied(architecture: str, release: str) -> None:
    assert last_word_on(architecture, parse_version(release)) == ""
    assert first_with(architecture, parse_version(release)) is None


def test_a_model_younger_than_the_release_does_not_start_and_the_release_that_has_it_is_offered() -> None:
    found = vram.estimate(QWEN3, gpu="H100", vllm_version="0.8.3")

    assert not found.verdict.starts
    assert [check.name for check in found.verdict.checks if not check.passed] == ["architecture"]
    assert [dict(change.arguments) for change in found.verdict.changes] == [{"vllm_version": "0.8.4"}]
    assert vram.estimate(QWEN3, gpu="H100", vllm_version="0.8.4").verdict.starts


def test_a_limit_of_a_model_that_the_release_lacks_is_none() -> None:
    found = vram.estimate(QWEN3, gpu="H100", vllm_version="0.8.3")

    assert (found.limits.max_context_at_concurrency, found.limits.max_concurrency_at_context) == (0, 0)
    assert "not in this vLLM" in typed("compare", QWEN3, "--gpu", "H100", "--vllm-version", "0.8.3").stdout
