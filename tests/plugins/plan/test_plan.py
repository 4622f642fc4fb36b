"""A plan is a configuration that the estimate says starts and fits, or a clear no with the nearest that does."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.ask.variants import published_variants
from vram.checkpoint.manual import manual_checkpoint
from vram.errors import InputError, UnknownNameError, VramError
from vram.models.deployment import Policy
from vram.models.plan import Option, Plan
from vram.models.profile import Gpu
from vram.serving import parse_text
from vram_plugins.plan.candidates import Pinned, Shape, counts_up_to, shapes
from vram_plugins.plan.interconnect import with_interconnect

#: real models of the catalog and what their users have; None as the number of GPUs is one machine
JOBS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "small and dense": ("Qwen/Qwen3-8B", "RTX 4090", {"concurrency": 4}),
    "large and dense": (
        "meta-llama/Llama-3.3-70B-Instruct", "H100",
        {"gpus": 4, "prompt_tokens": 4000, "gen_tokens": 500, "concurrency": 32},
    ),
    "latent attention and 256 experts": (
        "deepseek-ai/DeepSeek-R1", "H200",
        {"batching_mode": "throughput", "concurrency": 64, "prompt_tokens": 2000, "gen_tokens": 1000},
    ),
    "sliding windows and mxfp4": ("openai/gpt-oss-120b", "A100 80GB", {"concurrency": 8}),
    "no bfloat16 on the GPU": ("mistralai/Mistral-7B-Instruct-v0.3", "T4", {}),
    "a vision tower": ("google/gemma-3-27b-it", "L40S", {"gpus": 2, "prompt_tokens": 3000, "concurrency": 10}),
    "a tower that grows with the context": ("Qwen/Qwen2.5-VL-7B-Instruct", "A10", {}),
    "the largest dense one": ("meta-llama/Llama-3.1-405B-Instruct", "B200", {"concurrency": 16, "batching_mode": "latency"}),
    "experts on a consumer card": ("Qwen/Qwen3-30B-A3B", "RTX 5090", {"concurrency": 4}),
    "too large as it is": ("microsoft/phi-4", "RTX 3090", {"gpus": 1, "concurrency": 2}),
    "an old GPU": ("meta-llama/Llama-3.1-70B-Instruct", "V100 32GB", {}),
    "replicas": ("Qwen/Qwen3-0.6B", "L4", {"concurrency": 50, "batching_mode": "throughput", "gpus": 4}),
    "recurrent layers": ("Qwen/Qwen3-Next-80B-A3B-Instruct", "H100", {"concurrency": 16}),
    "an encoder": ("BAAI/bge-m3", "T4", {}),
    "far too little memory": ("deepseek-ai/DeepSeek-V3", "RTX 3060", {"gpus": 1}),
    "too many users": ("Qwen/Qwen3-8B", "RTX 4090", {"gpus": 1, "prompt_tokens": 8000, "concurrency": 400}),
    "far too long": ("Qwen/Qwen3-32B", "L4", {"gpus": 2, "max_model_len": 40960, "concurrency": 8}),
}  # fmt: skip


def estimated(plan: Plan) -> vram.Estimate:
    """The recommendation, asked again as a user would: its flags, one replica's users."""
    found = plan.recommendation
    assert found is not None
    users = -(-plan.job.concurrency // found.replicas)
    version = found.estimate.deployment.vllm_version
    return vram.estimate(found.model, gpu=found.gpu, concurrency=users, vllm_version=version, **found.engine_args)


def estimated_option(option: Option) -> vram.Estimate:
    """An option, asked again by its command line."""
    command = parse_text(option.command)
    assert command.model is not None
    replicas = int(command.engine_args.get("data_parallel_size", 1))
    return vram.estimate(
        command.model, gpu=option.gpu, concurrency=-(-option.concurrency // replicas), **command.engine_args
    )


@pytest.mark.parametrize(("model", "gpu", "asked"), JOBS.values(), ids=JOBS.keys())
def test_a_plan_fits_when_it_is_estimated_again_or_names_what_would(
    model: str, gpu: str, asked: dict[str, Any]
) -> None:
    plan = vram.plan(model, gpu=gpu, **asked)
    if plan.feasible:
        verdict = estimated(plan).verdict
        assert (verdict.starts, verdict.fits) == (True, True)
    else:
        assert plan.obstacle
        assert plan.options
    for option in plan.options:
        assert estimated_option(option).verdict.fits, option


def test_the_estimate_in_a_plan_is_the_one_a_user_gets() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="L40S", concurrency=8, prompt_tokens=2000)
    assert plan.recommendation is not None
    assert plan.recommendation.estimate.to_dict() == estimated(plan).to_dict()


def test_no_more_gpus_are_taken_than_there_are_and_none_is_left_out_of_the_command() -> None:
    plan = vram.plan("meta-llama/Llama-3.3-70B-Instruct", gpu="H100", gpus=4, concurrency=16)
    found = plan.recommendation
    assert found is not None
    assert found.gpus <= 4
    words = shlex.split(found.command)
    assert words[:3] == ["vllm", "serve", found.model]
    assert words[words.index("--tensor-parallel-size") + 1] == str(found.engine_args["tensor_parallel_size"])


def test_tensor_parallel_sizes_divide_the_heads() -> None:
    # 28 heads of Qwen2.5 7B cannot be divided by 8
    plan = vram.plan("Qwen/Qwen2.5-7B-Instruct", gpu="RTX 3060", gpus=8, concurrency=40, prompt_tokens=7000)
    assert (
        plan.recommendation is None
        or 28 % int(str(plan.recommendation.engine_args.get("tensor_parallel_size", 1))) == 0
    )


def test_the_context_is_what_prompt_and_answer_take() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="H100", prompt_tokens=3000, gen_tokens=700)
    assert plan.recommendation is not None
    assert plan.recommendation.engine_args["max_model_len"] == 3700


