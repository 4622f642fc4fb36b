"""`vram additions` as a newcomer runs it."""

from __future__ import annotations

import json

from tests.command import vram

ASKED = ("additions", "Qwen/Qwen3-8B", "--gpu", "L40S", "-c", "8192")


def test_each_addition_has_its_flags_and_its_cost() -> None:
    done = vram(*ASKED, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--enable-lora --max-loras 4 --max-lora-rank 64" in done.stdout
    assert "of each GPU's KV cache" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if "speculative" not in line) <= 80


def test_the_flags_work_when_they_are_typed() -> None:
    found = json.loads(vram(*ASKED, "--json").stdout)
    one = next(one for one in found["additions"] if one["name"] == "lora")
    done = vram("estimate", *ASKED[1:], *one["words"].split(), "--json")
    before = found["estimate"]["memory"]["kv_cache_available"]["expected"]
    assert before - json.loads(done.stdout)["memory"]["kv_cache_available"]["expected"] == one["cost_bytes"]


def test_what_does_not_fit_is_told_so() -> None:
    done = vram("additions", "Qwen/Qwen3-32B", "--gpu", "RTX 4090")
    assert done.returncode == 0
    assert "Nothing is offered" in done.stdout
