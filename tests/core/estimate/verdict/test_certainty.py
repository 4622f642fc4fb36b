"""How sure a start is: from one end of the KV pool's interval to the other, on whole answers."""

from __future__ import annotations

from typing import Any

import pytest

import vram
from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.estimate.parts import compute
from vram.units import GIB

QWEN3_8B = "Qwen/Qwen3-8B"


def verdict(model: str = QWEN3_8B, **arguments: Any) -> Any:
    checkpoint = find(model)
    assert checkpoint is not None
    return vram.estimate(checkpoint, **{"gpu": "RTX 4090", **arguments}).verdict


def with_pool_of(needed_gib: float) -> float:
    """The utilization at which the expected pool of a 4090 is so large; weights and overhead do not move with it."""
    checkpoint = find(QWEN3_8B)
    assert checkpoint is not None
    at_half = compute(ask(checkpoint, gpu="RTX 4090", gpu_memory_utilization=0.9, max_model_len=8192))
    have = at_half.overhead.kv_cache_available.expected / GIB
    return 0.9 + (needed_gib - have) / (at_half.question.deployment.gpu_memory_bytes / GIB)


def test_a_start_is_likely_where_even_the_least_pool_holds_one_request() -> None:
    # 8,192 tokens of Qwen3-8B need 1.125 GiB: 36 layers × 8 heads × 256 × 2 bytes
    assert verdict(max_model_len=8192, gpu_memory_utilization=with_pool_of(3.0)).certainty == "likely"


@pytest.mark.parametrize(("pool", "starts"), [(1.20, True), (1.08, False)])
def test_a_start_is_borderline_where_the_interval_straddles_the_need(pool: float, starts: bool) -> None:
    found = verdict(max_model_len=8192, gpu_memory_utilization=with_pool_of(pool))
    assert (found.starts, found.certainty) == (starts, "borderline")
    assert any("Too close to be sure" in warning for warning in found.warnings)
    # the sentence is no surer than the verdict
    assert ("vLLM may refuse to start." in found.warnings) is not starts
    assert "vLLM would refuse to start." not in found.warnings


def test_a_start_is_unlikely_where_not_even_the_largest_pool_is_enough() -> None:
    assert verdict(max_model_len=8192, gpu_memory_utilization=with_pool_of(-2.0)).certainty == "unlikely"


def test_what_does_not_depend_on_memory_is_certain() -> None:
    assert verdict(max_model_len=10**6).certainty == "unlikely"  # longer than the model allows
    assert verdict(gpu="V100 32GB", dtype="half", vllm_version="0.28.0").certainty == "unlikely"


def test_a_pool_given_by_hand_is_certain() -> None:
    assert verdict(max_model_len=8192, kv_cache_memory_bytes=2 * GIB).certainty == "likely"
    assert verdict(max_model_len=8192, kv_cache_memory_bytes=GIB).certainty == "unlikely"


def test_qwen3_30b_on_four_a10_runs_out_of_memory_in_capture() -> None:
    """A public start of 0.8.5 did; its pool was taken before anything was captured."""
    found = verdict("Qwen/Qwen3-30B-A3B", gpu="A10", tensor_parallel_size=4, max_model_len=8192, vllm_version="0.8.5")
    assert (failed(found), found.certainty) == (["graph_capture"], "borderline")
    eager = verdict(
        "Qwen/Qwen3-30B-A3B",
        gpu="A10",
        tensor_parallel_size=4,
        max_model_len=8192,
        vllm_version="0.8.5",
        enforce_eager=True,
    )
    assert eager.certainty == "likely"


@pytest.mark.parametrize("version", ["0.10.2", "0.12.0", "0.19.1", "0.33.0"])
def test_what_nccl_keeps_is_bounded_and_two_roomy_gpus_over_pcie_start(version: str) -> None:
    roomy = verdict(gpu="RTX 4090", tensor_parallel_size=2, max_model_len=8192, vllm_version=version)
    assert (roomy.starts, roomy.certainty) == (True, "likely")


