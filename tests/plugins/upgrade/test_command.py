"""`vram upgrade` as a newcomer runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import refusal_of, vram

ASKED = ("upgrade", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "-c", "16384")


def test_the_verdicts_come_first_then_figures_side_by_side() -> None:
    done = vram(*ASKED, "--from", "0.10.2", "--to", "0.33", COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("vLLM 0.10.2 → 0.33.0   Qwen/Qwen3-8B on RTX 4090")
    assert lines[1] == "before: starts and fits   after: starts and fits"
    assert "--gpu-memory-utilization 0.9 → 0.92" in done.stdout
    assert max(map(len, lines)) <= 80


def test_json_has_both_answers_and_every_reason() -> None:
    found = json.loads(vram(*ASKED, "--from", "0.10.2", "--json").stdout)
    assert set(found) == {
        "schema_version", "from", "to", "before", "after", "components", "settings", "reasons", "flags", "faults",
    }  # fmt: skip
    assert (found["from"], found["to"]) == ("0.10.2", "0.33.0")
    assert found["before"]["deployment"]["vllm_version"] == "0.10.2"


def test_a_whole_command_says_what_it_is_now_and_what_it_uses() -> None:
    words = ("docker", "run", "vllm/vllm-openai:v0.11.0", "--model", "Qwen/Qwen3-8B", "--swap-space", "8")
    done = vram("upgrade", "--gpu", "L40S", "--", *words)
    assert done.stdout.startswith("vLLM 0.11.0 → 0.33.0")
    assert "--swap-space is gone since 0.18.0; --kv-offloading-size took its place" in " ".join(done.stdout.split())


def test_what_fits_no_more_fails_a_check() -> None:
    """The cache of 0.33 is smaller on this card than that of 0.19.1, whose graphs were taken from nothing."""
    asked = ("upgrade", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--gpu-memory-utilization", "0.9", "--headroom-gib", "0")
    longest = json.loads(vram(*asked, "--from", "0.26.0", "--to", "0.33", "--json").stdout)["before"]["limits"]
    length = str(longest["max_context_at_concurrency"])
    assert vram(*asked, "-c", length, "--from", "0.26.0", "--to", "0.33", "--check").returncode == 1
    assert vram(*asked, "-c", "1024", "--from", "0.26.0", "--to", "0.33", "--check").returncode == 0


def test_without_a_release_it_asks_for_one() -> None:
    assert "--from 0.10.2" in refusal_of(vram(*ASKED))


def test_a_report_is_written(tmp_path: Path) -> None:
    assert vram(*ASKED, "--from", "0.10.2", "--html", tmp_path / "report.html").returncode == 0
    assert "vLLM 0.10.2 → 0.33.0" in (tmp_path / "report.html").read_text()
