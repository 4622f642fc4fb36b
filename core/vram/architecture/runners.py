"""Which engine and which model runner serve a model, and what these allocate and keep, by version.

Everything that chooses between them is here: a version's list of architectures, features that fall back, the environment.
"""

from __future__ import annotations

from vram.models.platform import Chip
from vram.models.record import field, frozen
from vram.vllm.environment import Environment
from vram.vllm.versions import Version

_DRAFTS_ON_V1 = ("ngram", "[ngram]", "medusa", "eagle", "eagle3", "deepseek_mtp")
#: `VLLM_ATTENTION_BACKEND` names that no list `V1_BACKENDS` has (0.8.5 to 0.10.2), and when the list came to have one like it
_BACKENDS_OF_V0 = {"XFORMERS": (0, 11, 0), "TORCH_SDPA": (0, 11, 0), "DUAL_CHUNK_FLASH_ATTN": (0, 11, 0)}

_SINCE_0_22 = frozenset({"Qwen3ForCausalLM"})
_SINCE_0_23 = _SINCE_0_22 | {"LlamaForCausalLM", "MistralForCausalLM"}
_SINCE_0_24 = _SINCE_0_23 | {"DeepseekV2ForCausalLM", "Qwen2MoeForCausalLM", "GraniteMoeForCausalLM"}
_SINCE_0_26 = _SINCE_0_24 | {
    "InklingForCausalLM", "InklingForConditionalGeneration", "LongcatFlashNgramForCausalLM",
}  # fmt: skip
_SINCE_0_27 = _SINCE_0_26 | {"KimiK3ForConditionalGeneration"}
_SINCE_0_28 = _SINCE_0_27 | {"DeepseekV4ForCausalLM"}
_LISTS = (
    ((0, 28, 0), _SINCE_0_28), ((0, 27, 0), _SINCE_0_27), ((0, 26, 0), _SINCE_0_26), ((0, 24, 0), _SINCE_0_24),
    ((0, 23, 0), _SINCE_0_23), ((0, 22, 0), _SINCE_0_22),
)  # fmt: skip

_DRAFTS_0_22 = frozenset({"eagle", "eagle3", "mtp"})
#: speculation that the V2 runner has, by the first version
_DRAFTS_OF_V2 = (
    ((0, 25, 0), _DRAFTS_0_22 | {"dflash", "dspark"}), ((0, 24, 0), _DRAFTS_0_22 | {"dflash"}), ((0, 22, 0), _DRAFTS_0_22),
)  # fmt: skip
#: and since 0.30, what it has not
_DRAFTS_NOT_OF_V2 = (
    ((0, 33, 0), frozenset({"suffix", "custom_class"})),
    ((0, 32, 0), frozenset({"suffix", "custom_class", "medusa", "mlp_speculator"})),
    ((0, 31, 0), frozenset({"suffix", "custom_class", "medusa", "mlp_speculator", "ngram", "ngram_gpu"})),
    (
        (0, 30, 0),
        frozenset({"suffix", "custom_class", "medusa", "mlp_speculator", "ngram", "ngram_gpu", "draft_model"}),
    ),
)


@frozen(kw_only=True)
class Served:
    """What the choice looks at. `quantization` is the method the checkpoint or the user names, `draft` the speculation's method or
    model, "" without; `states`: some layer is recurrent; `prompt_ranks` share one prompt; `all_states`: mamba_cache_mode all;
    `stored_quantized`: the config has a block, whatever the user asks for.
    """

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
    architecture: str = ""
    moe: bool = False
    stored_quantized: bool = False
    canvases: bool = False
    prompt_ranks: int = 1
    all_states: bool = False
    environment: Environment = field(factory=Environment)


def uses_v0_engine(version: Version, served: Served) -> bool:
    """Whether the old engine serves: before 0.8, and until 0.11 for what the new one could not yet do, or as VLLM_USE_V1 says.

    Source: `engine/arg_utils.py:_is_v1_supported_oracle` of 0.8.0 to 0.10.2, read release by release; one machine, so that
    pipelines run without Ray. What VLLM_USE_V1=1 asks of V1 in vain is refused, see `refused_choice`.
    """
    if version < (0, 8, 0) or version >= (0, 11, 0):
        return version < (0, 8, 0)
    return served.environment.v1_engine is False or _falls_back(version, served)


def refused_choice(version: Version, served: Served) -> str:
    """The variable with which the user chose an engine or a runner that lacks what is asked for, "" where none did.

    V1's `_raise_or_fallback` (where `_warn_or_fallback` obeys), and since 0.22 `config/vllm.py:_validate_v2_model_runner`.
    """
    asked = served.environment
    if asked.v1_engine and (0, 8, 0) <= version < (0, 11, 0) and _falls_back(version, served):
        return "VLLM_USE_V1"
    unready = served.states and (0, 22, 0) <= version < (0, 23, 0)
    if asked.v2_runner and version >= (0, 22, 0) and (unready or _lacks(version, served, _drafting(served.draft))):
        return "VLLM_USE_V2_MODEL_RUNNER"
    return ""


