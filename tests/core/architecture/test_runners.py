"""Engines and model runners by version."""

from __future__ import annotations

import pytest

from vram.architecture.runners import (
    Served,
    fused_all_reduce_mib,
    keeps_moe_workspace,
    offloads,
    profiles_towers,
    refused_choice,
    sampler_bytes_per_logit,
    uses_v0_engine,
    uses_v2_runner,
)
from vram.models.record import evolve
from vram.vllm.environment import Environment

SERVED = Served(
    capability=(9, 0), dtype="bfloat16", kv_cache_dtype="auto", quantization="", draft="", generates=True, states=False,
    pipelined=False, offloads=False, lora=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "last"),
    [
        ({}, (0, 7, 3)),
        ({"capability": (7, 5)}, (0, 10, 1)),
        ({"capability": (8, 0), "kv_cache_dtype": "fp8"}, (0, 10, 2)),
        ({"capability": (9, 0), "kv_cache_dtype": "fp8"}, (0, 8, 1)),  # FlashAttention 3 is asked for since 0.8.2
        ({"capability": (10, 0), "kv_cache_dtype": "fp8"}, (0, 9, 2)),
        ({"states": True}, (0, 10, 1)),
        ({"draft": "a/draft-model"}, (0, 9, 2)),
        ({"draft": "eagle"}, (0, 8, 5)),
        ({"generates": False}, (0, 9, 1)),
        ({"dtype": "float32"}, (0, 9, 1)),
        ({"pipelined": True}, (0, 8, 5)),
        ({"quantization": "gguf"}, (0, 8, 5)),
        ({"quantization": "bitsandbytes"}, (0, 8, 2)),
        ({"lora": True}, (0, 8, 2)),
        ({"offloads": True}, (0, 8, 2)),
    ],
)
def test_the_old_engine_serves_what_the_new_one_could_not_yet(fact, last):
    releases = [(0, 7, 3), (0, 8, 0), (0, 8, 1), (0, 8, 2), (0, 8, 3), (0, 8, 5), (0, 9, 0), (0, 9, 1), (0, 9, 2),
                (0, 10, 0), (0, 10, 1), (0, 10, 2), (0, 11, 0), (0, 33, 0)]  # fmt: skip
    served = evolve(SERVED, **fact)
    assert [one for one in releases if uses_v0_engine(one, served)][-1] == last


def test_offload_does_nothing_under_the_v2_runner_to_0_27():
    assert not offloads((0, 25, 1), v2_runner=True)
    assert offloads((0, 28, 0), v2_runner=True)
    assert offloads((0, 25, 1), v2_runner=False)


@pytest.mark.parametrize(
    ("version", "architecture", "moe", "recurrent", "quantized", "v2"),
    [
        ((0, 21, 0), "Qwen3ForCausalLM", False, False, False, False),
        ((0, 22, 0), "Qwen3ForCausalLM", False, False, False, True),
        ((0, 22, 0), "Qwen3ForCausalLM", False, False, True, False),
        ((0, 23, 0), "LlamaForCausalLM", False, False, False, True),
        ((0, 24, 0), "DeepseekV2ForCausalLM", True, False, False, True),
        ((0, 25, 1), "Gemma3ForConditionalGeneration", False, False, False, True),
        ((0, 25, 1), "Qwen3NextForCausalLM", True, True, False, False),
        ((0, 29, 0), "Qwen3NextForCausalLM", True, True, False, True),
    ],
)
def test_v2_runner_by_version(version, architecture, moe, recurrent, quantized, v2):
    model = evolve(SERVED, architecture=architecture, moe=moe, states=recurrent, stored_quantized=quantized)
    assert uses_v2_runner(version, model) is v2


def test_workspace_is_kept_in_0_11_and_since_0_14():
    versions = ((0, 10, 2), (0, 11, 2), (0, 13, 0), (0, 14, 0), (0, 33, 0))
    assert [keeps_moe_workspace(v) for v in versions] == [False, True, False, True, True]


def test_fused_all_reduce_needs_tensor_parallelism_alone_to_0_20():
    good = {"capability": (9, 0), "tp": 2, "pp": 1, "dp": 1, "eager": False}
    assert fused_all_reduce_mib((0, 19, 0), **good) == 64
    for change in ({"tp": 1}, {"pp": 2}, {"dp": 2}, {"eager": True}, {"capability": (8, 9)}, {"tp": 16}):
        assert not fused_all_reduce_mib((0, 19, 0), **{**good, **change})


