"""A flag of vLLM that decides memory in a way no rule here knows is named in the answer, with its direction, wherever it is given."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import vram
from vram.cli import cli
from vram.models.serve_flags import Flag, serve_flags
from vram_plugins.check.checking import check

#: the newest release below each in which a flag left
BEFORE = {
    (0, 7, 0): "0.6.6", (0, 10, 0): "0.9.2", (0, 10, 1): "0.10.0", (0, 10, 2): "0.10.1", (0, 11, 1): "0.11.0", (0, 12, 0): "0.11.2",
    (0, 28, 0): "0.27.1", (0, 30, 0): "0.29.0", (0, 31, 0): "0.30.0",
}  # fmt: skip
VALUES: dict[str, Any] = {
    "attention_config": {"use_cudnn_prefill": True},
    "kernel_config": {"enable_flashinfer_autotune": True},
}
RELEASES: dict[str, list[Flag]] = {}
for _flag in serve_flags().values():
    if _flag.effect == "decides":
        RELEASES.setdefault("0.33.0" if _flag.gone is None else BEFORE[_flag.gone], []).append(_flag)


def value_of(flag: Flag) -> Any:
    if flag.name in VALUES:
        return VALUES[flag.name]
    return True if flag.takes == "switch" else ["a", "b"] if flag.takes == "many" else "x"


def words_of(flags: Sequence[Flag]) -> list[str]:
    words: list[str] = []
    for flag in flags:
        value = value_of(flag)
        texts = value if isinstance(value, list) else [json.dumps(value)] if isinstance(value, dict) else [str(value)]
        words += [flag.spelling, *(() if value is True else texts)]
    return words


def estimated(*words: str) -> list[str]:
    told = CliRunner().invoke(cli, ["estimate", "--gpu=H100", "--json", *words])
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)["left_out"]


def by_the_library(flags: Sequence[Flag], release: str, folder: Path) -> Sequence[str]:
    del folder
    given = {flag.name: value_of(flag) for flag in flags}
    return vram.estimate("Qwen/Qwen3-8B", gpu="H100", vllm_version=release, **given).left_out


def by_options(flags: Sequence[Flag], release: str, folder: Path) -> Sequence[str]:
    del folder
    spelt = [words_of([flag]) for flag in flags]
    words = [one[0] if len(one) == 1 else f"{one[0]}={' '.join(one[1:])}" for one in spelt]
    return estimated("Qwen/Qwen3-8B", f"--vllm-version={release}", *words)


def by_a_pasted_command(flags: Sequence[Flag], release: str, folder: Path) -> Sequence[str]:
    del folder
    return estimated(f"--vllm-version={release}", "--", "vllm", "serve", "Qwen/Qwen3-8B", *words_of(flags))


def by_a_compose_file(flags: Sequence[Flag], release: str, folder: Path) -> Sequence[str]:
    service = {"image": f"vllm/vllm-openai:v{release}", "command": ["--model", "Qwen/Qwen3-8B", *words_of(flags)]}
    (folder / "compose.yaml").write_text(json.dumps({"services": {"chat": service}}))
    return estimated(f"--from-file={folder / 'compose.yaml'}")


def by_a_python_call(flags: Sequence[Flag], release: str, folder: Path) -> Sequence[str]:
    given = ", ".join(f"{flag.name}={value_of(flag)!r}" for flag in flags)
    (folder / "serve.py").write_text(f'from vllm import LLM\nLLM(model="Qwen/Qwen3-8B", {given})\n')
    return estimated(f"--vllm-version={release}", f"--from-file={folder / 'serve.py'}")


def by_a_folder_that_is_checked(flags: Sequence[Flag], release: str, folder: Path) -> Sequence[str]:
    (folder / "serve.sh").write_text(f"#!/bin/sh\nvllm serve Qwen/Qwen3-8B {shlex.join(words_of(flags))}\n")
    (finding,) = check([folder], gpu=["H100"], vllm_version=release).findings
    return finding.left_out


WAYS = (
    by_the_library,
    by_options,
    by_a_pasted_command,
    by_a_compose_file,
    by_a_python_call,
    by_a_folder_that_is_checked,
)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_it_is_named_with_its_direction(
    release: str,
    way: Callable[[Sequence[Flag], str, Path], Sequence[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    flags = RELEASES[release]
    said = set(way(flags, release, tmp_path))
    assert {f"{flag.spelling} is not modelled: {flag.direction}." for flag in flags} <= said


def test_so_is_a_variable_of_the_environment(tmp_path: Path) -> None:
    sentence = (
        "VLLM_KV_CACHE_LAYOUT is not modelled: blocks may be laid out otherwise, which moves padding, either way."
    )
    given = {"VLLM_KV_CACHE_LAYOUT": "HND"}
    (tmp_path / "serve.sh").write_text("export VLLM_KV_CACHE_LAYOUT=HND\nvllm serve Qwen/Qwen3-8B\n")
    service = {"image": "vllm/vllm-openai:v0.33.0", "command": "--model Qwen/Qwen3-8B", "environment": given}
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": {"chat": service}}))

    assert sentence in vram.estimate("Qwen/Qwen3-8B", gpu="H100", environment=given).left_out
    assert sentence in estimated("Qwen/Qwen3-8B", "--env=VLLM_KV_CACHE_LAYOUT=HND")
    assert sentence in estimated("VLLM_KV_CACHE_LAYOUT=HND vllm serve Qwen/Qwen3-8B")
    assert sentence in estimated(f"--from-file={tmp_path / 'compose.yaml'}")
    assert all(sentence in finding.left_out for finding in check([tmp_path], gpu=["H100"]).findings)
