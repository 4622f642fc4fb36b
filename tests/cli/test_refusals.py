"""What is asked in contradiction, or would be refused by vLLM, is said and not answered over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command import vram


def test_an_inverse_answer_names_what_no_length_cures_and_fails_the_check(model_folder: Callable[..., Path]) -> None:
    # vLLM's `Fp8Config.get_min_capability` is 7.5, a V100 has 7.0: refused at every length and number of users
    folder = model_folder(quantization_config={"quant_method": "fp8", "activation_scheme": "dynamic"})
    for command in ("max-context", "max-concurrency"):
        done = vram(command, folder, "--gpu", "V100", "--vllm-version", "0.19.1", "-c", "4096", "--check")
        assert done.returncode == 1
        assert "Warning: vLLM would refuse to start: fp8 needs compute capability 7.5" in done.stderr


def test_an_inverse_answer_is_no_surer_of_a_refusal_than_the_estimate() -> None:
    # a GB10's free memory at 0.92 is the host's business, and the start borderline
    done = vram("max-concurrency", "Qwen/Qwen3-8B", "--gpu", "GB10", "-c", "8192")
    assert "Warning: vLLM may refuse to start: Free memory on device" in done.stderr


@pytest.mark.parametrize("architecture", ["EagleLlamaForCausalLM", "DeepSeekMTPModel"])
def test_a_draft_is_not_asked_for_by_dimensions(model_folder: Callable[..., Path], architecture: str) -> None:
    done = vram("estimate", model_folder(architectures=[architecture]), "--gpu", "L4")
    assert done.returncode == 2
    assert "is a draft" in done.stderr
    assert "Estimate the target" in done.stderr
    assert "--params-billion" not in done.stderr


def test_max_context_does_not_blame_a_length_that_it_replaces(model_folder: Callable[..., Path]) -> None:
    done = vram("max-context", model_folder(), "--gpu", "H100", "-c", "1000000", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_users_of_a_length_beyond_the_models_are_refused(model_folder: Callable[..., Path]) -> None:
    done = vram("max-concurrency", model_folder(), "--gpu", "H200", "--tp", "8", "-c", "1000000", "--check")
    assert done.returncode == 1
    assert "greater than the derived max_model_len" in done.stderr


@pytest.mark.parametrize("command", ["estimate", "plan"])
def test_no_gpus_are_refused(model_folder: Callable[..., Path], command: str) -> None:
    done = vram(command, model_folder(), "--gpu", "H100", "--gpus", "0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_dimensions_typed_beside_a_model_are_refused(model_folder: Callable[..., Path]) -> None:
    done = vram("estimate", model_folder(), "--gpu", "H100", "--layers", "4")
    assert done.returncode == 2
    assert done.stderr == "Error: layers: is for dimensions by hand, not beside a model (got 4).\n"


def test_a_version_newer_than_the_newest_known_is_labelled(model_folder: Callable[..., Path]) -> None:
    newer = vram("estimate", model_folder(), "--gpu", "H100", "--vllm-version", "9.9", "--markdown").stdout
    patch = vram("estimate", model_folder(), "--gpu", "H100", "--vllm-version", "0.33.4", "--markdown").stdout
    assert "vLLM 9.9.0 is newer than 0.33.0" in newer
    assert "is newer than" not in patch


def test_users_beyond_max_num_seqs_are_said_to_wait(model_folder: Callable[..., Path]) -> None:
    # vLLM's scheduler holds at most `max_num_seqs` running requests (v1/core/sched/scheduler.py)
    asked = ("estimate", model_folder(), "--gpu", "H200", "-c", "512", "--max-num-seqs", "16", "--markdown")
    assert "--max-num-seqs 17 runs all" in vram(*asked, "--concurrency", "17").stdout
    assert "runs all" not in vram(*asked, "--concurrency", "16").stdout


def test_a_folder_with_vllm_and_a_space_in_its_name_is_a_model(
    model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "my vllm models"
    folder.mkdir()
    (folder / "config.json").write_bytes((model_folder() / "config.json").read_bytes())
    assert vram("estimate", folder, "--gpu", "H100").returncode == 0


@pytest.mark.parametrize(("version", "name"), [("0.30", "fp8"), ("0.31", "fp8_per_tensor")])
def test_a_plan_names_quantization_while_loading_as_that_version_does(
    model_folder: Callable[..., Path], version: str, name: str
) -> None:
    # 8.03e9 parameters are 14.96 GiB in 16 bit and about half of it in fp8: of one 12 GiB card only the latter.
    # vLLM 0.31's Fp8Config: "no longer supports online quantization. Please use `--quantization fp8_per_tensor`"
    done = vram("plan", model_folder(), "--gpu", "RTX 4070", "--gpus", "1", "-c", "2048", "--vllm-version", version)
    assert f"--quantization {name} " in done.stdout


def test_parallel_sizes_beyond_the_number_of_gpus_are_refused(model_folder: Callable[..., Path]) -> None:
    done = vram("estimate", model_folder(), "--gpu", "H100", "--gpus", "2", "--tp", "4")
    assert done.returncode == 2
    assert "gpus: the parallel sizes ask for 4 GPUs (got 2)." in done.stderr