def test_besides_data_parallelism_or_a_pipeline_it_is_made_since_0_21_but_for_pipelines_in_0_23():
    def made(version, **change):
        good = {"capability": (9, 0), "tp": 2, "pp": 1, "dp": 1, "eager": False}
        return bool(fused_all_reduce_mib(version, **{**good, **change}))

    versions = ((0, 20, 2), (0, 21, 0), (0, 23, 0), (0, 24, 0))
    assert [made(version, dp=2) for version in versions] == [False, True, True, True]
    assert [made(version, pp=2) for version in versions] == [False, True, False, True]


@pytest.mark.parametrize(
    ("version", "architecture", "moe", "quantized", "v2"),
    [
        ((0, 22, 0), "Qwen3ForCausalLM", True, False, False),
        ((0, 22, 1), "LlamaForCausalLM", False, False, False),
        ((0, 23, 0), "MistralForCausalLM", False, True, False),  # 0.22 and 0.23 ask for a config without quantization
        ((0, 24, 0), "MistralForCausalLM", False, True, True),
        ((0, 23, 0), "Qwen2MoeForCausalLM", True, False, False),
        ((0, 24, 0), "GraniteMoeForCausalLM", True, False, True),
        ((0, 24, 0), "Phi3ForCausalLM", False, False, False),
        ((0, 25, 0), "Phi3ForCausalLM", False, True, True),
        ((0, 25, 0), "Qwen2MoeForCausalLM", True, False, True),  # the list still counts
        ((0, 25, 0), "MixtralForCausalLM", True, False, False),
        ((0, 28, 0), "MixtralForCausalLM", True, False, False),
        ((0, 29, 0), "MixtralForCausalLM", True, False, True),
    ],
)
def test_v2_runner_at_the_first_version_of_each_rule(version, architecture, moe, quantized, v2):
    model = evolve(SERVED, architecture=architecture, moe=moe, stored_quantized=quantized)
    assert uses_v2_runner(version, model) is v2


def test_dense_models_with_recurrent_state_and_pooling_models_wait_for_0_29():
    dense = evolve(SERVED, architecture="JambaForCausalLM")
    assert not uses_v2_runner((0, 28, 0), evolve(dense, states=True))
    assert uses_v2_runner((0, 28, 0), dense)
    assert not uses_v2_runner((0, 28, 0), evolve(dense, generates=False))
    assert uses_v2_runner((0, 29, 0), evolve(dense, states=True, generates=False))


@pytest.mark.parametrize(
    ("fact", "without"),
    [  # the releases whose `_get_v2_model_runner_unsupported_features` names it, of a model that is V2's since 0.25
        ({}, range(0)),
        ({"draft": "ngram"}, range(25, 32)),
        ({"draft": "a/draft-model"}, range(25, 31)),
        ({"draft": "medusa"}, range(25, 33)),
        ({"draft": "suffix"}, range(25, 34)),
        ({"draft": "eagle"}, range(0)),
        ({"draft": "deepseek_mtp"}, range(0)),
        ({"draft": "a/EAGLE3-of-b"}, range(0)),
        ({"draft": "eagle3", "pipelined": True}, range(25, 30)),
        ({"prompt_ranks": 2}, range(25, 28)),
        ({"all_states": True}, range(30, 32)),
    ],
)
def test_what_the_v2_runner_does_not_have_yet_falls_back(fact, without):
    model = evolve(SERVED, architecture="Phi3ForCausalLM", **fact)
    assert [minor for minor in range(25, 34) if not uses_v2_runner((0, minor, 0), model)] == list(without)


def test_architectures_that_are_v2s_before_their_kind_is():
    expert = evolve(SERVED, architecture="DeepseekV4ForCausalLM", moe=True)
    hybrid = evolve(SERVED, architecture="KimiK3ForConditionalGeneration", moe=True, states=True)
    assert [uses_v2_runner(v, expert) for v in ((0, 27, 1), (0, 28, 0))] == [False, True]
    assert [uses_v2_runner(v, hybrid) for v in ((0, 26, 0), (0, 27, 0))] == [False, True]
    assert uses_v2_runner((0, 25, 0), evolve(SERVED, canvases=True, moe=True))  # diffusion
    assert uses_v2_runner((0, 26, 0), evolve(expert, draft="dspark"))


def test_a_variable_decides_on_the_runner_since_0_12():
    model = evolve(SERVED, architecture="Qwen3ForCausalLM")
    on, off = (evolve(model, environment=Environment(v2_runner=chosen)) for chosen in (True, False))
    assert [uses_v2_runner(v, on) for v in ((0, 11, 2), (0, 12, 0), (0, 33, 0))] == [False, True, True]
    assert [uses_v2_runner(v, off) for v in ((0, 22, 0), (0, 33, 0))] == [False, False]


