"""79 faults and changes of vLLM's releases, row by row: which are rules of this program, which it warns of, which are not its own.

The rows are `../shared/data/vllm_faults.jsonl`. Expected numbers are vLLM's own (the source is named beside them) or by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.architecture.runners import Served, offloads, profiles_towers, uses_v0_engine
from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.ask.resolve import redeploy
from vram.errors import InputError, VramError
from vram.estimate.memory.budget import budget_bytes
from vram.estimate.memory.constants import FALLBACK
from vram.models.config import ModelConfig
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram.plugin.manager import plugins
from vram.units import GIB
from vram.vllm.cache_rules import cache_rules
from vram.vllm.defaults import batch_defaults
from vram.vllm.environment import Environment
from vram.vllm.faults import faults
from vram.vllm.rope import default_max_model_len, derived_max_model_len
from vram.vllm.versions import behaviour, lowest_capability, parse_version

SHARED = Path(__file__).parents[4] / "shared" / "data" / "vllm_faults.jsonl"
DENSE, QWEN3, EXPERTS, HYBRID = "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3.6-27B"
CHARGE = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"
V1 = Served(
    capability=(9, 0), dtype="bfloat16", kv_cache_dtype="auto", quantization="", draft="", generates=True, states=False,
    pipelined=False, offloads=False, lora=False,
)  # fmt: skip


@lru_cache(maxsize=64)
def _asked(model: str, version: str, gpu: str, args: tuple[tuple[str, Any], ...]) -> Estimate:
    given = {name: dict(value) if name == "environment" else value for name, value in args}
    return vram.estimate(model, gpu=gpu, vllm_version=version, **{"max_model_len": 8192, **given})


def est(model: str, version: str, gpu: str = "H100", *, env: dict[str, str] | None = None, **args: Any) -> Estimate:
    given = tuple(args.items()) + ((("environment", tuple(env.items())),) if env else ())
    return _asked(model, version, gpu, given)


def pool(*asked: str, **args: Any) -> int:
    return est(*asked, **args).memory.kv_cache_available.expected


def refused(estimate: Estimate) -> set[str]:
    return {check.name for check in estimate.verdict.checks if not check.passed}


def batch(version: str, gib: float, name: str, capability: tuple[int, int] = (9, 0)) -> tuple[int, int]:
    """(tokens, sequences) of `engine/arg_utils.py` for a device."""
    found = batch_defaults(
        behaviour(parse_version(version)), gpu_memory_bytes=int(gib * GIB), device_name=name, capability=capability
    )
    return found.max_num_batched_tokens, found.max_num_seqs


def v0(version: str, **facts: Any) -> bool:
    return uses_v0_engine(parse_version(version), evolve(V1, **facts))


def length(version: str, **config: Any) -> tuple[int, int]:
    """The most a model allows, and vLLM's default."""
    read = ModelConfig(path="config.json", raw=config)
    derived = derived_max_model_len(read, version=parse_version(version))
    return derived, default_max_model_len(read, derived, version=parse_version(version))


def removed(method: str) -> str:
    scheme = plugins().schemes[method]
    return ".".join(map(str, scheme.removed or ()))


def since(method: str) -> str:
    return ".".join(map(str, plugins().schemes[method].since))


def graphs_are_charged(version: str, **args: Any) -> bool:
    return pool(DENSE, version, **args) < pool(DENSE, version, env={CHARGE: "0"})


def row_1() -> None:
    assert [batch(v, 24, "NVIDIA GeForce RTX 4090") for v in ("0.8.0", "0.8.3", "0.8.4")] == [
        (2048, 1024), (2048, 1024), (2048, 256),
    ]  # fmt: skip


def row_2() -> None:
    assert [batch("0.8.4", 178, name) for name in ("NVIDIA B200", "NVIDIA H200")] == [(2048, 256), (8192, 1024)]
    assert batch("0.8.5", 178, "NVIDIA B200") == (8192, 1024)


def row_3() -> None:
    assert batch("0.8.5", 79, "NVIDIA A100-SXM4-80GB") == (8192, 1024)


def row_4() -> None:
    assert batch("0.9.0", 79, "NVIDIA A100-SXM4-80GB") == (2048, 256)
    assert batch("0.9.0", 79, "NVIDIA H100 80GB HBM3") == (8192, 1024)


def row_5() -> None:
    assert [batch(v, 178, "NVIDIA B200") for v in ("0.27.1", "0.28.0")] == [(8192, 1024), (16384, 1024)]


