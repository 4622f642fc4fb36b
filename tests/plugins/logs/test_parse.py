"""What a log says, whatever it looks like."""

from __future__ import annotations

import io

import pytest

from vram.errors import LogError
from vram.units import GIB
from vram_plugins.logs.arguments import engine_arguments, written_values
from vram_plugins.logs.parse import parse_lines, read_log, repository_of
from vram_plugins.logs.patterns import worth_reading
from vram_plugins.logs.reading import LONGEST_LINE, lines_of


def parsed(text: str):
    return parse_lines(text.splitlines(), path="x").last


def test_a_v1_log_tells_version_model_arguments_and_measurements(a100_log, write_log):
    start = read_log(write_log(a100_log)).last
    assert start.version == "0.11.2"
    assert start.arguments == {
        "max_model_len": 4096, "dtype": "bfloat16", "tensor_parallel_size": 1, "pipeline_parallel_size": 1,
        "enforce_eager": False, "kv_cache_dtype": "auto",
    }  # fmt: skip
    assert start.asked == ("max_model_len",)
    assert start.largest("weights_bytes") == round(14.9889 * GIB)
    assert start.largest("available_kv_bytes") == round(19.24 * GIB)
    assert start.smallest("kv_tokens") == 157584
    assert start.largest("max_num_batched_tokens") == 2048
    assert start.ready
    assert start.failures == ()
    assert "s3cret" not in str(start)


def test_a_v0_log_tells_its_profile_in_one_line():
    start = parsed(
        "INFO 01-13 11:35:18 llm_engine.py:234] Initializing an LLM engine (v0.6.6.post1) with config: model='gpt2', "
        "dtype=torch.float16, max_seq_len=1024, load_format=LoadFormat.AUTO, tensor_parallel_size=2, quantization=None\n"
        "INFO 01-13 11:35:21 model_runner.py:1099] Loading model weights took 14.9595 GB\n"
        "INFO 01-13 11:35:23 worker.py:241] the current vLLM instance can use total_gpu_memory (39.50GiB) x "
        "gpu_memory_utilization (0.90) = 35.55GiB\n"
        "INFO 01-13 11:35:23 worker.py:241] model weights take 14.96GiB; non_torch_memory takes 0.10GiB; PyTorch "
        "activation peak memory takes 9.37GiB; the rest of the memory reserved for KV Cache is 11.12GiB.\n"
        "INFO 01-13 11:35:23 gpu_executor.py:76] # GPU blocks: 5691, # CPU blocks: 2048\n"
        "INFO 01-13 11:35:23 gpu_executor.py:80] Maximum concurrency for 8192 tokens per request: 11.12x\n"
    )
    assert (start.version, start.model) == ("0.6.6.post1", "gpt2")
    assert start.arguments == {"dtype": "float16", "max_model_len": 1024, "tensor_parallel_size": 2}
    got = {name: start.largest(name) for name in ("total_bytes", "non_torch_bytes", "activation_peak_bytes")}
    assert got == {
        "total_bytes": 39.5 * GIB,
        "non_torch_bytes": round(0.1 * GIB),
        "activation_peak_bytes": round(9.37 * GIB),
    }
    assert start.largest("num_blocks") == 5691


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("Model loading took 21.93 GiB memory and 157.9 seconds", "weights_bytes", round(21.93 * GIB)),  # 0.22
        ("Available KV cache memory: 30.0 GiB", "available_kv_bytes", 30 * GIB),
        ("Available KV cache memory: -1.25 GiB", "available_kv_bytes", -1.25 * GIB),
        ("GPU KV cache size: 1,252,176 tokens, Maximum concurrency for 32,768 tokens per request: 38.21x", "max_concurrency", 38.21),
        ("# cuda blocks: 27124, # CPU blocks: 7281", "num_blocks", 27124),  # 0.8
        ("Graph capturing finished in 25 secs, took 0.50 GiB", "cuda_graph_bytes", GIB // 2),
        ("Graph capturing finished in 3 secs, took -0.5 GiB", "cuda_graph_bytes", -GIB // 2),
        ("Estimated CUDA graph memory: 0.75 GiB total", "charged_graph_bytes", 0.75 * GIB),
        ("GPU 0 has a total capacity of 23.5 GiB of which 1.12 GiB is free.", "total_bytes", 23.5 * GIB),
        ("Initial free memory 78.5 GiB, reserved 20.0 GiB memory for KV Cache as specified", "kv_cache_memory_bytes", 20 * GIB),
    ],
)  # fmt: skip
def test_each_line_of_each_version_is_read(line, name, value):
    assert parsed(line).largest(name) == value


