"""Every engine argument changes some answer, or is declared to change none: nothing that is accepted is read by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import fields

from vram.architecture.passed_over import passed_over
from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.errors import VramError
from vram.models.deployment import ENGINE_DEFAULTS, EngineArgs

NAMES = list(ENGINE_DEFAULTS)
#: deployments in which arguments of every kind have something to act on
BASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Qwen/Qwen3-8B", {}),
    ("Qwen/Qwen3-8B", {"enable_lora": True, "tensor_parallel_size": 2}),
    ("Qwen/Qwen3-30B-A3B", {"tensor_parallel_size": 2}),
    ("Qwen/Qwen3-30B-A3B", {"tensor_parallel_size": 8}),
    ("openai/gpt-oss-20b", {}),
    ("deepseek-ai/DeepSeek-V3", {"tensor_parallel_size": 8}),
    ("google/gemma-3-12b-it", {"pipeline_parallel_size": 1}),
    ("Qwen/Qwen2.5-VL-7B-Instruct", {"tensor_parallel_size": 2}),
    ("ai21labs/Jamba-v0.1", {}),
    ("ai21labs/Jamba-v0.1", {"enable_prefix_caching": True}),
    (
        "ai21labs/Jamba-v0.1",
        {"enable_prefix_caching": True, "vllm_version": "0.31.0"},
    ),  # the last with mamba_cache_mode all
    ("ai21labs/Jamba-v0.1", {"enable_prefix_caching": True, "mamba_cache_mode": "all", "vllm_version": "0.31.0"}),
    ("Qwen/Qwen3-8B", {"kv_cache_dtype": "fp8"}),
    ("Qwen/Qwen3-8B", {"vllm_version": "0.17.1"}),  # the last with swap_space
    ("Qwen/Qwen3-8B", {"tensor_parallel_size": 2, "vllm_version": "0.10.2"}),
    ("Qwen/Qwen3-8B", {"enable_lora": True, "dtype": "float32"}),
    ("Qwen/Qwen3-8B", {"offload_group_size": 4}),
    ("Qwen/Qwen3-30B-A3B", {"enable_expert_parallel": True, "tensor_parallel_size": 2, "enable_eplb": True}),
    ("Qwen/Qwen3-30B-A3B", {"enable_expert_parallel": True, "tensor_parallel_size": 2}),
    ("Qwen/Qwen3-30B-A3B", {"quantization": "experts_int8", "vllm_version": "0.19.1"}),
)
#: values where the type alone does not suggest one
VALUES: dict[str, tuple[Any, ...]] = {
    "dtype": ("float32",),
    "quantization": ("fp8",),
    "attention_backend": ("FLASHINFER",),
    "kv_cache_dtype": ("fp8",),
    "lora_dtype": ("float16",),
    "speculative_config": ({"method": "ngram", "num_speculative_tokens": 4},),
    "limit_mm_per_prompt": ({"image": 0, "video": 0},),
    "mm_encoder_tp_mode": ("data",),
    "mm_processor_kwargs": ({"max_pixels": 1003520},),
    "mamba_cache_dtype": ("float32",),
    "mamba_ssm_cache_dtype": ("float32", "bfloat16"),
    "mamba_cache_mode": ("align", "all"),
    "runner": ("pooling",),
    "moe_backend": ("marlin",),
    "gpu_memory_utilization": (0.5,),
    "environment": ({"VLLM_USE_V2_MODEL_RUNNER": "0"},),
    "compilation_config": ({"cudagraph_mode": "PIECEWISE"},),
    "optimization_level": (0,),
    "performance_mode": ("throughput",),
    "offload_backend": ("uva",),
    "convert": ("embed",),
    "hf_overrides": ({"num_hidden_layers": 4},),
    "kv_cache_dtype_skip_layers": (["0", "1"],),
    "eplb_config": ({"num_redundant_experts": 2},),
}
#: decides nothing on the GPU: it reserves host memory
WITHOUT_EFFECT = {
    "swap_space": "reserves memory of the host",
    "enable_sleep_mode": "is warned about wherever it is given (`decides` in serve_flags.txt, and vram/vllm/faults.toml)",
}


def values_of(name: str) -> tuple[Any, ...]:
    kind = str({a.name: a.type for a in fields(EngineArgs)}[name])
    if name in VALUES:
        return VALUES[name]
    return (True, False) if "bool" in kind else (2, 64, 4096)


def answers(name: str) -> Iterator[tuple[object, object]]:
    """(without, with) the argument, in each deployment that vLLM takes both ways."""
    for model, base in BASES:
        checkpoint = find(model)
        if checkpoint is None:
            continue
        plain = answer(ask(checkpoint, gpu="H200", **base)).to_dict()
        for value in values_of(name):
            try:
                changed = answer(ask(checkpoint, gpu="H200", **{**base, name: value})).to_dict()
            except VramError:
                continue
            for each in (plain, changed):
                each["verdict"] = {k: v for k, v in each["verdict"].items() if k != "warnings"}
                each["deployment"] = {k: v for k, v in each["deployment"].items() if k not in {name, "not_modelled"}}
                each.pop("left_out", None)
            yield plain, changed


def test_the_models_asked_about_are_in_the_catalog() -> None:
    assert all(find(model) for model, _ in BASES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_EFFECT])
def test_an_argument_changes_some_answer(name: str) -> None:
    assert any(plain != changed for plain, changed in answers(name)), (
        f"no answer changes with {name}: give it a rule, make it `decides` in serve_flags.txt, or a line of WITHOUT_EFFECT here"
    )


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_an_argument_declared_to_change_nothing_changes_nothing(name: str) -> None:
    asked = list(answers(name))

    assert asked
    assert all(plain == changed for plain, changed in asked)


def test_what_is_declared_is_an_argument() -> None:
    assert WITHOUT_EFFECT.keys() <= set(NAMES)


def said(**args: Any) -> tuple[str, ...]:
    checkpoint = find("Qwen/Qwen3-8B")
    assert checkpoint is not None
    return passed_over(ask(checkpoint, gpu="H100", **args).deployment)


def test_an_argument_that_decides_memory_and_is_not_modelled_is_named_with_its_direction() -> None:
    assert said(enable_dbo=True, seed=1, enable_sleep_mode=False) == (
        "--enable-dbo is not modelled: two half batches have workspaces of their own, so that activations take more than "
        "counted and the cache has less.",
    )
    assert said() == ()


def test_so_is_a_variable_in_the_releases_that_read_it() -> None:
    given = {"environment": {"VLLM_MXFP4_USE_MARLIN": "1", "HF_TOKEN": "secret"}}
    (sentence,) = said(vllm_version="0.19.1", **given)
    assert sentence == "VLLM_MXFP4_USE_MARLIN is not modelled: experts may be repacked otherwise, either way."
    assert said(vllm_version="0.33.0", **given) == ()