def row_6() -> None:
    assert [est(DENSE, v).deployment.gpu_memory_utilization for v in ("0.19.1", "0.20.0")] == [0.9, 0.92]


def row_7() -> None:
    asked = {"max_model_len": 16384, "dtype": "half"}
    found = [est(DENSE, v, "V100 32GB", **asked).deployment.max_num_batched_tokens for v in ("0.10.1", "0.10.2")]
    assert found == [16384, 2048]  # max(2048, max_model_len) under V0


def row_8() -> None:
    assert [v0(v, capability=(7, 0)) for v in ("0.10.1", "0.10.2")] == [True, False]


def row_9() -> None:
    assert [v0("0.9.2", capability=c, kv_cache_dtype="fp8") for c in ((8, 0), (9, 0))] == [True, False]


def row_10() -> None:
    assert v0("0.9.2", draft="a/draft-model")
    assert v0("0.9.1", generates=False)
    assert v0("0.10.1", states=True)
    assert not v0("0.10.2", states=True)


def row_11() -> None:
    assert est(DENSE, "0.10.1", env={"VLLM_USE_V1": "0"}).deployment.max_num_batched_tokens == 8192  # a whole prompt
    assert [v0(v, environment=Environment(v1_engine=False)) for v in ("0.10.2", "0.11.0")] == [True, False]


def row_12() -> None:
    assert not graphs_are_charged("0.18.0")
    assert not graphs_are_charged("0.19.1")


def row_13() -> None:
    assert graphs_are_charged("0.20.2")


def row_15() -> None:
    assert graphs_are_charged("0.19.1", env={CHARGE: "1"})
    assert not graphs_are_charged("0.17.1", env={CHARGE: "1"})  # the variable is new in 0.18
    assert pool(DENSE, "0.20.2", env={CHARGE: "1"}) == pool(DENSE, "0.20.2")


def row_16() -> None:
    assert not graphs_are_charged("0.25.1")
    assert graphs_are_charged("0.29.0")
    tight = est("meta-llama/Llama-3.1-8B-Instruct", "0.25.1", gpu_memory_utilization=0.995)
    assert tight.verdict.certainty == "borderline"
    assert any("reserves nothing for CUDA graphs" in warning for warning in tight.verdict.warnings)


def row_20() -> None:
    assert [behaviour(parse_version(v)).total_consumed for v in ("0.26.0", "0.27.0")] == [False, True]


def row_24() -> None:
    before, after = (one for one in FALLBACK if one.name == "tensor_parallel_bytes")
    assert (before.until, after.since) == ((0, 11, 0), (0, 11, 0))
    assert before.value > after.value


def beside_others(version: str, free_gib: int) -> Estimate:
    """An H100 of which somebody else has the rest."""
    question = ask(DENSE, gpu="H100", vllm_version=version, max_model_len=8192)
    used = question.hardware.memory_bytes - free_gib * GIB - GIB // 2  # CUDA's own memory of the process
    return answer(redeploy(question, hardware=evolve(question.hardware, used_bytes=used)))


def row_26() -> None:
    alone, shared = (est(DENSE, "0.8.5"), beside_others("0.8.5", 60))
    lost = alone.memory.kv_cache_available.expected - shared.memory.kv_cache_available.expected
    assert lost == shared.deployment.gpu_memory_bytes - 60 * GIB - GIB // 2  # less what CUDA takes of an empty GPU
    assert beside_others("0.9.1", 75).memory.kv_cache_available == est(DENSE, "0.9.1").memory.kv_cache_available


def row_27() -> None:
    assert ["free_memory" in refused(beside_others(v, 60)) for v in ("0.9.0", "0.9.1")] == [False, True]


def row_28() -> None:
    assert [budget_bytes(1001, 0.9, behaviour(parse_version(v))) for v in ("0.13.0", "0.14.0")] == [900, 901]


def row_34() -> None:
    asked = {"num_gpu_blocks_override": 512}  # of 16 tokens: 8192 exactly
    assert [est(QWEN3, v, **asked).verdict.starts for v in ("0.28.0", "0.29.0")] == [True, False]


def row_35() -> None:
    asked = {"num_gpu_blocks_override": 100, "max_model_len": 40960}
    assert [est(QWEN3, v, **asked).verdict.starts for v in ("0.20.0", "0.20.1")] == [True, False]


def row_36() -> None:
    for version, printed in (("0.20.0", False), ("0.20.1", True)):
        kv = est(QWEN3, version, max_model_len=10000).kv_cache
        assert (kv.tokens == int(kv.num_blocks / 625 * 10000)) is (kv.tokens == kv.num_blocks * 16)
        assert behaviour(parse_version(version)).tokens_from_concurrency is printed