def test_the_advice_line_tells_all_components():
    # 0.11 to 0.26; since 0.27 weights and non-torch memory are one number
    old = parsed(
        "Free memory on device (78.5/79.25 GiB) on startup. Desired GPU memory utilization is (0.9, 71.25 GiB). Actual "
        "usage is 15.0 GiB for weight, 1.25 GiB for peak activation, 0.5 GiB for non-torch memory, and 0.75 GiB for "
        "CUDAGraph memory. Replace gpu_memory_utilization config with `--kv-cache-memory=1` (1.0 GiB) to fit into "
        "requested memory. Current kv cache memory in use is 54.5 GiB."
    )
    new = parsed(
        "Actual usage is 15.5 GiB for consumed memory (weights + non-torch), 1.25 GiB for peak activation, and"
    )
    got = [
        old.largest(n)
        for n in ("total_bytes", "weights_bytes", "activation_peak_bytes", "non_torch_bytes", "available_kv_bytes")
    ]
    assert got == [79.25 * GIB, 15 * GIB, 1.25 * GIB, 0.5 * GIB, 54.5 * GIB]
    assert old.largest("gpu_memory_utilization") == 0.9
    assert (new.largest("consumed_bytes"), new.largest("activation_peak_bytes")) == (15.5 * GIB, 1.25 * GIB)


def test_ranks_that_write_at_once_are_kept_apart():
    start = parsed(
        "(Worker_TP1 pid=11) INFO [gpu_model_runner.py:1] Model loading took 7.5 GiB and 3 seconds\n"
        "(Worker_TP0 pid=10) INFO [gpu_model_runner.py:1] Model loading took 8.0 GiB and 3 seconds\n"
        "(VllmWorker rank=2 pid=12) INFO [gpu_model_runner.py:1] Model loading took 7.0 GiB and 3 seconds\n"
        "(Worker_TP0 pid=10) INFO [gpu_worker.py:2] Available KV cache memory: 5.0 GiB\n"
        "(Worker_TP1 pid=11) INFO [gpu_worker.py:2] Available KV cache memory: 4.5 GiB\n"
    )
    assert [r.rank for r in start.readings if r.name == "weights_bytes"] == ["Worker_TP1", "Worker_TP0", "VllmWorker 2"]
    assert start.largest("weights_bytes") == 8 * GIB  # the heaviest rank
    assert start.smallest("available_kv_bytes") == 4.5 * GIB  # the pool is the smallest rank's


def test_of_several_starts_the_last_counts(a100_log):
    second = a100_log.replace("19.24 GiB", "12.5 GiB").replace("0.11.2", "0.12.0")
    log = parse_lines((a100_log + second).splitlines(), path="x")
    assert len(log.starts) == 2
    assert (log.last.version, log.last.largest("available_kv_bytes")) == ("0.12.0", 12.5 * GIB)
    assert log.starts[0].largest("available_kv_bytes") == round(19.24 * GIB)


def test_data_parallel_engines_are_one_start():
    lines = "".join(
        f"(EngineCore_DP{rank} pid={rank}) INFO [core.py:93] Initializing a V1 LLM engine (v0.11.2) with config: model='m', "
        f"data_parallel_size=2\n(EngineCore_DP{rank} pid={rank}) INFO [x.py:1] Model loading took 1.5 GiB and 1 seconds\n"
        for rank in (0, 1)
    )
    assert len(parse_lines(lines.splitlines(), path="x").starts) == 1


def test_the_api_servers_namespace_of_old_versions_is_read():
    start = parsed(
        "INFO 01-15 18:35:40 api_server.py:713] args: Namespace(subparser='serve', model='Qwen/Qwen2.5-1.5B', dtype='half', "
        "max_model_len=None, limit_mm_per_prompt=None, gpu_memory_utilization=0.5, enable_lora=False, swap_space=0.0, "
        'config_format=<ConfigFormat.AUTO: \'auto\'>, compilation_config={"level":0,"splitting_ops":[]}, max_num_seqs=8)'
    )
    assert start.model == "Qwen/Qwen2.5-1.5B"
    assert start.arguments == {
        "dtype": "half", "gpu_memory_utilization": 0.5, "enable_lora": False, "swap_space": 0.0, "max_num_seqs": 8,
    }  # fmt: skip