def test_without_a_workload_the_context_is_as_long_as_fits_and_the_choice_is_called_assumed() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="H100")
    assert plan.job.assumed
    assert plan.recommendation is not None
    assert plan.recommendation.engine_args["max_model_len"] == 40960  # the model's own, which an H100 holds


def test_what_the_user_gives_is_kept() -> None:
    given = {"max_model_len": 5000, "max_num_seqs": 7, "gpu_memory_utilization": 0.8, "enforce_eager": True}
    plan = vram.plan("Qwen/Qwen3-8B", gpu="H100", tensor_parallel_size=2, **given)
    found = plan.recommendation
    assert found is not None
    assert {**given, "tensor_parallel_size": 2}.items() <= found.engine_args.items()
    assert {setting.reason for setting in found.settings if setting.name in given} == {"as you asked"}


def test_the_model_is_changed_only_where_it_does_not_fit_as_it_is() -> None:
    enough = vram.plan("Qwen/Qwen3-8B", gpu="H100").recommendation
    tight = vram.plan("Qwen/Qwen3-8B", gpu="RTX 4060 Ti 16GB", gpus=1).recommendation
    assert enough is not None
    assert tight is not None
    assert not {"quantization", "kv_cache_dtype"} & enough.engine_args.keys()
    assert enough.model == "Qwen/Qwen3-8B"
    assert tight.model in {"Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B-AWQ"} or "quantization" in tight.engine_args
    assert "as it is" in tight.hardware_reason


def test_published_checkpoints_are_those_of_the_very_model() -> None:
    names = {variant.checkpoint.id for variant in published_variants("Qwen/Qwen2.5-7B-Instruct")}
    assert "Qwen/Qwen2.5-7B-Instruct-AWQ" in names
    assert "neuralmagic/Qwen2.5-7B-Instruct-FP8-dynamic" in names
    assert not {name for name in names if "Coder" in name}
    assert published_variants("Qwen/Qwen2.5-7B") == ()  # the base model has none; its Instruct sibling's do not count


