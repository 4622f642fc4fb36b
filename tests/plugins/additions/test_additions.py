"""What a deployment could have besides: each cost is that of the same question asked with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vram
from vram_plugins.additions.additions import additions
from vram_plugins.additions.records import Addition, Additions

#: Llama 3.1 8B: a slot of rank r has r × (in + out) elements of every linear layer that LoRA reaches
LAYERS, HIDDEN, KV, MLP, VOCABULARY = 32, 4096, 1024, 14336, 128256
LORA_ELEMENTS = LAYERS * (
    3 * HIDDEN
    + HIDDEN
    + 2 * KV  # q, k and v: their input three times, and their outputs
    + 2 * HIDDEN  # o
    + 2 * HIDDEN
    + 2 * MLP  # gate and up
    + MLP
    + HIDDEN  # down
) + 2 * (HIDDEN + VOCABULARY)  # fmt: skip  embedding and head


@pytest.fixture
def found(model_folder: Callable[..., Path]) -> Callable[..., Additions]:
    """Of Llama 3.1 8B on an L40S."""

    def make(**asked: Any) -> Additions:
        return additions(model_folder(), **{"gpu": "L40S", "max_model_len": 4096, "concurrency": 2, **asked})

    return make


def named(found: Additions, name: str) -> list[Addition]:
    return [one for one in found.additions if one.name == name]


def test_each_cost_is_that_of_the_question_asked_with_it(
    found: Callable[..., Additions], model_folder: Callable[..., Path]
) -> None:
    answered = found()
    asked = {"gpu": "L40S", "max_model_len": 4096, "concurrency": 2}
    before = vram.estimate(model_folder(), **asked).memory.kv_cache_available.expected
    assert answered.additions
    for one in answered.additions:
        seen = vram.estimate(model_folder(), **asked, **one.arguments)
        assert one.cost_bytes == before - seen.memory.kv_cache_available.expected
        assert (one.limits, one.fits) == (seen.limits, seen.verdict.fits)


def test_lora_slots_are_counted(found: Callable[..., Additions]) -> None:
    """Two bytes for each element of a slot."""
    small, large = named(found(), "lora")
    slots = [(one.arguments["max_loras"], one.arguments["max_lora_rank"]) for one in (small, large)]
    assert slots == [(1, 16), (4, 64)]
    assert large.cost_bytes - small.cost_bytes == pytest.approx((4 * 64 - 16) * 2 * LORA_ELEMENTS, rel=0.001)


def test_sleep_mode_takes_the_weights_of_ram(found: Callable[..., Additions]) -> None:
    """`CuMemAllocator.sleep` copies what is tagged as weights to pinned memory; its rounding on the GPU is not counted, and said."""
    answered = found()
    (one,) = named(answered, "sleep_mode")
    assert one.host_bytes == answered.estimate.ranks[0].weights_bytes
    assert one.unmodelled is not None
    assert "of RAM while it sleeps" in one.costs


def test_over_gpus_each_keeps_its_own(found: Callable[..., Additions]) -> None:
    answered = found(tensor_parallel_size=2)
    (one,) = named(answered, "sleep_mode")
    assert one.host_bytes == 2 * answered.estimate.ranks[0].weights_bytes


def test_a_draft_is_offered_where_there_is_one(found: Callable[..., Additions]) -> None:
    """Llama has no prediction layers; GLM-4.5 has one."""
    assert [one.arguments["speculative_config"]["method"] for one in named(found(), "draft")] == ["ngram"]
    own = additions("zai-org/GLM-4.5-Air", gpu="H200", tensor_parallel_size=4, max_model_len=4096)
    drafts = {one.arguments["speculative_config"]["method"]: one for one in named(own, "draft")}
    assert set(drafts) == {"mtp", "ngram"}
    assert drafts["mtp"].cost_bytes > drafts["ngram"].cost_bytes


def test_what_is_there_is_not_offered_again(found: Callable[..., Additions]) -> None:
    given = found(
        enable_lora=True, enable_sleep_mode=True, speculative_config={"method": "ngram", "num_speculative_tokens": 2}
    )
    assert given.additions == ()


def test_a_release_without_it_is_not_offered_it(found: Callable[..., Additions]) -> None:
    """Sleep mode came with 0.7."""
    assert named(found(vllm_version="0.6.6"), "sleep_mode") == []
    assert named(found(vllm_version="0.7.3"), "sleep_mode")


def test_a_draft_is_offered_to_releases_that_take_the_flag(found: Callable[..., Additions]) -> None:
    """`--speculative-config` came with 0.8.2."""
    assert named(found(vllm_version="0.7.3"), "draft") == []
    assert named(found(vllm_version="0.9.2"), "draft")


def test_what_does_not_fit_is_offered_nothing(found: Callable[..., Additions]) -> None:
    answered = found(concurrency=5000)
    assert answered.additions == ()
    assert answered.problem is not None


def test_an_addition_too_large_says_so_and_what_it_would_take(model_folder: Callable[..., Path]) -> None:
    """As many requests as fit: with four adapters of rank 64 one less does, and a search says what then."""
    asked = {"gpu": "L40S", "max_model_len": 4096}
    users = vram.max_concurrency(model_folder(), **asked)
    large = named(additions(model_folder(), **asked, concurrency=users), "lora")[-1]
    assert not large.fits
    assert large.costs.startswith("does not fit any more")
    for words in large.changes:
        assert words


def test_pooling_models_are_offered_neither_adapters_nor_drafts() -> None:
    answered = additions("BAAI/bge-m3", gpu="L4")
    assert {one.name for one in answered.additions} <= {"sleep_mode"}


def test_the_answer_is_plain_data(found: Callable[..., Additions]) -> None:
    answer = json.loads(json.dumps(found().to_dict()))
    assert set(answer) == {"schema_version", "estimate", "additions", "problem"}
    assert set(answer["additions"][0]) == {
        "name", "what", "arguments", "words", "costs", "cost_bytes", "host_bytes", "limits", "fits", "refusal", "unmodelled",
        "changes",
    }  # fmt: skip
