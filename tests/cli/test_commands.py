"""Every command as a newcomer runs it: good answers, and one clear sentence with exit code 2 on bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command import refusal_of, vram


def test_estimate_says_the_verdict_first_and_vllms_numbers(model_folder: Callable[..., Path]) -> None:
    done = vram("estimate", model_folder(), "--gpu", "H100")
    assert done.returncode == 0
    assert done.stdout.startswith("✓ starts and fits")
    # 8,030,261,248 parameters in bf16 and one rotary table: 14.96 GiB (vLLM's own log says 14.99 with longer rotary tables)
    assert "Model loading took 14.96 GiB" in done.stdout
    assert "GPU KV cache size:" in done.stdout


def test_json_is_the_contract(model_folder: Callable[..., Path]) -> None:
    answer = json.loads(vram("estimate", model_folder(), "--gpu", "H100", "--tp", "2", "--json").stdout)
    assert answer["schema_version"] == 1
    assert set(answer) == {
        "schema_version", "model", "deployment", "memory", "ranks", "kv_cache", "verdict", "limits", "host", "provenance",
        "left_out", "assumed",
    }  # fmt: skip
    assert answer["deployment"]["tensor_parallel_size"] == 2
    assert (
        answer["kv_cache"]["bytes_per_token"] == 32 * 4 * 2 * 128 * 2
    )  # layers × KV heads per rank × K and V × head × bf16


def test_check_exits_with_1_when_the_workload_does_not_fit(model_folder: Callable[..., Path]) -> None:
    fitting = vram("estimate", model_folder(), "--gpu", "H100", "--check")
    failing = vram("estimate", model_folder(), "--gpu", "H100", "--concurrency", "5000", "--check")
    assert (fitting.returncode, failing.returncode) == (0, 1)


def test_what_max_context_returns_fits_and_one_block_more_does_not(model_folder: Callable[..., Path]) -> None:
    folder = model_folder(max_position_embeddings=10_000_000)
    found = json.loads(vram("max-context", folder, "--gpu", "RTX 4090", "--json").stdout)["max_context_at_concurrency"]
    assert vram("estimate", folder, "--gpu", "RTX 4090", "-c", found, "--check").returncode == 0
    assert vram("estimate", folder, "--gpu", "RTX 4090", "-c", found + 16, "--check").returncode == 1


def test_dimensions_by_hand_are_labelled_assumed() -> None:
    arguments = (
        "--params-billion",
        8,
        "--layers",
        36,
        "--kv-heads",
        8,
        "--head-dim",
        128,
        "--vram-gib",
        24,
        "-q",
        "fp8",
    )
    answer = json.loads(vram("estimate", *arguments, "--json").stdout)
    assert answer["model"]["source"] == "manual"
    assert answer["memory"]["weights"]["provenance"] == "assumed"
    assert answer["memory"]["weights"]["expected"] == pytest.approx(8e9, rel=0.001)


def test_plugins_lists_every_built_in_with_its_distribution() -> None:
    listed = json.loads(vram("plugins", "--json").stdout)
    assert {plugin["distribution"] for plugin in listed} >= {"vram-estimator"}
    assert [plugin["name"] for plugin in listed if plugin["error"]] == []


def test_a_disabled_built_in_leaves_a_program_that_says_what_it_no_longer_knows(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VRAM_DISABLED_PLUGINS", "quantization")
    block = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
    done = vram("estimate", model_folder(quantization_config=block), "--gpu", "H100")
    assert done.returncode == 2
    assert "Unknown quantization method 'awq'" in done.stderr


BAD = {
    "an unknown GPU": (("--gpu", "H10"), "Did you mean H100"),
    "no GPU": ((), "say which GPU"),
    "a parallel size that does not divide": (("--gpu", "H100", "--tp", "3"), "cannot be divided"),
    "more stages than layers": (("--gpu", "H100", "--pp", "99"), "more than the model's 32 layers"),
    "a negative length": (("--gpu", "H100", "-c", "-7"), "max_model_len"),
    "a word for a length": (("--gpu", "H100", "-c", "long"), "is not a number"),
    "an absurd number of users": (("--gpu", "H100", "--concurrency", "0"), "concurrency"),
    "a utilization above 1": (("--gpu", "H100", "--gpu-memory-utilization", "1.5"), "gpu_memory_utilization"),
    "an unknown KV dtype": (("--gpu", "H100", "--kv-dtype", "fp9"), "Unknown KV cache dtype"),
    "an unknown profile": (("--gpu", "H100", "--profile", "hoper"), "Did you mean hopper"),
    "a quantization vLLM cannot do while loading": (
        ("--gpu", "H100", "-q", "awq"),
        "cannot quantize to it while loading",
    ),
    "an unknown quantization": (("--gpu", "H100", "-q", "q9"), "Unknown quantization method"),
    "a vLLM version that is none": (("--gpu", "H100", "--vllm-version", "new"), "is neither a version such as"),
    "broken JSON": (("--gpu", "H100", "--speculative-config", "{"), "is not JSON"),
    "an unknown flag": (("--gpu", "H100", "--tensor-paralel-size", "2"), "No such option"),
}


@pytest.mark.parametrize(("arguments", "expected"), BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_clear_sentence_and_exit_code_2(
    model_folder: Callable[..., Path], arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in refusal_of("estimate", model_folder(), *arguments)


BAD_CONFIGS = {
    "a missing field": ({"hidden_size": ...}, "'hidden_size' is missing"),
    "a field of the wrong type": ({"num_hidden_layers": "many"}, "'num_hidden_layers' must be an integer"),
    "contradictory heads": ({"num_key_value_heads": 5}, "does not divide num_attention_heads"),
    "a negative size": ({"vocab_size": -1}, "'vocab_size' must be between"),
    "no architecture": ({"architectures": ...}, "'architectures' is missing"),
    "an unknown quantization": (
        {"quantization_config": {"quant_method": "magic"}},
        "Unknown quantization method 'magic'",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_a_broken_config_is_named_by_file_and_field(
    model_folder: Callable[..., Path], changes: dict[str, object], expected: str
) -> None:
    done = vram("estimate", model_folder(**changes), "--gpu", "H100")
    assert done.returncode == 2, done.stdout + done.stderr
    assert expected in done.stderr


def test_a_missing_model_is_named_with_the_next_step() -> None:
    done = vram("estimate", "nobody/no-such-model", "--gpu", "H100")
    assert done.returncode == 2
    assert "'nobody/no-such-model'" in done.stderr
