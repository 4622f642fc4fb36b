"""What single flags change, as vLLM 0.33.0 (its GPU wheel on the meta device, an H100 pretended, 20 GiB of cache) answered."""

from __future__ import annotations

from typing import Any

import pytest

from vram.architecture.graph_choice import graph_choice
from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.estimate.parts import Parts, compute
from vram.units import GIB
from vram.vllm.capture import CaptureSizes, capture_sizes

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}

LONGER = {"rope_parameters": {**YARN, "rope_theta": 1e6}, "max_position_embeddings": 131072}
WINDOWS = ["sliding_window"]


def parts(model: str, gpu: str = "H100", **args: Any) -> Parts:
    checkpoint = find(model)
    assert checkpoint is not None
    return compute(ask(checkpoint, gpu=gpu, kv_cache_memory_bytes=20 * GIB, **args))


#: model, arguments, then vLLM's: context, bytes of a rank's parameters, blocks, tokens
ANSWERS: tuple[tuple[str, dict[str, Any], tuple[int, int, int, int]], ...] = (
    ("Qwen/Qwen3-8B", {}, (40960, 16391957056, 9102, 145632)),
    ("Qwen/Qwen3-8B", {"kv_cache_dtype": "fp8", "kv_cache_dtype_skip_layers": ["0", "1", "35"]}, (40960, 16391957056, 8402, 268864)),
    ("openai/gpt-oss-20b", {"kv_cache_dtype": "fp8", "kv_cache_dtype_skip_layers": WINDOWS}, (131072, 13794819584, 54613, 1395639)),
    ("Qwen/Qwen3-8B", {"hf_overrides": {"rope_scaling": YARN}}, (40960, 16415025728, 9102, 145632)),
    ("Qwen/Qwen3-8B", {"hf_overrides": LONGER}, (131072, 16415025728, 9102, 145632)),
    ("Qwen/Qwen3-8B", {"hf_overrides": {"num_hidden_layers": 4}}, (40960, 4043384896, 81920, 1310720)),
    ("google/gemma-3-12b-it", {"hf_overrides": {"text_config": {"num_hidden_layers": 6}}}, (131072, 6150147394, 163840, 1574747)),
    ("Qwen/Qwen3-8B", {"hf_overrides": {"rope_theta": 10000}}, (40960, 16391957056, 9102, 145632)),
    ("Qwen/Qwen3-8B", {"runner": "pooling"}, (40960, 15147297344, 9102, 145632)),
    ("Qwen/Qwen3-8B", {"convert": "embed"}, (40960, 15147297344, 9102, 145632)),
    ("Qwen/Qwen3-8B", {"convert": "classify"}, (40960, 15147330112, 9102, 145632)),
    ("openai/gpt-oss-20b", {"disable_sliding_window": True}, (128, 13794819584, 27306, 436896)),
    ("google/gemma-3-12b-it", {"disable_sliding_window": True}, (1024, 24978663394, 3413, 54608)),
    (
        "Qwen/Qwen3-30B-A3B",
        {"tensor_parallel_size": 2, "enable_expert_parallel": True, "enable_eplb": True, "eplb_config": {"num_redundant_experts": 8}},
        (40960, 32367368448, 27306, 436896),
    ),
    ("Qwen/Qwen3-30B-A3B", {"tensor_parallel_size": 2, "moe_backend": "triton"}, (40960, 30555403008, 27306, 436896)),
    ("Qwen/Qwen3-8B", {"attention_backend": "FLASHINFER"}, (40960, 16391957056, 9102, 145632)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "args", "said"), ANSWERS, ids=lambda one: str(one)[:60] if isinstance(one, dict) else None
)
def test_a_flag_changes_what_vllm_says_it_changes(model: str, args: dict[str, Any], said: tuple[int, ...]) -> None:
    found = parts(model, **args)
    assert (
        found.plan.max_model_len,
        found.weights[0].parameter_bytes,
        found.plan.num_blocks,
        found.plan.tokens,
    ) == said


def test_exchanging_experts_has_a_buffer_of_one_layers() -> None:
    # 0.33.0 `distributed/eplb/eplb_state.py`: empty_like of the first layer's; 68 experts × 3 × 2048 × 768 in bfloat16 a rank
    expert_parallel: dict[str, Any] = {"tensor_parallel_size": 2, "enable_expert_parallel": True}
    redundant = {"enable_eplb": True, "eplb_config": {"num_redundant_experts": 8}}
    found = parts("Qwen/Qwen3-30B-A3B", **expert_parallel, **redundant)
    buffer = found.weights_bytes - found.weights[0].parameter_bytes
    assert buffer == pytest.approx(68 * 3 * 2048 * 768 * 2, rel=0.01)


