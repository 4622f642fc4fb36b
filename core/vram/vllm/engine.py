"""Which engine and which model runner a version uses for a model; both decide what the profile run allocates."""

from __future__ import annotations

from vram.models.record import frozen
from vram.vllm.versions import Version

_DRAFTS_ON_V1 = ("ngram", "[ngram]", "medusa", "eagle", "eagle3", "deepseek_mtp")

_SINCE_0_22 = frozenset({"Qwen3ForCausalLM"})
_SINCE_0_23 = _SINCE_0_22 | {"LlamaForCausalLM", "MistralForCausalLM"}
_SINCE_0_24 = _SINCE_0_23 | {"DeepseekV2ForCausalLM", "Qwen2MoeForCausalLM", "GraniteMoeForCausalLM"}


@frozen(kw_only=True)
class Served:
    """What the choice of an engine looks at. `draft` is the speculation's method, "" without; `states`: some layer is recurrent."""

    capability: tuple[int, int]
    dtype: str
    kv_cache_dtype: str
    quantization: str
    draft: str
    generates: bool
    states: bool
    pipelined: bool
    offloads: bool
    lora: bool


def uses_v0_engine(version: Version, served: Served) -> bool:
    """Whether the old engine serves: before 0.8, and until 0.11 for what the new one could not yet do.

    Source: `engine/arg_utils.py:_is_v1_supported_oracle` of 0.8.0 to 0.10.2, read release by release; one machine, so that
    pipelines run without Ray.
    """
    if version < (0, 8, 0) or version >= (0, 11, 0):
        return version < (0, 8, 0)
    fp8 = served.kv_cache_dtype.startswith("fp8")
    # FlashAttention 3 reads fp8 caches; the check looks for it since 0.8.2, at 10.0 other kernels since 0.10
    reads_fp8 = (served.capability[0] == 9 and version >= (0, 8, 2)) or (
        served.capability == (10, 0) and version >= (0, 10, 0)
    )
    drafts_on_v1 = _DRAFTS_ON_V1 if version >= (0, 9, 0) else ()
    fallbacks = (
        ((0, 10, 2), served.capability < (8, 0)),
        ((0, 11, 0), fp8 and not reads_fp8),
        ((0, 10, 2), served.states),
        ((0, 10, 0), bool(served.draft) and served.draft not in drafts_on_v1),
        ((0, 9, 2), not served.generates or served.dtype == "float32"),
        ((0, 9, 0), served.pipelined or served.quantization == "gguf"),
        ((0, 8, 3), served.offloads or served.lora or served.quantization == "bitsandbytes"),
    )
    return any(applies and version < until for until, applies in fallbacks)


def uses_v2_runner(
    version: Version, *, architecture: str, moe: bool, recurrent: bool, quantized: bool, generates: bool
) -> bool:
    """Whether Model Runner V2 is the default.

    Source: `config/vllm.py:use_v2_model_runner` of 0.22.1, 0.24.0, 0.25.1, 0.28.0, 0.29.0 and 0.33.0: a list of
    architectures first (0.22 only unquantized), every dense model without recurrent state since 0.25, everything since
    0.29. Features that fall back to V1 are not looked at.
    """
    if version >= (0, 29, 0):
        return True
    if not generates or version < (0, 22, 0):
        return False
    if version >= (0, 25, 0):
        return architecture in _SINCE_0_24 or not (moe or recurrent)
    if version >= (0, 24, 0):
        return architecture in _SINCE_0_24
    if version >= (0, 23, 0):
        return architecture in _SINCE_0_23
    return architecture in _SINCE_0_22 and not (moe or quantized)


def sampler_bytes_per_logit(version: Version, *, v2_runner: bool, rows: int, logit_bytes: int) -> float | None:
    """Bytes per element of the (rows, vocabulary) logits that live at the worst point of the profiled sampling.

    None where PyTorch's sort does the work (measured, see the profile's `sampler_sort_bytes`). Source, derived: logits
    in the model dtype, their fp32 copy, probabilities and exponential noise (`v1/sample/ops/topk_topp_sampler.py`,
    which uses a Triton kernel from 8 rows on since 0.17 and FlashInfer by default since 0.22). The V2 runner to 0.32
    profiles only the default pass, which reads the logits in place; since 0.33 it adds a pass with every sampling
    feature: fp32 copy, top-k mask, probabilities (`v1/worker/gpu/model_runner.py:_dummy_sampler_run`).
    """
    copy = 0 if logit_bytes == 4 else 4
    if v2_runner:
        return float(logit_bytes + (copy + 8 if version >= (0, 33, 0) else 0))
    if version < (0, 17, 0) or (rows < 8 and version < (0, 22, 0)):
        return None
    return float(logit_bytes + copy + 8)


def profiles_towers(version: Version, *, v2_runner: bool) -> bool:
    """Whether the profile run encodes images or audio; the V2 runner did not to 0.25 (read: 0.25.1 no, 0.28.0 yes)."""
    return not v2_runner or version >= (0, 26, 0)


def offloads(version: Version, *, v2_runner: bool) -> bool:
    """Whether --cpu-offload-gb does anything: Model Runner V2 sets no offloader up to 0.27 (read: 0.22.1, 0.27.1, 0.28.0)."""
    return not v2_runner or version >= (0, 28, 0)


def keeps_moe_workspace(version: Version) -> bool:
    """Whether the fused-MoE workspace stays allocated after the forward, and so adds to the sampler's peak.

    It does in 0.11 and since 0.14 (`v1/worker/workspace.py`); in between and before, each call allocates its own.
    Confirmed by logs: with and without it the peaks of 0.13 and 0.14 differ by exactly its size.
    """
    return (0, 11, 0) <= version < (0, 12, 0) or version >= (0, 14, 0)


#: MiB of a tensor that FlashInfer reduces and normalizes at once, by compute capability and ranks; 10.3 since 0.19
_FUSED_MIB: dict[tuple[int, int], dict[int, float]] = {
    (9, 0): {2: 64, 4: 2, 8: 0.5},
    (10, 0): {2: 64, 4: 32, 8: 1},
    (10, 3): {2: 64, 4: 64, 8: 4},
}


def fused_all_reduce_mib(
    version: Version, *, capability: tuple[int, int], tp: int, pp: int, dp: int, eager: bool
) -> float:
    """The largest tensor, in MiB, for which FlashInfer's fused all-reduce makes its workspace; 0 where it makes none.

    Besides pipelines or data parallelism since 0.21 only. Source: `config/vllm.py:enable_allreduce_rms_fusion`,
    `compilation/passes/fusion/allreduce_rms_fusion.py` (0.17.0 to 0.33.0, read release by release).
    """
    if eager or version < ((0, 19, 0) if capability == (10, 3) else (0, 17, 0)):
        return 0
    alone = pp * dp == 1 if version < (0, 21, 0) else pp == 1 or version[:2] != (0, 23)
    return _FUSED_MIB.get(capability, {}).get(tp, 0) if alone else 0
