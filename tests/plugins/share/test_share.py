"""What `share` proposes starts, model after model, when `estimate --used-gib` is asked in that order; and nothing overflows."""

from __future__ import annotations

import json
import os
import random
import shlex
from typing import Any

import pytest
from tests.command import refusal_of
from tests.command import vram as run

import vram
from vram.errors import InputError, UnknownNameError, VramError
from vram.units import GIB
from vram_plugins.share.records import Sharing, Start
from vram_plugins.share.share import share

DRAWS = int(os.environ.get("VRAM_SHARE_DRAWS", "40"))
MODELS = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B", "Qwen/Qwen3-14B-AWQ", "Qwen/Qwen2.5-VL-7B-Instruct", "BAAI/bge-m3",
    "Qwen/Qwen3-Embedding-0.6B", "deepseek-ai/DeepSeek-V2-Lite", "google/gemma-3-4b-it", "meta-llama/Llama-3.1-8B-Instruct",
    "openai/gpt-oss-20b", "Qwen/Qwen3-30B-A3B",
)  # fmt: skip
GPUS = ("H100", "2xL40S", "A100", "2xRTX 4090", "4xL4", "H200,L40S", "2xA100 40GB")
VERSIONS = ("0.33.0", "0.33.0", "0.29.0", "0.20.0", "0.14.0", "0.10.2", "0.9.1", "0.9.0", "0.8.5", "0.7.3")


def again(start: Start) -> vram.Estimate:
    """The same start as `vram estimate --used-gib` is asked about it."""
    return vram.estimate(
        start.model, gpu=start.gpu, used_gib=start.used_gib, concurrency=start.concurrency, vllm_version=start.vllm_version,
        **start.engine_args,
    )  # fmt: skip


def holds(found: Sharing) -> None:
    """Every start, asked again with what is held before it, surely starts and fits; and nobody holds more than there is."""
    held = {gpu.index: gpu.used_before_bytes for gpu in found.gpus}
    for start in found.starts:
        assert start.used_bytes == max(held[device] for device in start.devices)
        answer = again(start)
        verdict = answer.verdict
        assert (verdict.starts, verdict.fits, verdict.certainty) == (True, True, "likely"), (start, verdict)
        memory = answer.memory
        own = memory.weights.expected + memory.cuda_graphs.expected + memory.non_torch.expected
        if start.vllm_version in {"0.9.0", "0.8.5"}:  # others may be in non-torch memory there
            own -= min(start.used_bytes, memory.non_torch.expected)
        pool = memory.kv_cache_available.expected if answer.kv_cache.groups else 0
        assert start.holds_bytes >= own + pool, start
        assert start.users == answer.limits.max_concurrency_at_context
        for device in start.devices:
            held[device] += start.holds_bytes
    for gpu in found.gpus:
        assert gpu.held_bytes == held[gpu.index] <= gpu.memory_bytes


@pytest.mark.parametrize("draw", range(DRAWS))
def test_what_is_proposed_starts_in_that_order(draw: int) -> None:
    chance = random.Random(draw)
    asked: list[dict[str, Any]] = []
    for model in chance.choices(MODELS, k=chance.randint(1, 4)):
        one: dict[str, Any] = {"model": model, "max_model_len": chance.choice((1024, 4096, 8192))}
        one["concurrency"] = chance.choice((1, 1, 4, 16))
        one["vllm_version"] = chance.choice(VERSIONS)
        if chance.random() < 0.2:
            one["enforce_eager"] = True
        if chance.random() < 0.2:
            one["tensor_parallel_size"] = 2
        asked.append(one)
    used = chance.choice((None, 0.0, 1.5, 6.0))
    try:
        found = share(asked, gpus=chance.choice(GPUS), used_gib=used, fill=chance.random() < 0.4)
    except VramError:
        return  # a release that has not this model, heads that do not divide
    assert found.feasible == (found.obstacle == "")
    holds(found)


def test_most_draws_have_an_answer() -> None:
    """Or the property above would hold of nothing."""
    found = [share([model, "Qwen/Qwen3-0.6B"], gpus="H100", max_model_len=4096) for model in MODELS[:6]]
    assert all(one.feasible for one in found)