def test_a_variable_decides_on_the_engine_from_0_8_to_0_10():
    old, new = (evolve(SERVED, environment=Environment(v1_engine=chosen)) for chosen in (False, True))
    assert [uses_v0_engine(v, old) for v in ((0, 8, 0), (0, 10, 2), (0, 11, 0))] == [True, True, False]
    assert not uses_v0_engine((0, 8, 0), evolve(new, lora=True))  # experimental: `_warn_or_fallback`
    assert not uses_v0_engine((0, 10, 1), evolve(new, states=True))
    assert refused_choice((0, 10, 1), evolve(new, capability=(7, 5))) == "VLLM_USE_V1"  # `_raise_or_fallback`
    assert refused_choice((0, 10, 2), evolve(new, capability=(8, 0), kv_cache_dtype="fp8")) == "VLLM_USE_V1"
    assert not refused_choice((0, 10, 2), SERVED)


def test_a_runner_chosen_for_what_it_lacks_is_refused_since_0_22():
    chosen = evolve(SERVED, environment=Environment(v2_runner=True), draft="ngram")
    assert [bool(refused_choice(v, chosen)) for v in ((0, 21, 0), (0, 22, 0), (0, 31, 0), (0, 32, 0))] == [
        False,
        True,
        True,
        False,
    ]
    assert [bool(refused_choice(v, evolve(chosen, draft="", states=True))) for v in ((0, 22, 1), (0, 23, 0))] == [
        True,
        False,
    ]
    assert not refused_choice((0, 31, 0), evolve(chosen, environment=Environment()))


def test_a_backend_that_v1_does_not_list_is_v0s():
    asked = evolve(SERVED, environment=Environment(attention_backend="XFORMERS"))
    assert [uses_v0_engine(v, asked) for v in ((0, 10, 2), (0, 11, 0))] == [True, False]
    assert not uses_v0_engine((0, 9, 2), evolve(SERVED, environment=Environment(attention_backend="FLASHINFER")))


@pytest.mark.parametrize(
    ("version", "v2_runner", "rows", "logit_bytes", "expected"),
    [
        ((0, 16, 0), False, 1024, 2, None),  # PyTorch sorts
        ((0, 17, 0), False, 1024, 2, 2 + 4 + 4 + 4),  # logits, fp32 copy, probabilities, noise
        ((0, 17, 0), False, 1024, 4, 4 + 4 + 4),  # no copy of what is fp32 already
        ((0, 17, 0), False, 7, 2, None),  # the Triton kernel is used from 8 rows on
        ((0, 17, 0), False, 8, 2, 14),
        ((0, 21, 0), False, 7, 2, None),
        ((0, 22, 0), False, 1, 2, 14),  # FlashInfer samples any number
        ((0, 32, 0), True, 1, 2, 2),  # the V2 runner profiles the default pass: logits read in place
        ((0, 33, 0), True, 1, 2, 2 + 4 + 4 + 4),  # and every feature since 0.33: copy, mask, probabilities
        ((0, 33, 0), True, 1, 4, 4 + 4 + 4),
    ],
)
def test_bytes_that_sampling_holds_per_logit(version, v2_runner, rows, logit_bytes, expected):
    assert sampler_bytes_per_logit(version, v2_runner=v2_runner, rows=rows, logit_bytes=logit_bytes) == expected


def test_the_v2_runner_profiles_towers_since_0_26():
    assert not profiles_towers((0, 25, 1), v2_runner=True)
    assert profiles_towers((0, 26, 0), v2_runner=True)
    assert profiles_towers((0, 9, 2), v2_runner=False)


def test_workspace_at_the_first_and_last_versions():
    versions = ((0, 11, 0), (0, 12, 0), (0, 13, 0), (0, 14, 0))
    assert [keeps_moe_workspace(v) for v in versions] == [True, False, False, True]


def test_fused_all_reduce_from_0_17_on_hopper_and_data_centre_blackwell():
    good = {"tp": 2, "pp": 1, "dp": 1, "eager": False}
    assert fused_all_reduce_mib((0, 17, 0), capability=(9, 0), **good)
    assert fused_all_reduce_mib((0, 17, 0), capability=(10, 0), **good)
    assert not fused_all_reduce_mib((0, 18, 0), capability=(10, 3), **good)  # exactly 10.0 was asked for
    assert fused_all_reduce_mib((0, 19, 0), capability=(10, 3), **good)
    assert not fused_all_reduce_mib((0, 16, 0), capability=(9, 0), **good)
    assert not fused_all_reduce_mib((0, 17, 0), capability=(12, 0), **good)