def test_an_fp8_cache_is_not_recommended_to_a_gpu_that_has_none() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="V100 16GB", gpus=1, concurrency=4)
    assert "--kv-cache-dtype" not in (plan.recommendation.command if plan.recommendation else "")
    assert all("fp8" not in option.command for option in plan.options)


def test_more_than_the_default_share_is_taken_only_where_needed_and_no_more_than_needed() -> None:
    default = vram.plan("Qwen/Qwen3-8B", gpu="H100").recommendation
    assert default is not None
    assert default.engine_args["gpu_memory_utilization"] == 0.92
    # exactly the users that 0.93 of a 4090 serves: 0.01 more of the GPU is cheaper than a change of the model
    given = {"max_model_len": 4096, "max_num_seqs": 64, "max_num_batched_tokens": 2048}
    users = vram.max_concurrency("Qwen/Qwen3-8B", gpu="RTX 4090", gpu_memory_utilization=0.93, **given)
    raised = vram.plan("Qwen/Qwen3-8B", gpu="RTX 4090", gpus=1, concurrency=users, **given)
    found = raised.recommendation
    assert found is not None
    share = float(str(found.engine_args["gpu_memory_utilization"]))
    lower = {**found.engine_args, "gpu_memory_utilization": round(share - 0.01, 2)}
    assert share == 0.93
    assert not vram.estimate(found.model, gpu="RTX 4090", concurrency=users, **lower).verdict.fits


def test_limits_of_a_recommendation_are_tight() -> None:
    found = vram.plan("Qwen/Qwen3-32B", gpu="L40S", prompt_tokens=6000, gen_tokens=500, concurrency=6).recommendation
    assert found is not None
    limits, args = found.limits, dict(found.engine_args)

    def fits(**changes: Any) -> bool:
        asked = {"gpu": "L40S", "concurrency": 6, **args, **changes}
        return vram.estimate(found.model, **asked).verdict.fits

    assert limits.min_utilization is not None
    assert limits.min_memory_bytes is not None
    assert fits(gpu_memory_utilization=limits.min_utilization)
    assert not fits(gpu_memory_utilization=round(limits.min_utilization - 0.01, 2))
    assert fits(gpu_memory_gib=limits.min_memory_bytes / 2**30)
    assert not fits(gpu_memory_gib=limits.min_memory_bytes / 2**30 - 2**-10)
    assert fits(max_model_len=limits.max_context)
    assert not fits(max_model_len=limits.max_context + 16)
    assert fits(concurrency=limits.max_concurrency)
    assert not fits(concurrency=limits.max_concurrency + 1)


def test_speed_is_part_of_a_plan_and_a_slower_link_slows_it() -> None:
    def speed(interconnect: str) -> float:
        found = vram.plan(
            "meta-llama/Llama-3.3-70B-Instruct", gpu="H100", tensor_parallel_size=4, interconnect=interconnect
        )
        assert found.recommendation is not None
        assert found.recommendation.performance is not None
        return found.recommendation.performance.tpot_ms.expected

    assert speed("pcie") > speed("nvlink")


def test_the_answer_is_plain_data() -> None:
    import json

    for plan in (vram.plan("Qwen/Qwen3-8B", gpu="H100"), vram.plan("deepseek-ai/DeepSeek-V3", gpu="RTX 3060", gpus=1)):
        content = json.loads(json.dumps(plan.to_dict()))
        assert content["feasible"] is plan.feasible
        assert (content["recommendation"] is None) is not plan.feasible


def test_a_model_by_hand_and_memory_alone_are_enough() -> None:
    model = manual_checkpoint(params_billion=8, layers=32, kv_heads=8, head_dim=128)
    plan = vram.plan(model, gpu_memory_gib=24, gpus=2)
    assert plan.recommendation is not None
    assert plan.recommendation.performance is None  # no speed without a GPU's rates
    assert "weights" in vram.plan(model, gpu_memory_gib=2, gpus=2).obstacle