def row_37() -> None:
    assert [offloads(parse_version(v), v2_runner=True) for v in ("0.25.1", "0.27.1", "0.28.0")] == [False, False, True]
    asked = {"cpu_offload_gb": 8.0, "max_model_len": 4096}
    assert "weights" in refused(est(QWEN3, "0.27.1", "RTX 3060 12GB", **asked))
    assert est(QWEN3, "0.28.0", "RTX 3060 12GB", **asked).verdict.starts


def row_38() -> None:
    found = [refused(est("google/gemma-3-27b-it", v, cpu_offload_gb=5.0)) for v in ("0.9.2", "0.19.1", "0.20.2")]
    assert found == [{"cpu_offload"}, {"cpu_offload"}, set()]


def row_39() -> None:
    more = pool(DENSE, "0.20.2", cpu_offload_gb=4.0) - pool(DENSE, "0.20.2")
    # what leaves the GPU, and no host memory: whole parameters, the largest of 2 × 18944 × 3584
    assert 4 * GIB <= more < 4 * GIB + 2 * 2 * 18944 * 3584


def row_40() -> None:
    assert removed("aqlm") == "0.10.1"


def row_41() -> None:
    assert removed("marlin") == "0.10.2"


def row_42() -> None:
    assert removed("hqq") in ("0.15.0", "0.16.0")  # 0.14.1 has it, 0.16.0 not


def row_43() -> None:
    assert removed("bitsandbytes") == "0.28.0"
    assert "vllm-bnb-plugin" in " ".join(est("unsloth/Qwen2.5-7B-Instruct-bnb-4bit", "0.28.0").verdict.warnings)


def row_44() -> None:
    assert removed("gguf") == "0.24.0"
    assert "vllm-gguf-plugin" in next(one for one in faults() if one.id == "gguf-plugin").effect


def row_45() -> None:
    assert plugins().schemes["fbgemm_fp8"].deprecated
    asked = {"quantization": "experts_int8"}
    assert [refused(est(EXPERTS, v, "H200", **asked)) for v in ("0.13.0", "0.18.1", "0.20.2")] == [
        set(), {"quantization"}, set(),
    ]  # fmt: skip
    assert not refused(est(EXPERTS, "0.18.1", "H200", allow_deprecated_quantization=True, **asked))


def row_47() -> None:
    assert [since(m) for m in ("fp8_per_tensor", "fp8_per_block", "int8_per_channel_weight_only")] == ["0.20.0"] * 3
    assert (since("fp8_per_channel"), since("nvfp4_per_token")) == ("0.24.0", "0.26.0")


def row_48() -> None:
    found = [refused(est(EXPERTS, v, quantization="fp8")) for v in ("0.12.0", "0.13.0", "0.14.1", "0.16.0")]
    assert [bool(one) for one in found] == [False, True, True, False]


def row_49() -> None:
    before, after = (est("openai/gpt-oss-120b", v).memory.weights.expected / GIB for v in ("0.24.0", "0.25.1"))
    assert (before, after) == (pytest.approx(64.38, abs=0.02), pytest.approx(61.0, abs=0.05))  # logged at 0.14.1: 64.38


def row_50() -> None:
    assert [lowest_capability(parse_version(v)) for v in ("0.19.1", "0.20.0")] == [(7, 0), (7, 5)]
    assert refused(est(DENSE, "0.20.2", "V100 32GB", dtype="half")) == {"gpu"}


def row_51() -> None:
    with pytest.raises(VramError, match="older than compute capability"):
        est(DENSE, "0.9.2", "P100")


def row_54() -> None:
    part = est(QWEN3, "0.20.2", "H100 MIG 3g.40gb").deployment
    assert (part.max_num_batched_tokens, part.max_num_seqs) == (8192, 1024)  # of the whole board, by NVML
    assert part.gpu_memory_bytes < 45 * GIB


def row_55() -> None:
    assert {batch(v, 119, "NVIDIA GB10", (12, 1)) for v in ("0.20.2", "0.28.0", "0.33.0")} == {(2048, 256)}


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}


def row_56() -> None:
    asked = {"max_position_embeddings": 32768, "rope_scaling": YARN}
    assert [length(v, **asked)[0] for v in ("0.29.0", "0.30.0")] == [131072, 32768]


def row_57() -> None:
    asked = {"max_position_embeddings": 131072, "rope_scaling": {**YARN, "rope_type": "deepseek_yarn"}}
    assert [length(v, **asked)[0] for v in ("0.29.0", "0.30.0")] == [524288, 131072]