def _falls_back(version: Version, served: Served) -> bool:
    tried = not served.environment.v1_engine  # asked for, what is experimental runs on V1
    fp8 = served.kv_cache_dtype.startswith("fp8")
    # FlashAttention 3 reads fp8 caches; the check looks for it since 0.8.2, at 10.0 other kernels since 0.10
    reads_fp8 = (served.capability[0] == 9 and version >= (0, 8, 2)) or (
        served.capability == (10, 0) and version >= (0, 10, 0)
    )
    drafts_on_v1 = _DRAFTS_ON_V1 if version >= (0, 9, 0) or not tried else ()
    backend = served.environment.attention_backend or ""
    fallbacks = (
        ((0, 10, 2), served.capability < (8, 0)),
        ((0, 11, 0), fp8 and not reads_fp8),
        ((0, 10, 2), served.states and (tried or version < (0, 9, 2))),
        ((0, 10, 0), bool(served.draft) and served.draft not in drafts_on_v1),
        ((0, 9, 2), not served.generates or served.dtype == "float32"),
        ((0, 9, 0), (served.pipelined and (tried or version >= (0, 8, 1))) or served.quantization == "gguf"),
        ((0, 8, 3), served.offloads or (served.lora and tried) or served.quantization == "bitsandbytes"),
        (_BACKENDS_OF_V0.get(backend, (0, 0, 0)), True),
    )
    return any(applies and version < until for until, applies in fallbacks)


def uses_v2_runner(version: Version, served: Served) -> bool:
    """Whether Model Runner V2 serves: as VLLM_USE_V2_MODEL_RUNNER says since 0.12, else by version, model and features.

    Source: `config/vllm.py:use_v2_model_runner` and `_get_v2_model_runner_unsupported_features` of every release from 0.22.0 to
    0.33.0: architectures of a list first (0.22 and 0.23 only dense ones whose config has no quantization), every dense model
    without recurrent state since 0.25, everything since 0.29; what the runner does not have yet falls back. Not looked at:
    logits processors, prompt embeddings, elastic experts, dual batches, torch.compile's own mode.
    """
    asked = served.environment.v2_runner
    if version < (0, 12, 0) or asked is not None:
        return bool(asked) and version >= (0, 12, 0)
    if version < (0, 22, 0):
        return False
    if isinstance(served.capability, Chip) and served.capability.has(f"v1_runner {served.architecture}", version):
        return False
    method = _drafting(served.draft)
    if (0, 25, 0) <= version < (0, 29, 0) and (method == "dspark" or served.canvases):
        return True
    if (0, 28, 0) <= version < (0, 29, 0) and served.prompt_ranks > 1:
        return True
    return _is_default(version, served) and not _lacks(version, served, method)


def _is_default(version: Version, served: Served) -> bool:
    if version >= (0, 29, 0):
        return True
    listed = served.architecture in next(names for since, names in _LISTS if version >= since)
    if not served.generates:
        return False
    if version >= (0, 27, 0):
        return listed or not (served.moe or served.states)
    if version >= (0, 25, 0):
        return not served.states and (listed or not served.moe)
    return listed and (version >= (0, 24, 0) or not (served.moe or served.stored_quantized))


def _lacks(version: Version, served: Served, method: str) -> bool:
    """Whether something asked for falls back to the runner before."""
    if served.prompt_ranks > 1 and version < (0, 28, 0):
        return True
    if served.all_states and (0, 30, 0) <= version < (0, 32, 0):
        return True
    if not method:
        return False
    if method == "eagle3" and served.pipelined and version < (0, 30, 0):
        return True
    if version >= (0, 30, 0):
        return method in next(names for since, names in _DRAFTS_NOT_OF_V2 if version >= since)
    return method not in next(names for since, names in _DRAFTS_OF_V2 if version >= since)


def _drafting(draft: str) -> str:
    """vLLM's name of the method, of a draft named by its model alone as far as the name tells (`config/speculative.py`)."""
    word = draft.lower()
    if not word or word.endswith("mtp"):
        return word and "mtp"
    if "/" not in word:
        return word.strip("[]")
    return "eagle3" if "eagle3" in word else "eagle" if "eagle" in word else "draft_model"


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


def reduces_symmetrically(version: Version, *, capability: tuple[int, int], tp: int) -> bool:
    """Whether torch's symmetric memory reduces what vLLM's own all-reduce does not: by default since 0.11, over NVSwitch.

    Source: `distributed/device_communicators/symm_mem.py`, `all_reduce_utils.py:SYMM_MEM_ALL_REDUCE_MAX_SIZES`, 8 MiB at least, which
    no captured batch exceeds (0.11.0, 0.33.0).
    """
    return version >= (0, 11, 0) and capability in ((9, 0), (10, 0), (10, 3)) and tp in (2, 4, 6, 8)


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