def test_a_local_folder_is_served_by_its_path_and_a_model_by_hand_by_a_placeholder(
    model_folder: Callable[..., Path],
) -> None:
    folder = model_folder()
    local = vram.plan(folder, gpu="H100").recommendation
    by_hand = vram.plan(
        manual_checkpoint(params_billion=8, layers=32, kv_heads=8, head_dim=128), gpu="H100"
    ).recommendation
    assert local is not None
    assert by_hand is not None
    assert shlex.split(local.command)[2] == str(folder)
    assert shlex.split(by_hand.command)[2] == "MODEL"


def test_a_context_beyond_the_models_own_is_a_no_with_what_it_takes(model_folder: Callable[..., Path]) -> None:
    plan = vram.plan(model_folder(), gpu="H100", max_model_len=20000)  # the folder's model takes 8,192
    assert not plan.feasible
    assert "8,192" in plan.obstacle
    assert [option.max_model_len for option in plan.options] == [8192]


def test_free_memory_of_this_machine_bounds_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from vram.models.detected import DetectedGpu

    total = 80 * 2**30
    found = DetectedGpu(
        index=0, name="NVIDIA H100 80GB HBM3", total_bytes=total, cuda_total_bytes=total, free_bytes=total // 2,
        compute_capability=(9, 0),
    )  # fmt: skip
    monkeypatch.setattr("vram.gpus.detect.detect_gpus", lambda: (found,))
    plan = vram.plan("Qwen/Qwen3-8B", gpu="auto")
    assert plan.recommendation is not None
    assert float(str(plan.recommendation.engine_args["gpu_memory_utilization"])) <= 0.5


BAD: dict[str, tuple[dict[str, Any], type[VramError]]] = {
    "an unknown GPU": ({"gpu": "H10"}, UnknownNameError),
    "no GPU at all": ({}, InputError),
    "an unknown mode": ({"gpu": "H100", "batching_mode": "fast"}, InputError),
    "no users": ({"gpu": "H100", "concurrency": 0}, InputError),
    "no prompt": ({"gpu": "H100", "prompt_tokens": 0}, InputError),
    "a prompt longer than the context": ({"gpu": "H100", "prompt_tokens": 5000, "max_model_len": 4000}, InputError),
    "no GPUs": ({"gpu": "H100", "gpus": 0}, InputError),
    "fewer GPUs than the sizes given": ({"gpu": "H100", "gpus": 2, "tensor_parallel_size": 4}, InputError),
    "an unknown argument": ({"gpu": "H100", "tensor_paralel_size": 4}, UnknownNameError),
    "an unknown KV dtype": ({"gpu": "H100", "kv_cache_dtype": "fp9"}, UnknownNameError),
    "an unknown quantization": ({"gpu": "H100", "quantization": "q9"}, VramError),
    "a link that is none": ({"gpu": "H100", "interconnect": "string"}, InputError),
    "a link without end": ({"gpu": "H100", "interconnect": "inf"}, InputError),
}


