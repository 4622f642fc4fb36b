"""--used-gib: every command that answers for a deployment counts what other processes hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command import refusal_of, vram

BESIDE = ("--gpu", "L40S", "--used-gib", "20")


def test_estimate_says_what_is_held_and_names_a_share_that_starts() -> None:
    done = vram("estimate", "Qwen/Qwen3-8B", *BESIDE, "-c", "8192")
    assert "Free memory on device (23.92/44.42 GiB)" in done.stdout
    assert any(line.split() == ["other", "processes", "20.00"] for line in done.stdout.splitlines())
    assert "--gpu-memory-utilization 0.53" in done.stdout


def test_the_json_has_it() -> None:
    content = json.loads(vram("estimate", "Qwen/Qwen3-8B", *BESIDE, "--json").stdout)
    assert content["deployment"]["used_memory_bytes"] == 20 * 2**30
    without = json.loads(vram("estimate", "Qwen/Qwen3-8B", "--gpu", "L40S", "--json").stdout)
    assert without["deployment"]["used_memory_bytes"] is None


@pytest.mark.parametrize(
    "asked",
    [
        ("max-context", "Qwen/Qwen3-8B", "--check"),
        ("max-concurrency", "Qwen/Qwen3-8B", "-c", "4096", "--check"),
        ("quantizations", "Qwen/Qwen3-8B", "--check"),
        ("compare", "Qwen/Qwen3-8B", "-c", "4096", "--counts", "1", "--check"),
    ],
    ids=lambda asked: asked[0],
)
def test_the_others_refuse_and_answer_alike(asked: tuple[str, ...]) -> None:
    """40.87 GiB of budget are not free beside 20; half of it is."""
    assert vram(*asked, *BESIDE).returncode == 1
    assert vram(*asked, *BESIDE, "--gpu-memory-utilization", "0.5").returncode == 0


def test_a_plan_and_its_files_take_no_more_than_there_is(tmp_path: Path) -> None:
    plan = json.loads(vram("plan", "Qwen/Qwen3-8B", *BESIDE, "--gpus", "1", "-c", "4096", "--json").stdout)
    assert plan["recommendation"]["engine_args"]["gpu_memory_utilization"] <= 0.53
    done = vram("generate", "Qwen/Qwen3-8B", *BESIDE, "-c", "4096", "-o", tmp_path, "--check")
    assert done.returncode == 1


def test_a_profile_file_keeps_it(tmp_path: Path) -> None:
    asked = ("Qwen/Qwen3-8B", *BESIDE, "-c", "4096", "--gpu-memory-utilization", "0.5")
    assert vram("generate", *asked, "-o", tmp_path, "--emit", "profile").returncode == 0
    assert "used_gib: 20" in (tmp_path / "profile.yaml").read_text()
    saved = json.loads(vram("estimate", "-p", tmp_path / "profile.yaml", "--json").stdout)
    assert saved == json.loads(vram("estimate", *asked, "--json").stdout)


def test_more_than_there_is_is_one_sentence() -> None:
    assert "used_gib" in refusal_of("estimate", "Qwen/Qwen3-8B", "--gpu", "L4", "--used-gib", "30")
