"""Crashes and refusals: what went wrong and the flag to change."""

from __future__ import annotations

import pytest

import vram

LOADED = "(EngineCore_DP0 pid=9) INFO [x.py:1] Model loading took 14.99 GiB and 3.0 seconds\n"
SIZED = LOADED + "(EngineCore_DP0 pid=9) INFO [x.py:1] Available KV cache memory: 2.25 GiB\n"
CAPTURED = SIZED + "(EngineCore_DP0 pid=9) INFO [x.py:1] Graph capturing finished in 8 secs, took 0.51 GiB\n"
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of 23.52 GiB of which "
    "1.12 GiB is free. Process 77 has 22.4 GiB memory in use.\n"
)


@pytest.fixture
def finding(write_log):
    def find(text, **given):
        return vram.reconcile(write_log(text), **given).findings[0]

    return find


@pytest.mark.parametrize(
    ("before", "words", "fix"),
    [
        ("", "while the model was loaded", "--tensor-parallel-size 2"),
        (LOADED, "in the profile run", "--max-num-seqs"),
        (SIZED, "KV cache was allocated or CUDA graphs", "--gpu-memory-utilization 0.85"),
        (CAPTURED, "after start-up", "--gpu-memory-utilization 0.85"),
    ],
)
def test_where_memory_ran_out_is_told_by_the_lines_before(finding, before, words, fix):
    found = finding(before + OOM)
    assert words in found.message
    assert "1.96 GiB" in found.message
    assert fix in found.fix


def test_weights_too_large_for_the_gpu_name_the_changes_of_the_estimate(finding, model_folder):
    model = model_folder()
    found = finding(OOM.replace("23.52", "11.0"), model=model, gpu="RTX 2080 Ti", vllm_version="0.10.0")
    changes = vram.estimate(model, gpu="RTX 2080 Ti", vllm_version="0.10.0").verdict.changes
    assert "weights take 14.96 GiB" in found.message  # 8.03 · 10^9 × 2 bytes
    assert found.fix == " or ".join(change.words for change in changes)


def test_an_occupied_gpu_names_the_share_that_is_free(finding):
    found = finding(
        "ValueError: Free memory on device cuda:0 (60.25/79.25 GiB) on startup is less than desired GPU memory utilization "
        "(0.9, 71.33 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
    )
    assert found.fix == "--gpu-memory-utilization 0.76"  # 60.25 / 79.25 = 0.7602
    assert "hold 19.00 GiB" in found.message


@pytest.mark.parametrize("wording", ["model's", "models's"])
def test_a_length_that_is_too_long_names_the_longest(finding, wording):
    found = finding(
        f"ValueError: To serve at least one request with the {wording} max seq len (262144), (24.0 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (3.18 GiB). Based on the available memory, the estimated maximum "
        "model length is 34736. Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing."
    )
    assert found.name == "max_model_len"
    assert found.fix == "--max-model-len 34736"


def test_a_little_more_utilization_is_named_where_it_is_enough(finding):
    # 10 × 1.02 − 9 = 1.2 GiB missing of 40: 0.90 + 0.03
    found = finding(
        "(Worker pid=1) DEBUG Free memory on device (39.5/40.0 GiB) on startup.\n"
        "ValueError: To serve at least one request with the model's max seq len (8192), (10.0 GiB KV cache is needed, which is "
        "larger than the available KV cache memory (9.0 GiB).\n"
    )
    assert "--gpu-memory-utilization 0.93" in found.fix


def test_a_v0_log_names_the_tokens_that_fit(finding):
    found = finding(
        "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV "
        "cache (43216). Try increasing `gpu_memory_utilization`."
    )
    assert found.fix.startswith("--max-model-len 43216")


def test_no_room_for_the_cache_names_what_is_taken(finding):
    found = finding(
        LOADED + "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`."
    )
    assert "weights take 14.99 GiB" in found.message
    assert "--gpu-memory-utilization 0.95" in found.fix


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        (
            "max_num_seqs (1024) exceeds available Mamba cache blocks (311). Each decode sequence requires",
            "--max-num-seqs 311",
        ),
        (
            "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering",
            "--max-num-seqs 512",
        ),
        (
            "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).",
            "--tensor-parallel-size 7",
        ),
        (
            "ValueError: User-specified max_model_len (65536) is greater than the derived max_model_len "
            "(max_position_embeddings=32768 or model_max_length=None in model's config.json).",
            "--max-model-len 32768",
        ),
        ("ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.", "--dtype half"),
        ("AssertionError: Error in memory profiling. Initial free memory 10.0 GiB, current free", "start again"),
        ("RuntimeError: No CUDA GPUs are available", "docker run --gpus all"),
        (
            "ValueError: Cannot auto-fit max_model_len: not enough GPU memory available to serve",
            "a smaller --max-num-seqs",
        ),
    ],
)
def test_every_refusal_names_a_change(finding, line, fix):
    assert fix in finding(line).fix


def test_a_start_that_went_well_has_no_findings(a100_log, write_log):
    assert vram.reconcile(write_log(a100_log), gpu="A100 40GB").findings == ()


def test_one_cause_is_told_once_whatever_the_ranks(write_log):
    text = "".join(f"(Worker_TP{rank} pid={rank}) ERROR {OOM}" for rank in range(8))
    assert len(vram.reconcile(write_log(text)).findings) == 1
