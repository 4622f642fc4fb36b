"""`vram plan` as a newcomer runs it."""

from __future__ import annotations

import json

import pytest
from tests.command import refusal_of, vram


def test_a_plan_says_the_verdict_first_and_gives_a_command_on_one_line() -> None:
    done = vram("plan", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--concurrency", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("✓ 1 × RTX 4090")
    line = next(line for line in done.stdout.splitlines() if line.startswith("vllm serve"))
    assert "--max-model-len" in line
    assert "--gpu-memory-utilization" in line


def test_explain_gives_each_flags_reason() -> None:
    done = vram("plan", "Qwen/Qwen3-8B", "--gpu", "H100", "--prompt-tokens", "3000", "--gen-tokens", "700", "--explain")
    assert "3,000 prompt + 700 generated tokens" in " ".join(done.stdout.split())


def test_the_json_of_a_plan_is_estimated_again_by_its_own_flags() -> None:
    plan = json.loads(vram("plan", "Qwen/Qwen3-32B", "--gpu", "L40S", "--concurrency", "4", "--json").stdout)
    found = plan["recommendation"]
    words = found["command"].split()[3:]
    users = found["estimate"]["deployment"]["concurrency"]
    done = vram("estimate", found["model"], "--gpu", found["gpu"], "--concurrency", users, *words, "--check")
    assert done.returncode == 0, done.stdout


def test_a_no_names_what_would_fit_and_exits_with_1_where_asked() -> None:
    asked = ("plan", "deepseek-ai/DeepSeek-R1", "--gpu", "H100", "--gpus", "8")
    assert vram(*asked).returncode == 0
    done = vram(*asked, "--check")
    assert done.returncode == 1
    assert done.stdout.startswith("✗ no")
    assert "Nearest that fits" in done.stdout
    assert "vllm serve deepseek-ai/DeepSeek-R1" in done.stdout


BAD = {
    "an unknown GPU": (("plan", "Qwen/Qwen3-8B", "--gpu", "H10"), "Did you mean H100"),
    "no GPU": (("plan", "Qwen/Qwen3-8B"), "say which GPU"),
    "a mode that is none": (("plan", "Qwen/Qwen3-8B", "--gpu", "H100", "--batching-mode", "fast"), "fast"),
    "a link that is none": (("plan", "Qwen/Qwen3-8B", "--gpu", "H100", "--interconnect", "wet string"), "nvlink, pcie"),
}


@pytest.mark.parametrize(("arguments", "expected"), BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_clear_sentence_and_exit_code_2(arguments: tuple[str, ...], expected: str) -> None:
    assert expected in refusal_of(*arguments)


def test_vllms_own_batch_is_tried_where_a_smaller_one_leaves_too_little_for_graphs() -> None:
    # 16 GB at 0.97: with 16 sequences graphs may find too little, with vLLM's 256 what sampling gives back is enough
    asked = (
        "Qwen/Qwen1.5-0.5B-Chat",
        "--gpu",
        "L40S-16C",
        "--max-model-len",
        "8192",
        "--gpu-memory-utilization",
        "0.97",
    )
    plan = json.loads(vram("plan", *asked, "--json").stdout)
    assert plan["recommendation"]["gpus"] == 1
    assert "max_num_seqs" not in plan["recommendation"]["engine_args"]