def row_58() -> None:
    scaling = {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}
    asked = {"max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rope_scaling": scaling}
    assert [length(v, **asked)[1] for v in ("0.11.0", "0.11.2")] == [131072, 4096]


def row_59() -> None:
    asked = {"max_model_len": 40000}  # of 32,768
    assert refused(est(DENSE, "0.20.2", **asked)) == {"max_model_len"}
    assert est(DENSE, "0.20.2", env={"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}, **asked).verdict.starts


def row_61() -> None:
    with pytest.raises(InputError, match=r"vLLM 0\.14"):
        est(DENSE, "0.13.0", max_model_len=-1)
    assert est(DENSE, "0.14.0", max_model_len=-1).verdict.starts


def row_67() -> None:
    asked = {"max_num_batched_tokens": 32768}
    workspace = 16384 * 8 * (2048 + 2048) * 2  # a chunk's: tokens × top_k × (2 widths of 2,048) × bf16
    lost = pool(EXPERTS, "0.17.1", **asked) - pool(
        EXPERTS, "0.17.1", env={"VLLM_FUSED_MOE_CHUNK_SIZE": "32768"}, **asked
    )
    assert lost == workspace
    assert pool(EXPERTS, "0.18.1", env={"VLLM_FUSED_MOE_CHUNK_SIZE": "64"}, **asked) == pool(EXPERTS, "0.18.1", **asked)


def row_75() -> None:
    assert [profiles_towers(parse_version(v), v2_runner=True) for v in ("0.25.1", "0.26.0")] == [False, True]
    assert pool("google/gemma-3-27b-it", "0.25.1") > pool("google/gemma-3-27b-it", "0.26.0")


def row_76() -> None:
    asked = {"tensor_parallel_size": 2}
    free, charged = (pool(DENSE, v, "RTX 3090", **asked) for v in ("0.26.0", "0.29.0"))
    assert free > charged


def row_77() -> None:
    blocks = [
        est("deepseek-ai/DeepSeek-V2-Lite", v, gpu).kv_cache.block_size
        for v, gpu in (("0.10.1", "H100"), ("0.10.1", "A100 80GB"), ("0.10.1", "B200"))
    ]
    assert blocks == [64, 16, 128]


def row_78() -> None:
    assert [refused(est(HYBRID, v)) for v in ("0.18.1", "0.19.1")] == [set(), {"mamba_blocks"}]


def row_79() -> None:
    rules = {v: cache_rules(parse_version(v)) for v in ("0.27.1", "0.28.0")}
    assert [one.aligned_states for one in rules.values()] == [False, True]
    plain, aligned = (
        est(
            "Qwen/Qwen3.5-9B-Base",
            "0.20.2",
            enable_prefix_caching=caching,
            mamba_cache_mode="align" if caching else None,
        )
        for caching in (False, True)
    )
    assert aligned.kv_cache.max_concurrency < plain.kv_cache.max_concurrency


MODELLED: dict[int, Callable[[], None]] = {
    int(name[4:]): check for name, check in list(globals().items()) if name.startswith("row_")
}
#: a deployment that meets each fault warned of, and the fault's id: (row, id, model, version, GPU, arguments, environment)
WARNED: tuple[tuple[int, str, str, str, str, dict[str, Any], dict[str, str]], ...] = (
    (14, "graph-estimate-many-experts", EXPERTS, "0.20.2", "B200", {"data_parallel_size": 2, "enable_expert_parallel": True}, {}),
    (17, "graph-estimate-gated-delta", HYBRID, "0.27.0", "H100", {}, {}),
    (18, "graph-estimate-too-small", DENSE, "0.29.0", "H100", {"gpu_memory_utilization": 0.98}, {}),
    (21, "sleep-mode-uncounted", DENSE, "0.17.1", "H100", {"enable_sleep_mode": True}, {}),
    (22, "sleep-mode-experts", EXPERTS, "0.21.0", "B200", {"enable_sleep_mode": True}, {}),
    (23, "sleep-mode-experts", EXPERTS, "0.25.0", "RTX 5090", {"enable_sleep_mode": True, "tensor_parallel_size": 2}, {}),
    (25, "free-memory-after-nccl", DENSE, "0.11.0", "RTX 4090", {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, {}),
    (31, "unified-memory-profiling", DENSE, "0.20.2", "GB10", {}, {}),
    (32, "unified-memory-no-bound", DENSE, "0.20.2", "GB10", {"gpu_memory_utilization": 0.9}, {}),
    (52, "no-kernels-for-rtx-50", DENSE, "0.10.0", "RTX 5090", {}, {}),
    (53, "slice-by-name", DENSE, "0.10.0", "H100 MIG 3g.40gb", {}, {"CUDA_VISIBLE_DEVICES": "MIG-1a2b"}),
    (66, "variable-attention-backend-gone", DENSE, "0.16.0", "H100", {}, {"VLLM_ATTENTION_BACKEND": "FLASHINFER"}),
    (68, "variable-moe-kernels-gone", EXPERTS, "0.24.0", "H100", {}, {"VLLM_USE_FLASHINFER_MOE_FP16": "1"}),
    (70, "flashinfer-workspace", DENSE, "0.18.0", "H100", {"attention_backend": "FLASHINFER"}, {}),
    (71, "flashinfer-workspace-overflow", "Qwen/Qwen2.5-72B-Instruct-AWQ", "0.20.2", "H200", {"attention_backend": "FLASHINFER"}, {}),
    (72, "b12x-workspace", "nvidia/MiniMax-M2.5-NVFP4", "0.25.0", "RTX PRO 6000", {"moe_backend": "flashinfer_b12x"}, {}),
    (73, "deep-gemm-warm-up", "Qwen/Qwen3-8B-FP8", "0.12.0", "H100", {"gpu_memory_utilization": 0.95}, {}),
    (74, "sampler-not-measured", DENSE, "0.25.1", "H100", {"gpu_memory_utilization": 0.95}, {}),
)  # fmt: skip
#: a GPU that others use is met by nobody who does not have one: see the test below
SHARED_GPU = {29: "profiling-beside-others", 30: "profiling-beside-others"}
NOT_OURS = {
    19: "a sentence of advice that vLLM prints; the pool is right, and nothing here reads the advice",
    46: "ptpc_fp8 is refused on NVIDIA GPUs by vLLM itself, petit_nvfp4 is AMD's, too",
}
#: flags that came and went, in the table of flags
FLAGS = {33, 60, 62, 63, 64, 65, 69}


@pytest.mark.parametrize("row", MODELLED)
def test_a_fault_with_a_size_is_a_rule(row: int) -> None:
    MODELLED[row]()


@pytest.mark.parametrize(("row", "fault", "model", "version", "gpu", "args", "env"), WARNED)
def test_a_fault_without_a_size_is_warned_of_where_it_is_met_and_nowhere_else(
    row: int, fault: str, model: str, version: str, gpu: str, args: dict[str, Any], env: dict[str, str]
) -> None:
    sentence = str(next(one for one in faults() if one.id == fault))
    plain = {name: value for name, value in args.items() if name.endswith("_parallel_size")}

    assert est(model, version, gpu, env=env, **args).verdict.warnings.count(sentence) == 1
    if not (
        {"data_parallel_size", "pipeline_parallel_size"} & args.keys() or gpu in ("GB10", "RTX 5090") or model == HYBRID
    ):
        assert sentence not in est(model, version, gpu, **plain).verdict.warnings


@pytest.mark.parametrize("row", SHARED_GPU)
def test_a_gpu_that_others_use_is_warned_of(row: int) -> None:
    sentence = str(next(one for one in faults() if one.id == SHARED_GPU[row]))
    assert sentence in beside_others("0.20.2", 60).verdict.warnings
    assert sentence not in beside_others("0.20.2", 79).verdict.warnings


@pytest.mark.parametrize("method", ["ptpc_fp8", "petit_nvfp4"])
def test_formats_of_amd_are_refused(method: str) -> None:
    with pytest.raises(VramError):
        est(DENSE, "0.14.1", quantization=method)


def test_every_row_has_one_disposition() -> None:
    kinds = [set(MODELLED), {row for row, *_ in WARNED} | set(SHARED_GPU), set(NOT_OURS), FLAGS]
    assert sorted(row for kind in kinds for row in kind) == list(range(1, 80))
    assert [len(kind) for kind in kinds] == [50, 20, 2, 7]
    if SHARED.exists():
        assert len([json.loads(line) for line in SHARED.read_text().splitlines()]) == 79


def test_every_fault_of_the_list_is_some_rows_or_a_variables() -> None:
    named = {fault for _, fault, *_ in WARNED} | set(SHARED_GPU.values()) | {"bitsandbytes-plugin", "gguf-plugin"}
    assert {one.id for one in faults()} == named | {one.id for one in faults() if one.id.startswith("variable-")}
