"""`vram generate` as a deployer runs it, and -p, which reads a profile back into every command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.command import refusal_of, vram

from vram.cli import cli
from vram.cli.estimate import command as estimate_command
from vram.models.deployment import ENGINE_DEFAULTS

ALL = "command,profile,compose,k8s,helm"
Folder = Callable[..., Path]


def estimate(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(cli, ["estimate", "--json", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def texts(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_command_and_a_profile_are_written_unless_asked_otherwise(model_folder: Folder, tmp_path: Path) -> None:
    done = vram("generate", model_folder(), "--gpu", "H100", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(texts(tmp_path / "out")) == ["profile.yaml", "serve.sh"]
    assert done.stdout.split() == [str(tmp_path / "out" / "serve.sh"), str(tmp_path / "out" / "profile.yaml")]
    assert os.access(tmp_path / "out" / "serve.sh", os.X_OK)
    assert not os.access(tmp_path / "out" / "profile.yaml", os.X_OK)


def test_generating_from_the_written_profile_gives_the_same_files(model_folder: Folder, tmp_path: Path) -> None:
    asked = (
        "--gpu",
        "L40S",
        "--tp",
        2,
        "-c",
        "4k",
        "--concurrency",
        4,
        "--headroom-gib",
        0,
        "--no-enable-prefix-caching",
    )
    more = (
        "--port",
        9001,
        "--name",
        "chat",
        "--extra-flags",
        "--tool-call-parser hermes",
        "--speculative-config",
        '{"method":"ngram","num_speculative_tokens":2}',
    )
    first = vram("generate", model_folder(), *asked, *more, "--emit", ALL, "-o", tmp_path / "a")
    second = vram("generate", "-p", tmp_path / "a" / "profile.yaml", "-o", tmp_path / "b")
    assert (first.returncode, second.returncode, second.stderr) == (0, 0, "")
    assert texts(tmp_path / "b") == texts(tmp_path / "a")
    assert len(texts(tmp_path / "a")) == 11


def test_what_is_there_is_not_overwritten_without_force(model_folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "serve.sh").write_text("mine")
    refused = vram("generate", model_folder(), "--gpu", "H100", "-o", tmp_path)
    assert refused.returncode == 2
    assert "serve.sh: exists already; --force overwrites" in refused.stderr
    assert (tmp_path / "serve.sh").read_text() == "mine"
    assert not (tmp_path / "profile.yaml").exists()
    assert vram("generate", model_folder(), "--gpu", "H100", "-o", tmp_path, "--force").returncode == 0
    assert "vllm serve" in (tmp_path / "serve.sh").read_text()


def test_a_pasted_command_keeps_its_flags_and_loses_its_secrets(model_folder: Folder, tmp_path: Path) -> None:
    pasted = (
        "HF_TOKEN=hf_secret1",
        "vllm",
        "serve",
        model_folder(),
        "--api-key",
        "secret2",
        "--port",
        9000,
        "--reasoning-parser",
        "qwen3",
        "--max-model-len",
        4096,
    )
    done = vram("generate", "--gpu", "H100", "-o", tmp_path / "out", "--emit", ALL, "--", *pasted)
    assert done.returncode == 0
    assert "Left out, because secrets are not written into files: --api-key" in done.stderr
    assert "HF_TOKEN" in done.stderr
    written = texts(tmp_path / "out")
    assert not [name for name, text in written.items() if "secret1" in text or "secret2" in text]
    for name in ("serve.sh", "compose.yaml", "k8s/deployment.yaml"):
        assert "reasoning-parser" in written[name]
        assert "VLLM_API_KEY" in written[name]
        assert "9000" in written[name]
        assert "8000" not in written[name]


def test_what_does_not_start_is_said_loudly_and_not_written_with_check(model_folder: Folder, tmp_path: Path) -> None:
    asked = ("generate", model_folder(), "--vram-gib", 8, "-o", tmp_path / "out")
    done = vram(*asked)
    assert done.returncode == 0
    assert "DOES NOT START" in done.stderr
    assert "DOES NOT START" in (tmp_path / "out" / "serve.sh").read_text()
    refused = vram(*asked[:-1], tmp_path / "none", "--check")
    assert refused.returncode == 1
    assert not (tmp_path / "none").exists()


def test_a_start_that_is_too_close_to_be_sure_is_said_as_that(tmp_path: Path) -> None:
    # a GB10 shares its memory with the host: how much of it is free at 0.92 is not known
    done = vram("generate", "Qwen/Qwen3-8B", "--gpu", "GB10", "-c", 8192, "-o", tmp_path / "out")
    assert "MAY NOT START" in done.stderr
    assert "MAY NOT START" in (tmp_path / "out" / "serve.sh").read_text()


def test_json_lists_the_paths(model_folder: Folder, tmp_path: Path) -> None:
    done = vram("generate", model_folder(), "--gpu", "H100", "-o", tmp_path, "--emit", "compose", "--json")
    assert json.loads(done.stdout) == [str(tmp_path / "compose.yaml")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--emit", "terraform"), "Unknown artifact 'terraform'"),
        (("--name", "Not A Name"), "must be small letters"),
        (("--port", "0"), "must be a whole number from 1 to 65535"),
        (("--swap-space", "4"), "swap_space: left vLLM with 0.18.0; --kv-offloading-size took its place"),
        (("--tp", "16", "--emit", "compose"), "more than one machine has"),
        (("--tp", "8", "--dp", "4"), "takes 32 GPUs where a machine has 8"),
        (("--extra-flags", "'open"), "has no closing quotation"),
        (("-c", "auto", "--vllm-version", "0.11"), "give a length"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    model_folder: Folder, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    told = refusal_of("generate", model_folder(), "--gpu", "H100", "-o", tmp_path / "out", *arguments)
    assert message in told
    assert not (tmp_path / "out").exists()


def test_dimensions_by_hand_have_a_profile_and_no_server(tmp_path: Path) -> None:
    by_hand = ("--params-b", 8, "--layers", 36, "--kv-heads", 8, "--head-dim", 128, "--vram-gib", 80, "-q", "fp8")
    served = vram("generate", *by_hand, "-o", tmp_path)
    assert served.returncode == 2
    assert "without a model that vLLM can load" in served.stderr
    assert vram("generate", *by_hand, "-o", tmp_path, "--emit", "profile").returncode == 0
    assert estimate("-p", tmp_path / "profile.yaml") == estimate(*by_hand)


def test_estimate_reads_a_profile_and_flags_win_over_it(model_folder: Folder, tmp_path: Path) -> None:
    folder = model_folder()
    profile = tmp_path / "p.yaml"
    profile.write_text(
        f"profile_version: 1\nmodel: {{id: '{folder}', max_model_len: 4096}}\nhardware: {{gpu: L40S, tensor_parallel_size: 2}}\n"
        "workload: {concurrency: 3}\npolicy: {gpu_memory_utilization: 0.8, headroom_gib: 2}\noutputs: {vllm_args: {max-num-seqs: 32}}\n"
    )
    asked = (
        "--gpu",
        "L40S",
        "--tp",
        2,
        "-c",
        4096,
        "--concurrency",
        3,
        "--gpu-memory-utilization",
        0.8,
        "--headroom-gib",
        2,
        "--max-num-seqs",
        32,
    )
    assert estimate("-p", profile) == estimate(folder, *asked)
    assert estimate("-p", profile, "--tp", 1, "--concurrency", 5)["deployment"]["concurrency"] == 5
    assert estimate("--config", profile, "--tp", 1)["deployment"]["tensor_parallel_size"] == 1
    pasted = estimate("-p", profile, "--", "vllm", "serve", folder, "-tp", 4)["deployment"]
    assert (pasted["tensor_parallel_size"], pasted["max_model_len"]) == (4, 4096)


@pytest.mark.parametrize("name", ["max-context", "max-concurrency", "plan"])
def test_other_commands_read_a_profile_too(model_folder: Folder, tmp_path: Path, name: str) -> None:
    (tmp_path / "p.yaml").write_text(
        f"profile_version: 1\nmodel: {{id: '{model_folder()}'}}\nhardware: {{gpu: L40S}}\n"
    )
    done = CliRunner().invoke(cli, [name, "-p", str(tmp_path / "p.yaml"), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "L40S" in done.stdout


def test_every_engine_argument_is_an_option_so_that_a_profile_can_set_it() -> None:
    options = {parameter.name for parameter in estimate_command.params}
    assert set(ENGINE_DEFAULTS) <= options


def test_a_broken_profile_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("profile_version: 1\nhardware: {gpu: H100, vram: 80}\n")
    done = vram("estimate", "-p", tmp_path / "p.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Unknown key of a profile's hardware 'vram'. Did you mean vram_gib")


def test_what_was_left_open_is_filled_in_as_plan_recommends(model_folder: Folder, tmp_path: Path) -> None:
    asked = (
        model_folder(),
        "--gpu",
        "RTX 4090",
        "--gpus",
        4,
        "--concurrency",
        6,
        "--prompt-tokens",
        6000,
        "--gen-tokens",
        500,
    )
    planned = json.loads(vram("plan", *asked, "--json").stdout)["recommendation"]
    done = vram("generate", *asked, "--recommend", "--emit", "command,profile,k8s", "-o", tmp_path / "a")
    again = vram("generate", "-p", tmp_path / "a" / "profile.yaml", "-o", tmp_path / "b", "--check")
    assert (done.returncode, done.stderr, again.returncode) == (0, "", 0)
    script = texts(tmp_path / "a")["serve.sh"]
    for name, value in planned["engine_args"].items():
        assert f"--{name.replace('_', '-')} {value}" in script
    assert texts(tmp_path / "a") == texts(tmp_path / "b")


def test_recommend_writes_nothing_where_nothing_fits(model_folder: Folder, tmp_path: Path) -> None:
    done = vram(
        "generate",
        model_folder(),
        "--gpu",
        "T4",
        "--gpus",
        1,
        "--concurrency",
        900,
        "--recommend",
        "-o",
        tmp_path / "a",
    )
    assert done.returncode == 2
    assert "nothing to write" in done.stderr
    assert not (tmp_path / "a").exists()


def test_what_is_recommended_is_written_for_the_machine_and_the_release_that_were_taken(tmp_path: Path) -> None:
    old = vram("generate", "Qwen/Qwen3-8B", "--gpu", "V100", "--recommend", "-o", tmp_path, "--emit", "profile,compose")
    kinds = ("--gpu", "2x RTX 3060, p5.48xlarge", "--recommend", "-o", tmp_path / "kinds", "--emit", "profile")

    assert old.returncode == 0, old.stderr
    assert 'vllm_version: "0.19.1"' in (tmp_path / "profile.yaml").read_text()
    assert "vllm-openai:v0.19.1" in (tmp_path / "compose.yaml").read_text()
    assert vram("generate", "Qwen/Qwen3-32B", *kinds).returncode == 0
    assert 'gpu: "H100 80GB SXM"' in (tmp_path / "kinds" / "profile.yaml").read_text()
