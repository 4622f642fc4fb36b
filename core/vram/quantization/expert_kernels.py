"""Which kernel runs a fused mixture of experts: the one place that chooses, as vLLM does.

A format says what it stores and asks here; it never compares capabilities itself. For every kind of weights vLLM tries
kernels in an order and takes the first that supports the GPU, the layer and the deployment: `fused_moe/oracle/*.py` and
`fused_moe/experts/*.py:is_supported_config` (0.19 to 0.33.0; MXFP4 before: `quantization/mxfp4.py`). Only kernels that
decide bytes are told apart: "triton" stands for all that read tensors as the checkpoint stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from vram.models.parameters import LocalExperts
from vram.models.record import frozen
from vram.quantization.asked_kernels import asked_kernel
from vram.quantization.target import Generation, Target
from vram.vllm.versions import FOREVER, Version

#: what is stored; gpt-oss's MXFP4 has its own order of kernels since 0.20, "nvfp4_weights" quantizes no activations
ExpertWeights = Literal[
    "plain", "fp8", "fp8_static", "fp8_block", "int", "mxfp4", "gpt_oss_mxfp4", "mxfp8", "nvfp4", "nvfp4_weights"
]
ExpertKernel = Literal[
    "triton", "triton_swizzled", "marlin", "humming", "trtllm", "flashinfer_cutlass", "cutlass", "deep_gemm"
]
Fits = Callable[[LocalExperts, Target], bool]

#: routing methods of TRT-LLM's kernel that routes by itself, and since when (`trtllm_bf16_moe.py`)
_ROUTED_SINCE: Mapping[str, Version] = {
    "deepseek_v3": (0, 20, 0),
    "llama4": (0, 20, 0),
    "renormalize": (0, 20, 0),
    "sigmoid": (0, 21, 0),
    "sigmoid_renorm": (0, 21, 0),
    "minimax2": (0, 32, 0),
}
_MOST_EXPERTS, _COUNTED_SINCE = 2048, (0, 28, 0)


#: kernels that serve LoRA adapters (`LoRAExpertsMixin`)
_WITH_LORA: tuple[ExpertKernel, ...] = ("triton", "marlin")
#: the kernels a name of `--moe-backend` stands for; of others that vLLM takes, the order decides
_ASKED: Mapping[str, tuple[ExpertKernel, ...]] = {
    "triton": ("triton", "triton_swizzled"),
    "triton_unfused": ("triton_swizzled",),
    "marlin": ("marlin",),
    "humming": ("humming",),
    "deep_gemm": ("deep_gemm",),
    "cutlass": ("cutlass",),
    "flashinfer_trtllm": ("trtllm",),
    "flashinfer_cutlass": ("flashinfer_cutlass",),
}


def _always(shape: LocalExperts, target: Target) -> bool:
    del shape, target
    return True


@frozen(kw_only=True)
class Candidate:
    """A kernel, the GPUs and the versions from `since` to before `until` that have it, and what else it asks for."""

    kernel: ExpertKernel
    on: tuple[Generation, ...] = ()
    since: Version = (0, 0, 0)
    until: Version = FOREVER
    fits: Fits = _always

    def takes(self, shape: LocalExperts, target: Target) -> bool:
        """Whether the kernel would run these experts there."""
        there = not self.on or target.generation in self.on
        if target.lora and self.kernel not in _WITH_LORA:
            return False
        return there and self.since <= target.version < self.until and self.fits(shape, target)


def _trtllm_plain(shape: LocalExperts, target: Target) -> bool:
    if shape.global_experts > _MOST_EXPERTS and target.version >= _COUNTED_SINCE:
        return False
    if shape.activation != "silu" and (shape.activation != "relu2_no_mul" or target.version < (0, 24, 0)):
        return False
    return target.version >= _ROUTED_SINCE.get(shape.routing, FOREVER)


def _family_told(shape: LocalExperts, target: Target) -> bool:
    # before 0.13 FlashInfer was asked for on 10.0 alone, and a wheel of 0.10 or 0.11.0 brings none along
    del shape
    return target.capability == (10, 0) or target.version >= (0, 13, 0)


def _trtllm_block(shape: LocalExperts, target: Target) -> bool:
    del target
    return shape.activation == "silu" and shape.routing in ("deepseek_v3", "deepseek_v4", "renormalize", "minimax2")


def _trtllm_mxfp8(shape: LocalExperts, target: Target) -> bool:
    del target
    return shape.activation in ("silu", "swigluoai_uninterleave", "relu2_no_mul")


def _trtllm_nvfp4(shape: LocalExperts, target: Target) -> bool:
    # its kernel that leaves routing to vLLM takes the rest, so that routing does not matter
    if shape.activation == "relu2_no_mul":
        return target.version >= (0, 17, 0)
    return shape.activation == "silu" or target.version >= (0, 26, 0)


_MARLIN, _HUMMING = Candidate(kernel="marlin"), Candidate(kernel="humming", on=("hopper",), since=(0, 32, 0))
#: FlashInfer's kernels are tried without being asked for since `fused_moe/oracle` has all formats (0.14.0 has it not)
_ORACLES: Version = (0, 15, 0)
_NO_FP8: tuple[Generation, ...] = ("older", "turing", "ampere")
_CANDIDATES: Mapping[ExpertWeights, tuple[Candidate, ...]] = {
    "plain": (
        Candidate(kernel="trtllm", on=("blackwell",), since=(0, 20, 0), fits=_trtllm_plain),
        Candidate(kernel="triton"),
    ),
    "gpt_oss_mxfp4": (
        Candidate(kernel="trtllm", on=("blackwell",), fits=_family_told),
        Candidate(kernel="triton_swizzled", on=("hopper", "blackwell"), since=(0, 12, 0)),
        Candidate(kernel="triton_swizzled", on=("thor",), since=(0, 32, 0)),
        _MARLIN,
    ),
    "mxfp4": (
        Candidate(kernel="trtllm", on=("blackwell",)),
        Candidate(kernel="deep_gemm", on=("consumer blackwell",), since=(0, 24, 0)),
        _HUMMING,
        _MARLIN,
    ),
    "mxfp8": (Candidate(kernel="trtllm", on=("blackwell",), fits=_trtllm_mxfp8), _HUMMING, _MARLIN),
    "nvfp4": (
        Candidate(kernel="trtllm", on=("blackwell",), since=_ORACLES, fits=_trtllm_nvfp4),
        Candidate(kernel="flashinfer_cutlass", on=("blackwell", "consumer blackwell"), since=_ORACLES),
        Candidate(kernel="cutlass", on=("blackwell", "thor", "consumer blackwell")),
        _HUMMING,
        _MARLIN,
    ),
    "nvfp4_weights": (_HUMMING, _MARLIN),
    "fp8": (Candidate(kernel="marlin", on=_NO_FP8), Candidate(kernel="triton")),
    "fp8_static": (
        Candidate(kernel="marlin", on=_NO_FP8),
        Candidate(kernel="trtllm", on=("blackwell",), since=_ORACLES),
        Candidate(kernel="flashinfer_cutlass", on=("hopper", "blackwell", "consumer blackwell"), since=_ORACLES),
        Candidate(kernel="triton"),
    ),
    "fp8_block": (
        Candidate(kernel="marlin", on=_NO_FP8),
        Candidate(kernel="trtllm", on=("blackwell",), since=_ORACLES, fits=_trtllm_block),
        Candidate(kernel="deep_gemm", on=("blackwell",), since=(0, 11, 0)),
        Candidate(kernel="deep_gemm", on=("consumer blackwell",), since=(0, 24, 0)),
        Candidate(kernel="triton"),
    ),
    "int": (_HUMMING, _MARLIN),
}

#: kernels that vLLM has for these weights and never takes by itself
_ON_REQUEST: Mapping[ExpertWeights, tuple[ExpertKernel, ...]] = {
    "plain": ("flashinfer_cutlass",),
    "mxfp4": ("flashinfer_cutlass", "triton_swizzled"),
    "mxfp8": ("deep_gemm",),
    "int": ("triton",),
    **dict.fromkeys(("fp8", "fp8_static", "fp8_block"), ("humming",)),
    "gpt_oss_mxfp4": ("flashinfer_cutlass", "humming"),
}


def expert_kernel(weights: ExpertWeights, shape: LocalExperts, target: Target) -> ExpertKernel:
    """The kernel vLLM takes for experts of that shape, stored so, on that GPU in that version.

    Raises InputError for a `moe_backend` that it refuses there.
    """
    if target.elsewhere:
        asked_kernel(weights, target)
        return "triton"
    candidates = _CANDIDATES[weights]
    known = {candidate.kernel for candidate in candidates} | set(_ON_REQUEST.get(weights, ()))
    for asked in _ASKED.get(asked_kernel(weights, target), ()):
        if asked in known:
            return asked
    return next(candidate.kernel for candidate in candidates if candidate.takes(shape, target))