def test_two_models_on_one_card_as_everybody_asks() -> None:
    found = share(["Qwen/Qwen3-8B -c 16384 --concurrency 4", "Qwen/Qwen3-Embedding-0.6B"], gpus="L40S")
    assert [start.model for start in found.starts] == ["Qwen/Qwen3-8B", "Qwen/Qwen3-Embedding-0.6B"]
    assert found.starts[0].used_bytes == 0
    assert found.starts[1].used_bytes == found.starts[0].holds_bytes
    holds(found)


def test_one_hundredth_less_would_not_do() -> None:
    for start in share(["Qwen/Qwen3-8B", "Qwen/Qwen3-4B"], gpus="H100", max_model_len=8192).starts:
        less = {**start.engine_args, "gpu_memory_utilization": round(start.gpu_memory_utilization - 0.01, 2)}
        answer = vram.estimate(start.model, gpu=start.gpu, used_gib=start.used_gib, **less).verdict
        assert not (answer.fits and answer.certainty == "likely")


def test_a_release_that_counts_others_in_its_budget_goes_first_and_gets_that_much_more() -> None:
    """V1 to 0.9.0: beside a model that holds 12 GiB, a share of 12 GiB more."""
    models = ["Qwen/Qwen3-0.6B", {"model": "Qwen/Qwen3-4B", "vllm_version": "0.33.0"}]
    found = share(models, gpus="L40S", max_model_len=4096, vllm_version="0.8.5")
    assert [start.vllm_version for start in found.starts] == ["0.8.5", "0.33.0"]
    both = share(["Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B"], gpus="L40S", max_model_len=4096, vllm_version="0.8.5").starts
    alone = share(["Qwen/Qwen3-0.6B"], gpus="L40S", max_model_len=4096, vllm_version="0.8.5").starts[0]
    beside = next(start for start in both if start.model == "Qwen/Qwen3-0.6B")
    more = (beside.gpu_memory_utilization - alone.gpu_memory_utilization) * 44.42 * GIB
    assert beside.used_bytes > 0
    assert more == pytest.approx(beside.used_bytes, abs=0.011 * 44.42 * GIB)
    holds(found)


def test_what_is_left_may_be_given_to_them() -> None:
    asked: dict[str, Any] = {"models": ["Qwen/Qwen3-8B", "Qwen/Qwen3-4B"], "gpus": "L40S", "max_model_len": 8192}
    least, filled = share(**asked), share(**asked, fill=True)
    assert all(more.users > less.users for more, less in zip(filled.starts, least.starts, strict=True))
    assert filled.gpus[0].held_bytes > least.gpus[0].held_bytes
    holds(filled)


def test_a_model_over_two_gpus_shares_both() -> None:
    found = share(["Qwen/Qwen3-32B --tp 2", "Qwen/Qwen3-8B", "Qwen/Qwen3-8B"], gpus="2xH100", max_model_len=8192)
    assert found.starts[0].devices == (0, 1)
    assert {start.devices for start in found.starts[1:]} == {(0,), (1,)}
    holds(found)


def test_a_share_that_is_given_is_kept() -> None:
    found = share(["Qwen/Qwen3-8B --gpu-memory-utilization 0.6", "Qwen/Qwen3-4B"], gpus="H100", max_model_len=8192)
    assert {start.model: start.gpu_memory_utilization for start in found.starts}["Qwen/Qwen3-8B"] == 0.6
    holds(found)


REFUSED = {
    "too much together": ((["Qwen/Qwen3-32B", "Qwen/Qwen3-14B"], "H100"), "together they hold at least"),
    "one that fits nowhere": ((["Qwen/Qwen3-32B"], "L4"), "even alone: CUDA out of memory while loading"),
    "more ranks than GPUs": ((["Qwen/Qwen3-8B --tp 4"], "2xH100"), "takes 4 GPUs of one kind, and there are 2"),
    "pieces that fit no hole": ((["Qwen/Qwen3-14B"] * 3, "3xRTX A6000,L4"), ""),
    "three halves on two": (
        (["Qwen/Qwen3-14B -c 40960 --concurrency 2"] * 3, "2xH100"),
        "cannot be divided over 2 GPUs",
    ),
}


