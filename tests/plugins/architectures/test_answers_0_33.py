"""Architectures of vLLM 0.33 against its own answers, from the config to the plan.

`answers_0_33.jsonl` holds made-up configs (the defaults of the config classes with other sizes, tied or not, quantized)
and what vLLM 0.33.0's GPU wheel answered for them on the meta device under a pretended GPU with 20 GiB for the cache:
bytes of parameters and buffers on each pipeline rank, blocks and tokens of the plan, or the longest context that would
have fitted.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vram

CASES = [
    pytest.param(case["config"], answer, id=f"{case['name']}-{answer['gpu']}-tp{answer['tp']}-pp{answer['pp']}")
    for case in map(json.loads, (Path(__file__).parent / "answers_0_33.jsonl").read_text().splitlines())
    for answer in case["answers"]
]


@pytest.mark.parametrize(("config", "answer"), CASES)
def test_bytes_and_plan_are_vllms(config: dict, answer: dict, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))

    estimate = vram.estimate(
        tmp_path,
        gpu=answer["gpu"],
        tensor_parallel_size=answer["tp"],
        pipeline_parallel_size=answer["pp"],
        kv_cache_memory_bytes=20 * 2**30,
        vllm_version="0.33.0",
        **answer["args"],
    ).to_dict()

    assert [rank["parameter_bytes"] for rank in estimate["ranks"]] == answer["bytes"]
    if "tokens" in answer:
        plan = estimate["kv_cache"]
        assert (plan["num_blocks"], plan["tokens"]) == (answer["blocks"], answer["tokens"])
    if "longest" in answer:
        assert estimate["kv_cache"]["estimated_max_model_len"] == answer["longest"]
