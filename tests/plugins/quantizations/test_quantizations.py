"""Every form of a model is what the estimate says of it, is labelled by where it is from, and says why where it does not run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.command import refusal_of
from tests.command import vram as run

import vram
from vram.errors import InputError
from vram_plugins.quantizations.forms import quantizations
from vram_plugins.quantizations.records import Form

MODEL = "Qwen/Qwen3-14B"


def named(source: str, **asked: Any) -> dict[str | None, Form]:
    found = quantizations(**{"model": MODEL, "gpu": "RTX 4090", "max_model_len": 8192, **asked})
    return {form.method or form.quantization or form.model: form for form in found.forms if form.source == source}


@pytest.mark.parametrize(
    "asked",
    [
        {"gpu": "RTX 4090", "max_model_len": 8192, "concurrency": 2},
        {"gpu": "L4", "tensor_parallel_size": 2, "max_model_len": 4096},
        {"gpu": "V100 32GB", "max_model_len": 4096, "vllm_version": "0.19.1", "dtype": "half"},
        {"gpu": "H100", "max_model_len": 16384, "used_gib": 40, "gpu_memory_utilization": 0.45},
    ],
    ids=["a card", "two cards", "an old card", "beside others"],
)
def test_every_form_that_there_is_is_what_the_estimate_says(asked: dict[str, Any]) -> None:
    forms = [form for form in quantizations(MODEL, **asked).forms if form.source != "unpublished"]
    assert len(forms) > 4
    for form in forms:
        estimate = vram.estimate(form.model, quantization=form.method, **asked)
        verdict = estimate.verdict
        assert (form.starts, form.fits, form.certainty) == (verdict.starts, verdict.fits, verdict.certainty), form
        assert (form.reason == "") == form.fits
        assert form.weights_bytes == estimate.memory.weights.expected
        assert form.tokens == estimate.kv_cache.tokens
        assert form.max_context == estimate.limits.max_context_at_concurrency
        assert form.users == estimate.limits.max_concurrency_at_context


def test_speed_is_the_performance_models() -> None:
    form = named("while loading", prompt_tokens=1000, gen_tokens=100)["fp8_per_tensor"]
    speed = vram.performance(
        MODEL, gpu="RTX 4090", max_model_len=8192, quantization="fp8_per_tensor", prompt_tokens=1000, gen_tokens=100
    )
    assert form.output_tokens_per_s == pytest.approx(speed.output_tokens_per_s.expected, abs=0.05)
    assert form.ttft_ms == pytest.approx(speed.ttft_ms.expected, abs=0.05)


def test_a_prompt_and_an_answer_that_are_longer_than_the_context_are_refused() -> None:
    with pytest.raises(InputError, match="30,000 prompt and 30,000 generated tokens do not fit into it"):
        quantizations(MODEL, gpu="RTX 4090", prompt_tokens=30_000, gen_tokens=30_000)
    with pytest.raises(InputError, match="max_model_len"):
        quantizations(MODEL, gpu="RTX 4090", max_model_len=4096, prompt_tokens=4000, gen_tokens=500)
    assert quantizations(MODEL, gpu="RTX 4090", prompt_tokens=9000, gen_tokens=500).max_model_len == 9500


def test_published_checkpoints_are_the_catalogs_and_stand_for_the_unpublished_of_their_kind() -> None:
    found = quantizations(MODEL, gpu="RTX 4090", max_model_len=8192)
    published = {form.model for form in found.forms if form.source == "published"}
    assert {"Qwen/Qwen3-14B-AWQ", "Qwen/Qwen3-14B-FP8"} <= published
    unpublished = {form.quantization for form in found.forms if form.source == "unpublished"}
    assert "awq" not in unpublished
    assert "gptq" in unpublished
    assert found.best is not None
    assert found.best.model == "Qwen/Qwen3-14B-FP8"


def test_a_gpu_that_lacks_a_format_says_what_it_takes() -> None:
    forms = named("published", gpu="V100 32GB", vllm_version="0.19.1", dtype="half")
    assert forms["awq"].reason == "awq needs compute capability 7.5; V100 SXM2 32GB has 7.0"
    assert not forms["awq"].starts


def test_a_method_of_another_release_is_left_out_with_the_release() -> None:
    left_out = {one.method: one.reason for one in quantizations(MODEL, gpu="A100", vllm_version="0.33.0").left_out}
    assert left_out["aqlm"] == "vLLM 0.33.0 no longer has it"
    older = {one.method: one.reason for one in quantizations(MODEL, gpu="A100", vllm_version="0.10.2").left_out}
    assert older["fp8_per_tensor"] == "vLLM 0.10.2 does not have it yet"


def test_formats_for_experts_alone_are_no_help_to_a_dense_model() -> None:
    assert not {"experts_int8", "int8_per_channel_weight_only"} & named("while loading", gpu="H100").keys()
    assert "int8_per_channel_weight_only" in named("while loading", model="Qwen/Qwen3-30B-A3B", gpu="H100")


@pytest.mark.parametrize(("version", "name"), [("0.30.0", "fp8"), ("0.31.0", "fp8_per_tensor")])
def test_plain_fp8_while_loading_is_for_the_releases_that_take_it(version: str, name: str) -> None:
    """`Fp8Config.__init__` raises for unquantized checkpoints in 0.31.0, and not yet in 0.30.0."""
    forms = named("while loading", gpu="H100", vllm_version=version)
    assert name in forms
    assert ("fp8" in forms) == (version == "0.30.0")


def test_of_a_quantized_checkpoint_the_model_it_was_made_of_is_found() -> None:
    found = quantizations("Qwen/Qwen3-14B-AWQ", gpu="RTX 4090", max_model_len=8192)
    assert [form.model for form in found.forms if form.source == "as it is"] == ["Qwen/Qwen3-14B-AWQ"]
    assert MODEL in {form.model for form in found.forms if form.source == "published"}
    assert any(form.source == "while loading" for form in found.forms)


def test_a_model_by_hand_is_answered_as_it_is() -> None:
    from vram.checkpoint import manual_checkpoint

    model = manual_checkpoint(params_billion=8, layers=36, kv_heads=8, head_dim=128)
    found = quantizations(model, gpu_memory_gib=24)
    assert [form.source for form in found.forms] == ["as it is"]
    assert found.forms[0].fits


def test_the_method_is_the_question_and_not_an_argument() -> None:
    with pytest.raises(InputError, match="every one is tried"):
        quantizations(MODEL, gpu="L4", quantization="fp8")
    assert "every one is tried" in refusal_of("quantizations", MODEL, "--gpu", "L4", "-q", "fp8")


def test_a_person_reads_the_most_precise_that_fits_first() -> None:
    done = run("quantizations", MODEL, "--gpu", "RTX 4090")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{MODEL} on RTX 4090, 1 × 8,192 tokens (assumed)")
    assert lines[1] == "✓ Most precise that fits: Qwen/Qwen3-14B-FP8"
    assert any(line.startswith("unpublished: ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_json_has_every_form_and_check_is_about_what_there_is() -> None:
    done = run("quantizations", MODEL, "--gpu", "RTX 4090", "--json")
    content = json.loads(done.stdout)
    assert content["best"]["model"] == "Qwen/Qwen3-14B-FP8"
    assert {form["source"] for form in content["forms"]} == {"as it is", "published", "while loading", "unpublished"}
    # a 70B in four bits is 37 GiB
    assert run("quantizations", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "RTX 4090", "--check").returncode == 1


def test_a_local_folder_is_named_by_its_path(model_folder: Any) -> None:
    folder = model_folder()
    forms = quantizations(folder, gpu="H100", max_model_len=2048).forms
    assert forms[0].model == str(folder)
    assert {form.source for form in forms} == {"as it is", "while loading", "unpublished"}