def captured(model: str = "Qwen/Qwen3-8B", version: str = "0.33.0", **args: Any) -> CaptureSizes:
    checkpoint = find(model)
    assert checkpoint is not None
    question = ask(checkpoint, gpu="H100", vllm_version=version, **args)
    deployment = question.deployment
    return capture_sizes(
        deployment.vllm_version,
        max_num_seqs=deployment.max_num_seqs,
        max_num_batched_tokens=deployment.max_num_batched_tokens,
        capability=(9, 0),
        choice=graph_choice(deployment.args, deployment.vllm_version, question.spec),
    )


#: arguments, then vLLM's: mode, number of sizes and largest
GRAPHS: tuple[tuple[dict[str, Any], str, int, int], ...] = (
    ({}, "FULL_AND_PIECEWISE", 51, 512),
    ({"enforce_eager": True}, "NONE", 0, 0),
    ({"cudagraph_capture_sizes": [1, 2, 4, 300]}, "FULL_AND_PIECEWISE", 4, 300),
    ({"max_cudagraph_capture_size": 100}, "FULL_AND_PIECEWISE", 15, 96),
    ({"optimization_level": 1}, "PIECEWISE", 51, 512),
    ({"optimization_level": 0}, "NONE", 0, 0),
    ({"performance_mode": "interactivity"}, "FULL_AND_PIECEWISE", 76, 512),
    ({"compilation_config": {"mode": 0}}, "FULL_DECODE_ONLY", 51, 512),
    ({"compilation_config": {"cudagraph_mode": "FULL"}}, "FULL", 51, 512),
    ({"compilation_config": {"cudagraph_mode": "none"}}, "NONE", 0, 0),
    ({"runner": "pooling"}, "PIECEWISE", 51, 512),
)


@pytest.mark.parametrize(("args", "mode", "count", "largest"), GRAPHS)
def test_graphs_are_captured_as_the_arguments_say(args: dict[str, Any], mode: str, count: int, largest: int) -> None:
    sizes = captured(**args)
    kinds = (
        sizes.piecewise if "PIECEWISE" in mode or mode == "FULL" else (),
        sizes.full if mode.startswith("FULL_") else (),
    )
    assert (sizes.piecewise, sizes.full) == kinds
    for found in filter(None, kinds):
        assert (len(found), max(found)) == (count, largest)
    assert sizes.graphs == count * sum(map(bool, kinds))


def test_throughput_doubles_what_was_left_open() -> None:
    found = parts("Qwen/Qwen3-8B", performance_mode="throughput").question.deployment
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (2048, 16384)


def test_before_0_11_a_level_without_vllms_compilation_captures_nothing() -> None:
    # `config/compilation.py` (0.10.2): graphs are captured piece by piece alone, which level 3 makes
    assert captured(version="0.10.2", compilation_config={"level": 0}).graphs == 0
    assert captured(version="0.10.2", cuda_graph_sizes=[64]).piecewise == (1, 2, 4, *range(8, 65, 8))
    assert captured(version="0.10.2", cuda_graph_sizes=[1, 5, 9]).piecewise == (1, 5, 9)


def test_yarn_lengthens_the_context_to_0_29_and_not_since() -> None:
    # `_get_and_verify_max_len`: original × factor to 0.29; `max_position_embeddings` as it stands from 0.30
    lengths = [
        parts("Qwen/Qwen3-8B", vllm_version=v, rope_scaling=YARN).plan.max_model_len
        for v in ("0.9.2", "0.29.0", "0.30.0")
    ]
    assert lengths == [131072, 131072, 40960]


def test_a_task_of_before_0_13_is_a_runner() -> None:
    embedding = parts("Qwen/Qwen3-8B", vllm_version="0.10.2", task="embed")
    assert embedding.question.spec.runner == "pooling"
    assert parts("Qwen/Qwen3-8B", vllm_version="0.10.2", task="generate").question.spec.runner == "generate"


def test_all_reduce_by_nccl_alone_keeps_memory_for_every_graph() -> None:
    plain, alone = (
        parts("Qwen/Qwen3-8B", gpu="A100 80GB", tensor_parallel_size=2, disable_custom_all_reduce=off)
        for off in (False, True)
    )
    assert alone.overhead.cuda_graphs.expected > plain.overhead.cuda_graphs.expected
    # on Hopper torch's symmetric memory reduces instead (`distributed/device_communicators/symm_mem.py`)
    hopper = [
        parts("Qwen/Qwen3-8B", tensor_parallel_size=2, disable_custom_all_reduce=off).overhead.cuda_graphs
        for off in (False, True)
    ]
    assert hopper[0] == hopper[1]
