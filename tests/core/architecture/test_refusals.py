"""What vLLM's configs refuse, as they refused it when asked (0.33.0, except where a release is named: from its source)."""

from __future__ import annotations

from typing import Any

import pytest

from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.errors import InputError

NGRAM = {"method": "ngram", "num_speculative_tokens": 2}


def asked(model: str = "Qwen/Qwen3-8B", gpu: str = "H100", **args: Any) -> None:
    checkpoint = find(model)
    assert checkpoint is not None
    ask(checkpoint, gpu=gpu, **args)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"enable_chunked_prefill": False, "max_num_batched_tokens": 2048, "max_model_len": 8192}, r"\(2048\) is smaller than"),
        ({"max_num_seqs": 16384}, r"max_num_batched_tokens \(8192\) must be greater than or equal to max_num_seqs \(16384\)"),
        ({"max_num_seqs": 64, "max_num_batched_tokens": 32}, r"must be greater than or equal to max_num_seqs \(64\)"),
        ({"tensor_parallel_size": 4, "decode_context_parallel_size": 3}, "tp_size=4 must be divisible by dcp_size=3"),
        ({"enable_eplb": True, "tensor_parallel_size": 2}, "enable_expert_parallel must be True to use EPLB"),
        ({"enable_eplb": True, "enable_expert_parallel": True}, "EPLB requires tensor, prefill-context, or data parallelism"),
        ({"eplb_config": {"num_redundant_experts": 2}}, "num_redundant_experts is set to 2 but EPLB is not enabled"),
        ({"compilation_config": {"cudagraph_mode": "SOME"}}, "it must be NONE, PIECEWISE, FULL, FULL_DECODE_ONLY, FULL_AND_PIECEWISE"),
        ({"cudagraph_capture_sizes": []}, "at least one"),
        ({"cudagraph_capture_sizes": [1, 2], "max_cudagraph_capture_size": 4}, r"should be consistent with"),
        ({"cudagraph_capture_sizes": [1], "compilation_config": {"cudagraph_capture_sizes": [2]}}, "mutually exclusive"),
        ({"spec_method": "mtp", "speculative_config": {"method": "ngram"}}, "mutually exclusive"),
        ({"runner": "serve"}, "must be auto"),
        ({"max_lora_rank": 24}, "must be 1, 8, 16"),
        ({"tensor_parallel_size": 8, "decode_context_parallel_size": 2}, r"the model's total number of KV heads \(8\)"),
        ({"mamba_block_size": 512, "enable_prefix_caching": False}, "can only be set with --enable-prefix-caching"),
        ({"enable_expert_parallel": True}, "must be greater than 0 when expert parallelism is enabled"),
        ({"swap_space": 4}, "left vLLM with 0.18.0; --kv-offloading-size took its place"),
        ({"task": "embed"}, "must be auto, generate, pooling, draft"),
        ({"convert": "reward"}, "must be auto, none, embed or classify"),
        ({"max_model_len": 0}, "must be a whole number"),
        ({"compilation_config": {"mode": 4}}, "has no mode 4: it must be NONE, STOCK_TORCH_COMPILE"),
        ({"compilation_config": {"level": 0}}, "level: is an unexpected keyword argument"),
        ({"moe_backend": "marlinn"}, "must be one of auto, triton"),
        ({"speculative_config": {**NGRAM, "draft_tensor_parallel_size": 2}}, "other value than 1 or target"),
        ({"speculative_config": {**NGRAM, "tensor_parallel_size": 1}}, "is not a valid argument"),
        ({"speculative_config": {**NGRAM, "prompt_lookup_min": 5, "prompt_lookup_max": 3}}, "must be <= prompt_lookup_max=3"),
        ({"speculative_config": NGRAM, "max_num_batched_tokens": 2, "max_num_seqs": 1}, "does not have enough slots"),
        ({"offload_group_size": 2, "offload_num_in_group": 3}, r"offload_num_in_group \(3\) must be <= offload_group_size \(2\)"),
        ({"offload_group_size": 2, "offload_prefetch_step": 0}, r"offload_prefetch_step \(0\) must be >= 1"),
    ],
)  # fmt: skip
def test_vllm_refuses_before_anything_is_loaded(args: dict[str, Any], said: str) -> None:
    from vram.ask.answering import answer

    checkpoint = find("Qwen/Qwen3-8B")
    assert checkpoint is not None
    with pytest.raises(InputError, match=said):
        answer(ask(checkpoint, gpu="H100", **args))


