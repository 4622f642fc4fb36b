"""`vram performance` as a newcomer runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.command import refusal_of
from tests.command import vram as run

import vram

from .test_bench import PRINTED, RESULT


def command(*arguments: object, home: Path | None = None) -> CompletedProcess[str]:
    return run("performance", *arguments, COLUMNS="120", **({"VRAM_HOME": str(home)} if home else {}))


def test_the_answer_is_that_of_the_library(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    done = command(folder, "--gpu", "H100", "--prompt-tokens", 500, "--gen-tokens", 100, "--concurrency", 4, "--json")
    assert done.returncode == 0, done.stderr
    asked = vram.performance(folder, gpu="H100", prompt_tokens=500, gen_tokens=100, concurrency=4)
    assert json.loads(done.stdout) == json.loads(json.dumps(asked.to_dict()))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--concurrency", 8), "8 clients"),
        (("--concurrency", 80, "--burst"), "80 requests of 1,000 prompt and 200 output tokens at once"),
        (("--request-rate", 2.5), "at 2.5 per second"),
    ],
)
def test_the_text_says_which_load_is_meant(
    model_folder: Callable[..., Path], flags: tuple[object, ...], said: str
) -> None:
    done = command(model_folder(), "--gpu", "H100", *flags)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert said in first
    assert any(line.startswith("time per output token, ms") for line in rest)
    assert "requests/s in the long run" in done.stdout


def test_a_benchmark_stands_beside_the_model_and_corrects_it(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder, bench, log = model_folder(), tmp_path / "bench.json", tmp_path / "bench.log"
    bench.write_text(json.dumps(RESULT))
    log.write_text(PRINTED)
    asked = (folder, "--gpu", "H100", "--measured", bench, "--measured", log)
    done = command(*asked, "--save", "mine", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {each["where"] for each in found["figures"]} == {"bench.json", "bench.log"}
    assert set(found["corrections"]) == {f"speed_{n}" for n in ("bandwidth", "flops", "step_us", "link", "client_ms")}
    off = [
        max(each["measured"] / each[of], each[of] / each["measured"])
        for of in ("expected", "corrected")
        for each in found["figures"]
    ]
    half = len(off) // 2
    assert sum(off[half:]) < sum(off[:half])
    assert Path(found["saved"]).parent == tmp_path / "profiles"

    next_time = command(folder, "--gpu", "H100", "--concurrency", 16, "--profile", "mine", "--json", home=tmp_path)
    assert next_time.returncode == 0, next_time.stderr
    plain = vram.performance(folder, gpu="H100", prompt_tokens=1000, gen_tokens=200, concurrency=16)
    assert json.loads(next_time.stdout)["tpot_ms"]["expected"] != pytest.approx(plain.tpot_ms.expected, rel=1e-3)
    # memory is as it was
    estimates = [
        run("estimate", folder, "--gpu", "H100", "--json", *flags, VRAM_HOME=str(tmp_path)).stdout
        for flags in ((), ("--profile", "mine"))
    ]
    plain_memory, saved_memory = (json.loads(text)["memory"] for text in estimates)
    assert plain_memory == saved_memory


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--save", "mine"), "nothing was measured"),
        (("--request-rate", -1), "requests per second"),
        (("--request-rate", 2, "--burst"), "mutually exclusive"),
        (("--prompt-tokens", 0), "whole number"),
        (("--measured", "no such file"), "No such file"),
    ],
)
def test_bad_input_is_one_sentence(model_folder: Callable[..., Path], flags: tuple[object, ...], said: str) -> None:
    assert said in refusal_of(command(model_folder(), "--gpu", "H100", *flags))
