"""What the profile run is called with."""

from __future__ import annotations

from typing import Any

from vram.estimate.memory.profile_run import ProfileRun, profile_run
from vram.estimate.weights.ranks import Parallelism
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.deployment import Deployment, EngineArgs
from vram.models.profile import Gpu, OverheadProfile
from vram.models.spec import Encoder, ModelSpec
from vram.units import GIB
from vram.vllm.versions import Version

TOWER = Encoder(modality="image", max_item_tokens=64, patches=256, width=128, mlp_width=256)
HOPPER = (9, 0)


def run_of(
    *,
    version: Version = (0, 33, 0),
    capability: tuple[int, int] = HOPPER,
    length: int = 4096,
    seqs: int = 16,
    tokens: int = 2048,
    link: Any = None,
    dtype: str = "bfloat16",
    runner: Any = "generate",
    **args: Any,
) -> ProfileRun:
    spec = ModelSpec(
        architecture="LlamaForCausalLM", dtype="bfloat16", hidden_size=64, vocab_size=100, num_attention_heads=4,
        max_model_len=4096, derived_max_model_len=4096, num_layers=2, runs=(), placed=(), encoders=(TOWER,), runner=runner,
    )  # fmt: skip
    deployment = Deployment(
        args=EngineArgs(**args),
        gpu=Gpu(name="B", family="test", memory_bytes=GIB, compute_capability=capability, bandwidth=1.0, sm_count=7,
                link=link),
        gpu_memory_bytes=GIB, vllm_version=version, dtype=dtype, max_model_len=length, max_num_seqs=seqs,
        max_num_batched_tokens=tokens, gpu_memory_utilization=0.9, num_speculative_tokens=3,
    )  # fmt: skip
    return profile_run(ResolvedModel(spec=spec, modules=()), deployment, Parallelism(), OverheadProfile(name="p"))


def test_a_batch_of_tokens_and_no_more_rows_than_it_has() -> None:
    run = run_of(tensor_parallel_size=4, pipeline_parallel_size=2, data_parallel_size=3, enforce_eager=True)
    assert (run.tokens, run.rows, run.max_num_seqs, run.max_model_len) == (2048, 16, 16, 4096)
    assert (run.tp, run.pp, run.dp, run.graphs.compiled, run.speculative_tokens, run.item) == (4, 2, 3, False, 3, 2)
    assert (run.sms, run.capability, run.generates) == (7, HOPPER, True)
    few = run_of(tokens=10, dtype="float32", runner="pooling")
    assert (few.tokens, few.rows, few.max_num_seqs, few.item, few.generates) == (10, 10, 16, 4, False)


def test_towers_are_left_out_where_asked() -> None:
    assert run_of().encoders == (TOWER,)
    assert run_of(skip_mm_profiling=True).encoders == ()


def test_compiled_code_gathers_where_no_images_are_taken() -> None:
    assert not run_of().gathers
    assert run_of(limit_mm_per_prompt={"image": 0}).gathers


def test_limits_per_prompt_are_counts() -> None:
    limits = {"image": 2, "video": {"count": 0, "num_frames": 8}, "audio": {"length": 3}}
    # vLLM's longer form may leave the count open: 999
    assert run_of(limit_mm_per_prompt=limits).item_limits == (("image", 2), ("video", 0), ("audio", 999))
    assert run_of().item_limits == ()


def test_nccl_reduces_where_nothing_else_does() -> None:
    # vLLM's own all-reduce over NVLink; without it torch's symmetric memory since 0.11, on Hopper and data-centre Blackwell
    assert not run_of(tensor_parallel_size=1).nccl
    assert run_of(tensor_parallel_size=2, link="pcie").nccl
    assert not run_of(tensor_parallel_size=2, link="nvlink").nccl
    off = {"tensor_parallel_size": 4, "link": "nvlink", "disable_custom_all_reduce": True}
    assert run_of(**off, version=(0, 10, 2)).nccl
    assert not run_of(**off, version=(0, 11, 0)).nccl
    assert run_of(**off, capability=(8, 0)).nccl