def failed(found: Any) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_gb10_has_no_92_percent_free() -> None:
    asked = {"gpu": "DGX Spark", "vllm_version": "0.24.0", "max_model_len": 8192}
    assert failed(verdict(**asked)) == ["free_memory"]
    assert failed(verdict(**asked, gpu_memory_utilization=0.85)) == []


@pytest.mark.parametrize(
    ("version", "gib"),
    [
        ("0.12.0", 56.9),  # 30.5 billion parameters in 16 bits, quantized once all are loaded: 79 GiB are enough
        ("0.14.1", 85.9),  # and kept beside what is quantized from them: they are not
        ("0.20.0", 29.0),  # quantized layer by layer
    ],
)
def test_online_fp8_peaks_while_it_loads(version: str, gib: float) -> None:
    checkpoint = find("Qwen/Qwen3-30B-A3B")
    assert checkpoint is not None
    parts = compute(ask(checkpoint, gpu="H100", quantization="fp8", vllm_version=version, max_model_len=4096))
    assert parts.loading_bytes / GIB == pytest.approx(gib, abs=0.15)
    found = verdict("Qwen/Qwen3-30B-A3B", gpu="H100", quantization="fp8", vllm_version=version, max_model_len=4096)
    assert ("weights" in failed(found)) is (gib > 79.2)


def test_offload_meets_several_block_sizes_up_to_0_19() -> None:
    asked = {"gpu": "H100", "cpu_offload_gb": 4.0, "max_model_len": 8192}
    gemma = "google/gemma-3-27b-it"
    assert failed(verdict(gemma, **asked, vllm_version="0.19.1")) == ["cpu_offload"]
    assert failed(verdict(gemma, **asked, vllm_version="0.28.0")) == []
    assert failed(verdict(QWEN3_8B, **asked, vllm_version="0.19.1")) == []


def test_offload_that_does_nothing_leaves_the_weights_where_they_are() -> None:
    checkpoint = find(QWEN3_8B)
    assert checkpoint is not None
    weights = {
        version: vram.estimate(checkpoint, gpu="H100", cpu_offload_gb=8.0, vllm_version=version).memory.weights.expected
        / GIB
        for version in ("0.19.1", "0.25.1", "0.28.0")
    }
    assert weights["0.19.1"] == weights["0.28.0"]
    assert 8 <= weights["0.25.1"] - weights["0.28.0"] < 8 + 2 * 12288 * 4096 * 2 / GIB  # whole parameters leave


def test_what_is_free_of_a_memory_shared_with_the_host_is_not_certain() -> None:
    # refused by one machine (vllm-project/recipes 632), started by vLLM's own CI, both at 0.92
    found = verdict(gpu="DGX Spark", vllm_version="0.33.0", max_model_len=8192)
    assert (found.starts, found.certainty) == (False, "borderline")
    assert any("memory is the host's" in warning for warning in found.warnings)


def test_running_out_of_memory_in_capture_is_a_high_risk_whatever_the_cache_has_to_spare() -> None:
    # 1 % of 23.52 GiB is left for the CUDA context and the graphs
    found = verdict(max_model_len=4096, gpu_memory_utilization=0.99, vllm_version="0.19.0")
    assert (failed(found), found.oom_risk) == (["graph_capture"], "high")


def test_a_proposed_change_starts_and_does_not_only_move_the_failure_to_the_next_check() -> None:
    asked = {"max_model_len": 16384, "vllm_version": "0.33.0"}
    found = verdict(**asked, gpu_memory_utilization=0.5)
    assert failed(found) == ["cache_blocks"]
    fix = next(check.fix for check in found.checks if check.name == "cache_blocks")
    assert fix is not None
    flag, share = fix.split()
    assert flag == "--gpu-memory-utilization"
    changed = verdict(**asked, gpu_memory_utilization=float(share))
    assert (failed(changed), changed.certainty) == ([], "likely")