@pytest.mark.parametrize(("asked", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_where_there_is_no_way_the_reason_is_said(asked: tuple[list[str], str], expected: str) -> None:
    found = share(asked[0], gpus=asked[1], max_model_len=4096)
    assert expected in found.obstacle
    assert found.feasible == (not expected)


BAD: dict[str, tuple[dict[str, Any], type[VramError]]] = {
    "no models": ({"models": []}, InputError),
    "no model's name": ({"models": [{"max_model_len": 4096}]}, InputError),
    "a GPU of its own": ({"models": [{"model": "Qwen/Qwen3-8B", "gpu": "L4"}]}, InputError),
    "an unknown flag": ({"models": ["Qwen/Qwen3-8B --contex 5"]}, InputError),
    "an open quote": ({"models": ["Qwen/Qwen3-8B '"]}, InputError),
    "an unknown GPU": ({"gpus": "H10"}, UnknownNameError),
    "too many GPUs": ({"gpus": "999xH100"}, InputError),
    "two figures for one GPU": ({"used_gib": [1.0, 2.0]}, InputError),
    "more than there is": ({"used_gib": 500}, InputError),
}


@pytest.mark.parametrize(("asked", "error"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_an_error(asked: dict[str, Any], error: type[VramError]) -> None:
    with pytest.raises(error):
        share(**{"models": ["Qwen/Qwen3-8B"], "gpus": "H100", **asked})


def test_a_person_reads_the_order_and_commands_that_hold() -> None:
    done = run("share", "Qwen/Qwen3-8B -c 16384 --concurrency 4", "Qwen/Qwen3-Embedding-0.6B", "--gpu", "L40S")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("✓ 2 models share 1 × L40S.")
    commands = [shlex.split(line) for line in lines if "vllm serve" in line]
    assert [words[0] for words in commands] == ["CUDA_VISIBLE_DEVICES=0"] * 2
    assert len({words[words.index("--port") + 1] for words in commands}) == 2
    share_of = commands[0][commands[0].index("--gpu-memory-utilization") + 1]
    asked = ("estimate", "--gpu", "L40S", "--concurrency", "4", "--used-gib", "0", "--check", "--", *commands[0][1:])
    assert run(*asked).returncode == 0
    assert 0 < float(share_of) < 0.92
    assert max(len(line) for line in lines if "vllm serve" not in line) <= 80


def test_json_has_what_estimate_is_told() -> None:
    done = run("share", "Qwen/Qwen3-4B", "Qwen/Qwen3-0.6B", "--gpu", "L4", "-c", "4k", "--used-gib", "0.5", "--json")
    content = json.loads(done.stdout)
    assert content["feasible"]
    assert content["starts"][0]["used_gib"] == 0.5
    assert {start["engine_args"]["max_model_len"] for start in content["starts"]} == {4000}


def test_check_and_a_misspelt_figure() -> None:
    assert run("share", "Qwen/Qwen3-32B", "--gpu", "L4", "--check").returncode == 1
    assert "GiB" in refusal_of("share", "Qwen/Qwen3-8B", "--gpu", "L4", "--used-gib", "some")


def test_a_local_folder_is_served_by_its_path(model_folder: Any) -> None:
    folder = model_folder()
    found = share([f"{folder} -c 2048"], gpus="H100")
    assert shlex.split(found.starts[0].command)[3] == str(folder)
    holds(found)


def test_a_command_sets_the_variables_that_were_counted_on() -> None:
    asked = {"model": "Qwen/Qwen3-8B", "max_model_len": 8192, "environment": {"VLLM_USE_V2_MODEL_RUNNER": "0"}}
    words = shlex.split(share([asked], gpus="L40S").starts[0].command)
    assert words[:4] == ["CUDA_VISIBLE_DEVICES=0", "VLLM_USE_V2_MODEL_RUNNER=0", "vllm", "serve"]
    assert "--environment" not in words