@pytest.mark.parametrize(("asked", "error"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_an_error_and_no_search(asked: dict[str, Any], error: type[VramError]) -> None:
    with pytest.raises(error):
        vram.plan("Qwen/Qwen3-8B", **asked)


def test_a_size_that_does_not_divide_is_a_no_with_one_that_does() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="H100", tensor_parallel_size=3)  # 32 heads
    assert not plan.feasible
    assert "do not divide" in plan.obstacle
    assert plan.options[0].title.startswith("other parallel sizes, 1 GPU")


@pytest.mark.parametrize("targets", [{}, {"ttft_ms": 3000}])
def test_a_step_that_cannot_take_a_whole_prompt_is_named_and_no_parallel_size(targets: dict[str, Any]) -> None:
    # V0 of 0.6.6 splits prompts where the length is above 32,768 alone (config.py:SchedulerConfig._verify_args)
    model = "meta-llama/Llama-3.1-8B-Instruct"
    step = {"max_num_batched_tokens": 2048, "vllm_version": "0.6.6"}
    plan = vram.plan(model, gpu="H100", prompt_tokens=4000, gen_tokens=100, **step, **targets)
    assert not plan.feasible
    assert plan.obstacle == (
        "max_num_batched_tokens: max_num_batched_tokens (2048) is smaller than max_model_len (4100), and prompts are not split"
    )


def test_a_format_the_gpu_has_no_kernels_for_is_named_and_a_gpu_that_has() -> None:
    plan = vram.plan("openai/gpt-oss-20b", gpu="T4")
    assert not plan.feasible
    assert plan.obstacle.endswith("needs compute capability 8.0; T4 has 7.5")
    assert plan.options
    assert all(estimated_option(option).verdict.fits for option in plan.options)


def test_throughput_prefers_replicas_and_latency_divided_layers() -> None:
    def first(mode: Any) -> Shape:
        return shapes(4, mode, experts=False, concurrency=8, pinned=Pinned())[0]

    assert first("throughput") == Shape(dp=4)
    assert first("latency") == Shape(tp=4)
    assert first("balanced") == Shape(tp=4)


def test_no_replica_is_without_a_user_and_no_layer_is_divided_over_machines() -> None:
    found = shapes(16, "throughput", experts=True, concurrency=2, pinned=Pinned())
    assert max(shape.dp for shape in found) == 2
    assert max(shape.tp for shape in found) == 8
    assert all(shape.gpus == 16 for shape in found)


def test_pinned_sizes_are_kept() -> None:
    found = shapes(8, "balanced", experts=True, concurrency=8, pinned=Pinned(tp=2, ep=True))
    assert {shape.tp for shape in found} == {2}
    assert all(shape.ep for shape in found)


def test_an_interconnect_is_a_kind_or_a_rate() -> None:
    gpu = Gpu(
        name="card",
        family="x",
        memory_bytes=1,
        compute_capability=(8, 9),
        bandwidth=1.0,
        interconnect=9e11,
        link="nvlink",
    )
    assert with_interconnect(gpu, None) is gpu
    assert with_interconnect(gpu, "NVLink").interconnect == 9e11
    assert (with_interconnect(gpu, "pcie").link, with_interconnect(gpu, "pcie").interconnect) == ("pcie", 31.5e9)
    assert (with_interconnect(gpu, 50).link, with_interconnect(gpu, 50).interconnect) == ("pcie", 50e9)
    assert with_interconnect(gpu, "450").link == "nvlink"


def test_a_tight_policy_is_kept() -> None:
    found = vram.plan("Qwen/Qwen3-8B", gpu="H100", concurrency=8, policy=Policy(headroom_gib=20)).recommendation
    assert found is not None
    assert found.estimate.memory.headroom.expected >= 20 * 2**30


def test_replicas_machines_and_older_releases_are_never_silent() -> None:
    replicas = vram.plan("Qwen/Qwen3-0.6B", gpu="L4", gpus=4, concurrency=50, batching_mode="throughput")
    machines = vram.plan("zai-org/GLM-5", gpu="H100", gpus=64)
    old = vram.plan("Qwen/Qwen3-8B", gpu="V100 32GB")

    assert any(warning.startswith("Data parallel: 4 replicas") for warning in replicas.warnings)
    assert any("are 3 machines of 8" in warning for warning in machines.warnings)
    assert any(warning.startswith("Planned for vLLM 0.19.1") for warning in old.warnings)
    assert old.recommendation is not None
    assert old.recommendation.estimate.deployment.vllm_version == "0.19.1"
    assert vram.plan("Qwen/Qwen3-8B", gpu="T4").warnings == ()


def test_layers_are_divided_before_pipelines_come_in_and_replicas_come_last() -> None:
    found = shapes(8, "balanced", experts=False, concurrency=64, pinned=Pinned())
    assert found[0] == Shape(tp=8)
    replicas = [number for number, shape in enumerate(found) if shape.dp > 1]
    assert min(replicas) > max(number for number, shape in enumerate(found) if shape.dp == 1)
    assert shapes(8, "throughput", experts=False, concurrency=1, pinned=Pinned())[0] == Shape(tp=8)


def test_gpus_are_counted_as_they_are_rented() -> None:
    assert counts_up_to(8, Pinned()) == (1, 2, 4, 8)
    assert counts_up_to(6, Pinned()) == (1, 2, 4, 6)  # all that are at hand
    assert counts_up_to(24, Pinned()) == (1, 2, 4, 8, 16, 24)
    assert counts_up_to(12, Pinned(tp=3)) == (3, 6, 12)


def test_a_gpu_more_for_next_to_nothing_is_told_as_that_with_what_would_do() -> None:
    # as many users as one GPU holds, and the first one more for whom a second is taken
    given: dict[str, Any] = {
        "gpu": "L40S",
        "max_model_len": 8192,
        "max_num_batched_tokens": 2048,
        "kv_cache_dtype": "auto",
    }
    users = vram.max_concurrency("Qwen/Qwen3-8B", gpu_memory_utilization=0.97, **given)
    plans = (vram.plan("Qwen/Qwen3-8B", concurrency=users + more, **given) for more in range(1, 8))
    plan = next(plan for plan in plans if plan.recommendation is not None and plan.recommendation.gpus == 2)

    assert plan.recommendation is not None
    assert "so close that 1 GPU with a little less is the better buy" in plan.recommendation.hardware_reason
    assert plan.options[0].title.startswith("1 GPU, costs ")
    assert estimated_option(plan.options[0]).verdict.fits


def test_a_pooling_model_generates_nothing() -> None:
    plan = vram.plan("BAAI/bge-m3", gpu="T4", prompt_tokens=500, concurrency=16)

    assert (plan.job.prompt_tokens, plan.job.gen_tokens, plan.job.context_len) == (500, 0, 500)
    assert plan.recommendation is not None
    speed = plan.recommendation.performance
    assert speed is not None
    assert speed.requests_per_s.expected > 0
    assert speed.output_tokens_per_s.expected == speed.tpot_ms.expected == 0
    with pytest.raises(InputError, match="pools"):
        vram.plan("BAAI/bge-m3", gpu="T4", gen_tokens=10)


def test_beside_others_a_share_below_what_is_free_is_taken_where_that_surely_starts() -> None:
    asked = {"used_gib": 60, "prompt_tokens": 4000, "gen_tokens": 500, "concurrency": 4}
    found = vram.plan("Qwen/Qwen3-32B", gpu="H100", **asked).recommendation

    assert found is not None
    assert found.model == "Qwen/Qwen3-32B"
    share = found.estimate.deployment.gpu_memory_utilization
    assert (
        share * found.estimate.deployment.gpu_memory_bytes < (79.19 - 60) * 2**30
    )  # of 79.19 GiB, less what others hold
    assert found.estimate.verdict.certainty == "likely"


def test_several_kinds_of_machine_are_planned_for_and_instance_types_are_machines() -> None:
    plan = vram.plan("Qwen/Qwen3-32B", gpu="8x H100, p4d.24xlarge, 2 x RTX 3060", concurrency=2)
    found = plan.recommendation

    assert found is not None
    assert (found.gpu, found.gpus) == ("A100 40GB SXM", 2)
    assert plan.options[0].gpu == "H100 80GB SXM"
    assert any(warning.startswith("2 × RTX 3060 would not do: ") for warning in plan.warnings)
    for text in ("", "8x", "8x H100 x2", ","):
        with pytest.raises(VramError):
            vram.plan("Qwen/Qwen3-8B", gpu=text)


def test_a_length_that_is_assumed_is_no_longer_than_a_step_that_must_take_a_whole_prompt() -> None:
    """vLLM 0.7.3 splits prompts of models beyond 32,768 tokens alone, and refuses a step below the length else."""
    asked = {"gpu": "H100", "vllm_version": "0.7.3", "max_num_batched_tokens": 4096}
    found = vram.plan("meta-llama/Llama-3.1-8B-Instruct", **asked)

    assert found.recommendation is not None, found.obstacle
    length = found.recommendation.estimate.deployment.max_model_len
    assert length <= 4096 or length > 32768
