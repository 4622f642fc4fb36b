"""What may be said in several ways has one answer, whichever is taken (issue 16: a draft as `--spec-method` was passed over)."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.serving.command import parse_words


def answered(words: str, version: str) -> dict[str, Any]:
    command = parse_words(shlex.split(words), version=version)
    assert command.refusals == ()
    checkpoint = find(command.model)
    assert checkpoint is not None
    estimate = answer(
        ask(checkpoint, gpu="H200", vllm_version=version, environment=dict(command.environment), **command.engine_args)
    )
    return {name: part for name, part in estimate.to_dict().items() if name not in ("deployment",)}


NEXT, QWEN, SEEN = "Qwen/Qwen3-Next-80B-A3B-Instruct -tp 2", "Qwen/Qwen3-8B", "Qwen/Qwen2.5-VL-7B-Instruct"
NO_VIDEO = """--limit-mm-per-prompt '{"video":0,"image":1}'"""
PIXELS = """--mm-processor-kwargs '{"max_pixels":1048576}'"""
YARN = '{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":32768}'
DRAFT = """-sc '{"model":"Qwen/Qwen3-0.6B","num_speculative_tokens":3}'"""
MTP = """-sc '{"method":"mtp","num_speculative_tokens":2}'"""
DOTTED = "--speculative_config.method=mtp --speculative_config.num-speculative-tokens=2"
OLD_DRAFT = "Qwen/Qwen3-8B --{0} Qwen/Qwen3-0.6B --{1} 3"


@pytest.mark.parametrize(
    ("first", "second", "version"),
    [
        (f"{NEXT} --spec-method mtp --spec-tokens 2", f"{NEXT} {MTP}", "0.33.0"),
        (f"{NEXT} --spec-method=mtp --spec-tok=2", f"{NEXT} -sc.method mtp -sc.num_speculative_tokens 2", "0.33.0"),
        (f"{NEXT} {DOTTED}", f"{NEXT} --spec_method mtp --spec_tokens 2", "0.33.0"),
        (f"{QWEN} --spec-model Qwen/Qwen3-0.6B --spec-tokens 3", f"{QWEN} {DRAFT}", "0.33.0"),
        (OLD_DRAFT.format("speculative-model", "num-speculative-tokens"), OLD_DRAFT.format("speculative_model", "num_spec"), "0.8.1"),
        (f"{QWEN} -O0", f"{QWEN} --optimization-level 0", "0.33.0"),
        (f"{QWEN} -O 0", f"{QWEN} -O=0", "0.33.0"),
        (f"{QWEN} -O.mode=0", f"""{QWEN} --compilation-config '{{"mode":0}}'""", "0.11.2"),
        (f"{QWEN} -O0", f"""{QWEN} -O '{{"level":0}}'""", "0.10.2"),
        (f"{QWEN} -cc.cudagraph_mode=NONE", f"""{QWEN} -cc '{{"cudagraph_mode":"none"}}'""", "0.33.0"),
        (f"{QWEN} -cc.cudagraph_capture_sizes+ 1,2,4", f"{QWEN} --cudagraph-capture-sizes 1 2 4", "0.33.0"),
        (f"{QWEN} --max-cudagraph-capture-size 64", f"{QWEN} -cc.max_cudagraph_capture_size 64", "0.33.0"),
        (f"{QWEN} --max-model-len 32k", f"{QWEN} --max_model_len=32000", "0.33.0"),
        (f"{QWEN} --max-model-len 32K", f"{QWEN} --max-model-len 32768", "0.33.0"),
        (f"{QWEN} --max-num-batched-tokens 4K", f"{QWEN} --max-num-batched 4096", "0.33.0"),
        (f"{QWEN} --kv-cache-memory-bytes 10G", f"{QWEN} --kv-cache-memory-bytes {10 * 2**30}", "0.33.0"),
        (f"{QWEN} --max-model-len AUTO", f"{QWEN} --max-model-len -1", "0.33.0"),
        (f"{QWEN} --gpu-mem 0.8", f"{QWEN} --gpu-memory-utilization 0.8", "0.33.0"),
        (f"{QWEN} --rope-theta 5000000", f"""{QWEN} --hf-overrides '{{"rope_theta":5000000}}'""", "0.10.2"),
        (f"{QWEN} --rope-scaling '{YARN}'", f"""{QWEN} --hf-overrides '{{"rope_scaling":{YARN}}}'""", "0.10.2"),
        (f"{QWEN} --task embed", f"{QWEN} --runner pooling", "0.10.2"),
        (f"{QWEN} --attention-config.backend FLASHINFER", f"{QWEN} --attention-backend FLASHINFER", "0.33.0"),
        (f"{NEXT} --kernel-config.moe_backend triton", f"{NEXT} --moe-backend triton", "0.33.0"),
        ("Qwen/Qwen3-30B-A3B -tp 2 -ep --enable-eplb --eplb-config.num_redundant_experts 8",
         """Qwen/Qwen3-30B-A3B -tp 2 --enable-expert-parallel --enable-eplb --eplb-config '{"num_redundant_experts":8}'""", "0.33.0"),
        (f"{SEEN} --limit-mm-per-prompt.video 0 --limit-mm-per-prompt.image 1",
         f"{SEEN} {NO_VIDEO}", "0.33.0"),
        (f"{SEEN} --limit-mm-per-prompt image=1,video=0",
         f"{SEEN} {NO_VIDEO}", "0.9.0"),
        (f"{SEEN} --mm-processor-kwargs.max_pixels 1M", f"{SEEN} {PIXELS}", "0.33.0"),
    ],
)  # fmt: skip
def test_one_thing_said_in_two_ways_has_one_answer(first: str, second: str, version: str) -> None:
    assert answered(first, version) == answered(second, version)


def test_a_draft_takes_memory_however_it_is_given() -> None:
    plain, drafted = (answered(words, "0.33.0") for words in (NEXT, f"{NEXT} --spec-method mtp --spec-tokens 2"))
    assert drafted["ranks"][0]["parameter_bytes"] > plain["ranks"][0]["parameter_bytes"]
    assert drafted["kv_cache"]["tokens"] < plain["kv_cache"]["tokens"]