def test_recurrent_states_have_blocks_of_their_own_with_prefix_caching_alone() -> None:
    from vram.ask.answering import answer

    checkpoint = find("ai21labs/Jamba-v0.1")
    assert checkpoint is not None
    with pytest.raises(InputError, match="can only be set with --enable-prefix-caching"):
        answer(ask(checkpoint, gpu="H200", mamba_block_size=512, enable_prefix_caching=False))


@pytest.mark.parametrize(
    ("args", "version", "said"),
    [
        ({"pipeline_parallel_size": 2}, "0.14.1", "not yet compatible with pipeline_parallel_size > 1"),
        ({"speculative_config": {"method": "ngram", "num_speculative_tokens": 2}}, "0.20.0", "with ngram-based"),
        (
            {"pipeline_parallel_size": 2, "environment": {"VLLM_USE_V2_MODEL_RUNNER": "0"}},
            "0.33.0",
            "not supported by the V1 model runner with pipeline",
        ),
    ],
)
def test_scheduling_ahead_cannot_be_asked_for_beside_what_lacks_it(
    args: dict[str, Any], version: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        asked(async_scheduling=True, vllm_version=version, **args)


def test_pipelines_schedule_ahead_from_0_16_to_0_32_and_with_model_runner_v2() -> None:
    for version in ("0.16.0", "0.32.0", "0.33.0"):
        asked(async_scheduling=True, vllm_version=version, pipeline_parallel_size=2)


@pytest.mark.parametrize(
    ("model", "version", "said"),
    [
        ("Qwen/Qwen3-8B", "0.12.0", "is not fully supported"),
        ("deepseek-ai/DeepSeek-V3", "0.25.1", "an attention backend that supports it"),
        ("Qwen/Qwen3-8B", "0.33.0", "an attention backend that supports it"),
    ],
)
def test_one_prompt_is_divided_by_latent_attention_alone_since_0_26(model: str, version: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        asked(model, gpu="H200", vllm_version=version, prefill_context_parallel_size=2)
    asked("deepseek-ai/DeepSeek-V3", gpu="H200", vllm_version="0.33.0", prefill_context_parallel_size=2)


def test_classes_without_adapters_or_pipelines_are_refused_them() -> None:
    # 0.33.0's registry says of each class whether it is `SupportsLoRA` and `SupportsPP`
    with pytest.raises(InputError, match="Pipeline parallelism is not supported for this model"):
        asked("BAAI/bge-m3", pipeline_parallel_size=2)
    with pytest.raises(InputError, match="LoRA is not supported for GPT2LMHeadModel"):
        asked("openai-community/gpt2", enable_lora=True)
    asked("openai-community/gpt2", pipeline_parallel_size=2)


def test_an_encoder_only_model_takes_no_batch_below_its_length() -> None:
    with pytest.raises(InputError, match="and prompts are not split"):
        asked("BAAI/bge-m3", max_num_batched_tokens=4096)


def test_v1_to_0_11_0_splits_prompts_whatever_was_asked() -> None:
    whole: dict[str, Any] = {"enable_chunked_prefill": False, "max_num_batched_tokens": 2048, "max_model_len": 8192}
    asked(vllm_version="0.10.2", **whole)
    with pytest.raises(InputError):
        asked(vllm_version="0.12.0", **whole)


def test_v0_splits_long_prompts_by_itself() -> None:
    asked("meta-llama/Llama-3.1-8B-Instruct", vllm_version="0.7.3", max_num_batched_tokens=2048, max_model_len=65536)
    with pytest.raises(InputError):
        asked("meta-llama/Llama-3.1-8B-Instruct", vllm_version="0.7.3", max_num_batched_tokens=2048, max_model_len=8192)
