"""`vram compare` as a newcomer runs it."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command import COMMAND, refusal_of, vram


def test_least_hardware_is_the_first_line_of_a_comparison() -> None:
    done = vram("compare", "Qwen/Qwen3-32B", "--gpu", "RTX 4090,L40S", "--gpu", "H100", "-c", "8192")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Least hardware for Qwen/Qwen3-32B, 1 × 8,192 tokens: ")


def test_several_models_are_a_grid_of_how_many_gpus_each_needs() -> None:
    done = vram("compare", "Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "--gpu", "L40S,H100")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith("Qwen/")}
    assert rows["Qwen/Qwen3-8B"] == ["1", "1"]
    assert rows["Qwen/Qwen3-32B"][0] == "2"  # 61 GiB of weights on 44 GiB cards


def test_prices_name_the_cheapest(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('H100 = 2.5\nL40S = 0.9\n"RTX A6000" = 0.35\n')
    done = vram(
        "compare", "Qwen/Qwen3-32B", "--gpu", "H100,L40S,RTX A6000", "-c", "4096", "--prices", tmp_path / "prices.toml"
    )
    assert "Cheapest for Qwen/Qwen3-32B, 1 × 4,096 tokens: 2 × RTX A6000, 0.70 per hour" in " ".join(
        done.stdout.split()
    )


def test_csv_and_json_have_every_cell() -> None:
    asked = ("compare", "Qwen/Qwen3-8B", "--gpu", "L4,H100", "--counts", "1,2", "--kv-cache-dtypes", "auto,fp8")
    rows = list(csv.DictReader(io.StringIO(vram(*asked, "--csv").stdout)))
    content = json.loads(vram(*asked, "--json").stdout)
    assert len(rows) == len(content["rows"]) == 8
    assert content["smallest"][0]["gpu"] == rows[0]["gpu"]


def test_check_tells_that_nothing_fits() -> None:
    done = vram("compare", "deepseek-ai/DeepSeek-R1", "--gpu", "L4", "--counts", "1", "--check")
    assert done.returncode == 1
    assert "fits on none" in done.stdout


BAD = {
    "counts that are none": (("compare", "Qwen/Qwen3-8B", "--gpu", "H100", "--counts", "some"), "whole numbers"),
    "no prices": (("compare", "Qwen/Qwen3-8B", "--gpu", "H100", "--prices", "none.toml"), "does not exist"),
    "no model": (("compare", "--gpu", "H100"), "MODEL"),
}


@pytest.mark.parametrize(("arguments", "expected"), BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_clear_sentence_and_exit_code_2(arguments: tuple[str, ...], expected: str) -> None:
    assert expected in refusal_of(*arguments)


def test_a_long_comparison_is_interrupted_without_a_traceback(model_folder: Callable[..., Path]) -> None:
    kinds = "none,fp8,awq,gptq,bitsandbytes"
    counts = ",".join(map(str, range(1, 65)))
    asked = (
        *COMMAND,
        "compare",
        str(model_folder()),
        "--counts",
        counts,
        "--quantizations",
        kinds,
        "--kv-cache-dtypes",
        "auto,fp8",
    )
    running = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)  # 70,000 cells take longer
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 130
    assert stderr.strip() == "Interrupted."
