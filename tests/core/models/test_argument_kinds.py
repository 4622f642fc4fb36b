"""Engine arguments of another kind than their own: one sentence that names them, whichever they are and wherever they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command import refusal_of

import vram
from vram.errors import InputError, PluginError, VramError
from vram.models.deployment import ENGINE_DEFAULTS, EngineArgs

#: what JSON, YAML and a program may hold in place of what is meant
STRANGE: tuple[object, ...] = (
    True, "a", -1, 1.5, float("nan"), 10**30, [], ["x", 1], [None], [[1]], {}, {"a": 1}, {"type": 5}, {"method": {"a": 1}},
)  # fmt: skip
INSIDE = {
    "speculative_config": ("method", "model", "num_speculative_tokens", "max_model_len", "enforce_eager", "draft_load_config"),
    "limit_mm_per_prompt": ("image", "video", "audio", "x"),
    "compilation_config": ("cudagraph_capture_sizes", "cudagraph_mode", "mode", "pass_config", "custom_ops", "max_cudagraph_capture_size"),
    "hf_overrides": ("hidden_size", "architectures", "text_config", "rope_scaling", "torch_dtype", "num_hidden_layers"),
    "mm_processor_kwargs": ("max_pixels", "min_pixels"),
    "eplb_config": ("num_redundant_experts", "window_size"),
    "environment": ("VLLM_USE_V1",),
    "attention_config": ("backend",),
    "kernel_config": ("moe_backend",),
}  # fmt: skip
MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"


def answered_or_refused(name: str, value: object) -> None:
    try:
        vram.estimate(MODEL, gpu="H200", **{name: value}).to_dict()  # type: ignore[arg-type]
    except PluginError:
        raise
    except VramError as error:
        str(error)


@pytest.mark.parametrize("name", ENGINE_DEFAULTS)
def test_no_value_of_an_argument_ends_in_anything_but_an_answer_or_a_sentence(name: str) -> None:
    for value in STRANGE:
        answered_or_refused(name, value)


@pytest.mark.parametrize("name", INSIDE)
def test_nor_does_one_inside_an_argument(name: str) -> None:
    for key in INSIDE[name]:
        for value in STRANGE:
            answered_or_refused(name, {key: value})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("enforce_eager", "a", "must be true or false"),
        ("async_scheduling", 1, "must be true or false"),
        ("dtype", True, "must be text"),
        ("quantization", [], "must be text"),
        ("moe_backend", {}, "must be text"),
        ("kv_cache_dtype_skip_layers", "0", "must be a list of names"),
        ("compilation_config", [["mode", 3]], "must be names with values"),
        ("hf_overrides", {1: 2}, "must be names with values"),
        ("environment", {"VLLM_USE_V1": 1}, "values that are text"),
        ("max_lora_rank", True, "must be 1, 8"),
        ("optimization_level", True, "must be 0, 1, 2, 3"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_argument(name: str, value: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        EngineArgs.from_mapping({name: value})
    assert caught.value.data["name"] == name


@pytest.mark.parametrize(
    ("vllm_args", "problem"),
    [
        ('{enforce_eager: "perhaps"}', "enforce"),
        ("{compilation_config: [1]}", "compilation"),
        ("{speculative_config: {model: {a: 1}, num_speculative_tokens: 2}}", "speculative_config.model"),
        ("{environment: [A]}", "env"),
        ("{limit_mm_per_prompt: {image: {count: a}}}", "limit_mm_per_prompt.image.count"),
        ("{max_num_seqs: {a: 1}}", "max"),
    ],
)
def test_a_profile_file_is_refused_alike(vllm_args: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        f"profile_version: 1\nmodel: {{id: {MODEL}}}\nhardware: {{gpu: H100}}\noutputs: {{vllm_args: {vllm_args}}}\n"
    )
    assert problem in refusal_of("estimate", "-p", tmp_path / "p.yaml")


@pytest.mark.parametrize(
    "value", [{"model": {"a": 1}, "num_speculative_tokens": 2}, {"method": [1]}, {"num_speculative_tokens": "a"}]
)
def test_a_manifests_server_is_not_understood_and_says_why(value: object, tmp_path: Path) -> None:
    words = ["vllm", "serve", MODEL, "--speculative-config", json.dumps(value)]
    container = {"name": "a", "image": "vllm/vllm-openai:v0.20.0", "command": words}
    (tmp_path / "pod.yaml").write_text(
        json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}})
    )
    said = vram_check(tmp_path)
    assert "speculative_config" in said


def vram_check(folder: Path) -> str:
    from tests.command import vram as run

    done = run("check", folder, "--gpu", "H100", "--json", "--offline")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stdout