def test_what_was_asked_stands_over_the_dump():
    start = parsed(
        "INFO [utils.py:1] non-default args: {'model': 'm', 'kv_cache_dtype': 'fp8', 'speculative_config': {'method': 'mtp', "
        "'num_speculative_tokens': 2}}\n"
        "INFO [core.py:1] Initializing a V1 LLM engine (v0.22.0) with config: model='/models/x', speculative_config="
        "SpeculativeConfig(method='mtp', model='m', num_spec_tokens=2), kv_cache_dtype=fp8_e4m3, quantization=awq_marlin"
    )
    assert start.model == "m"
    assert start.arguments["kv_cache_dtype"] == "fp8"
    assert start.arguments["speculative_config"] == {"method": "mtp", "num_speculative_tokens": 2}
    assert "quantization" not in start.arguments  # the dump names the kernel
    assert start.resolved_quantization == "awq_marlin"


def test_a_draft_is_read_from_the_dump_alone():
    text = "speculative_config=SpeculativeConfig(method='eagle', model='d', num_spec_tokens=3), max_seq_len=4096"
    assert engine_arguments(written_values(text), dumped=True) == {
        "speculative_config": {"method": "eagle", "model": "d", "num_speculative_tokens": 3}, "max_model_len": 4096,
    }  # fmt: skip


def test_impossible_values_are_left_out():
    written = written_values(
        "{'max_num_seqs': -4, 'tensor_parallel_size': 'two', 'enforce_eager': 3, 'block_size': 32}"
    )
    assert engine_arguments(written) == {"block_size": 32}


def test_the_banner_and_the_gpu_in_a_kernels_file_name_are_read():
    start = parsed(
        "(APIServer pid=1) INFO [utils.py:344]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.25.0\n"
        "(APIServer pid=1) INFO [utils.py:344]   █▄█▀ █     █     █     █  model   org/name\n"
        "WARNING [fused_moe.py:1] Config file not found at /x/E=128,N=768,device_name=NVIDIA_H100_80GB_HBM3.json\n"
    )
    assert (start.version, start.model, start.gpu) == ("0.25.0", "org/name", "NVIDIA H100 80GB HBM3")


def test_a_snapshot_in_the_hub_cache_is_its_repository():
    path = "/home/me/.cache/huggingface/hub/models--Qwen--Qwen3-8B/snapshots/0123abc"
    assert repository_of(path) == "Qwen/Qwen3-8B"
    assert repository_of("/models/mine") == "/models/mine"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_any_encoding_is_read(a100_log, write_log, encoding):
    assert read_log(write_log(a100_log.encode(encoding))).last.largest("kv_tokens") == 157584


def test_colours_and_progress_bars_are_no_obstacle():
    raw = (
        b"\x1b[32mINFO\x1b[0m \x1b]8;;http://x\x07Model loading\x1b]8;;\x07 took \x1b[1;34m14.5\x1b[0m GiB\r\n"
        b"Loading:   0% 0/3\rLoading: 100% 3/3\rAvailable KV cache memory: 2.5 GiB\n"
    )
    start = parse_lines(lines_of(io.BytesIO(raw)), path="x").last
    assert (start.largest("weights_bytes"), start.largest("available_kv_bytes")) == (14.5 * GIB, 2.5 * GIB)


def test_a_line_without_end_is_cut_and_the_next_is_read():
    raw = b"x" * (40 * LONGEST_LINE) + b"\nAvailable KV cache memory: 2.5 GiB\n"
    lines = list(lines_of(io.BytesIO(raw)))
    assert len(lines[0]) == LONGEST_LINE
    assert lines[1].startswith("Available")
    assert len(lines) == 2


def test_a_log_without_vllms_lines_is_refused(write_log):
    with pytest.raises(LogError, match="none of the lines vLLM prints"):
        read_log(write_log("hello\nworld\n"))


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(LogError, match="does not exist"):
        read_log(tmp_path / "missing.log")
    with pytest.raises(LogError, match="is a folder"):
        read_log(tmp_path)
    with pytest.raises(LogError, match="is not a path"):
        read_log("a\0b")


def test_what_a_server_writes_while_it_serves_is_passed_over():
    assert not worth_reading(
        "(EngineCore pid=282) INFO [loggers.py:271] Engine 000: Avg prompt throughput: 908.0 tokens/s, Running: 3 reqs, GPU KV "
        "cache usage: 3.1%, Prefix cache hit rate: 12.0%"
    )
    assert not worth_reading(
        '(APIServer pid=1) INFO:     172.18.0.3:57494 - "POST /v1/chat/completions HTTP/1.1" 200 OK'
    )
