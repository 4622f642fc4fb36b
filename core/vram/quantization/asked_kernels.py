"""What `--moe-backend` asks for, and where vLLM has it: names by release, by what is stored, and by GPU.

Sources: `config/kernel.py:MoEBackend`, the maps and `is_supported_config` of `fused_moe/oracle/*.py` and `fused_moe/experts/*.py`
(0.17.0 to 0.33.0, read release by release; 0.33.0's own selection was asked, under eight pretended GPUs).
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import InputError
from vram.models.platform import Chip, architecture_words, platform_of
from vram.quantization.target import Generation, Target
from vram.vllm.versions import FOREVER, Version

#: names that `--moe-backend` takes since its first release, 0.17, and later ones
_FIRST: Version = (0, 17, 0)
_NAMES: Mapping[str, Version] = {
    **dict.fromkeys(("auto", "triton", "deep_gemm", "cutlass", "marlin", "aiter"), _FIRST),
    **dict.fromkeys(("flashinfer_trtllm", "flashinfer_cutlass", "flashinfer_cutedsl"), _FIRST),
    **dict.fromkeys(("deep_gemm_mega_moe", "emulation"), (0, 20, 0)),
    **dict.fromkeys(("humming", "triton_unfused"), (0, 21, 0)),
    "flashinfer_b12x": (0, 22, 0),
    "flydsl": (0, 24, 0),
    "hpc": (0, 25, 0),
    "batched_triton": (0, 27, 0),
    **dict.fromkeys(("b12x", "flashinfer_moe_ep_mega_cutedsl", "flashinfer_moe_ep_mega_deep_gemm"), (0, 29, 0)),
    **dict.fromkeys(("aiter_triton_mxfp4_bf16", "rdna3"), (0, 30, 0)),
    **dict.fromkeys(("aiter_mega_moe", "flashinfer_moe_ep_cutedsl"), (0, 32, 0)),
    "aiter_triton_mxfp4_mxfp4": (0, 33, 0),
}
_GONE: Mapping[str, Version] = {"flashinfer_moe_ep_mega_cutedsl": (0, 32, 0)}

_FP8 = {
    **dict.fromkeys(
        ("triton", "deep_gemm", "cutlass", "flashinfer_trtllm", "flashinfer_cutlass", "marlin", "aiter"), _FIRST
    ),
    **dict.fromkeys(("humming", "hpc"), (0, 25, 0)),
}
_MXFP4 = {
    **dict.fromkeys(("flashinfer_trtllm", "flashinfer_cutlass", "triton", "marlin"), (0, 19, 0)),
    **dict.fromkeys(("deep_gemm", "triton_unfused", "aiter", "emulation", "deep_gemm_mega_moe"), (0, 20, 0)),
    "humming": (0, 21, 0),
    **dict.fromkeys(("b12x", "flashinfer_moe_ep_mega_cutedsl", "flashinfer_moe_ep_mega_deep_gemm"), (0, 29, 0)),
    "aiter_triton_mxfp4_bf16": (0, 30, 0),
    **dict.fromkeys(("flashinfer_moe_ep_cutedsl", "aiter_mega_moe"), (0, 32, 0)),
    "aiter_triton_mxfp4_mxfp4": (0, 33, 0),
}
_NVFP4 = {
    **dict.fromkeys(("cutlass", "flashinfer_trtllm", "flashinfer_cutlass", "flashinfer_cutedsl", "marlin"), _FIRST),
    "emulation": (0, 20, 0),
    "flashinfer_b12x": (0, 22, 0),
    "humming": (0, 25, 0),
    "b12x": (0, 29, 0),
    "flashinfer_moe_ep_cutedsl": (0, 32, 0),
}
#: vLLM's word for what is stored, and the names it takes for it; before the first of them the argument says nothing there
_TAKEN: Mapping[str, tuple[str, Mapping[str, Version]]] = {
    "plain": (
        "unquantized",
        {
            **dict.fromkeys(("triton", "flashinfer_trtllm", "flashinfer_cutlass", "aiter"), _FIRST),
            "batched_triton": (0, 27, 0),
        },
    ),
    **dict.fromkeys(("fp8", "fp8_static", "fp8_block"), ("FP8", _FP8)),
    **dict.fromkeys(("mxfp4", "gpt_oss_mxfp4"), ("MXFP4", _MXFP4)),
    **dict.fromkeys(("nvfp4", "nvfp4_weights"), ("NvFP4", _NVFP4)),
    "mxfp8": (
        "MXFP8",
        {
            "flashinfer_trtllm": (0, 19, 0),
            "marlin": (0, 20, 0),
            "deep_gemm": (0, 24, 0),
            **dict.fromkeys(("aiter", "triton", "humming"), (0, 25, 0)),
        },
    ),
    "int": (
        "WNA16",
        {
            **dict.fromkeys(("marlin", "humming", "flashinfer_trtllm"), (0, 25, 0)),
            "emulation": (0, 26, 0),
            "triton": (0, 27, 0),
            "rdna3": (0, 30, 0),
        },
    ),
}
#: asked for beside weights that are not quantized, these say nothing (an MTP draft or a layer left out), by the first release
_IDLE: Mapping[str, Version] = {"humming": (0, 25, 0), "marlin": (0, 33, 0)}

_SINCE_TURING: tuple[Generation, ...] = (
    "turing",
    "ampere",
    "ada",
    "hopper",
    "blackwell",
    "thor",
    "consumer blackwell",
)
_SINCE_ADA, _SINCE_HOPPER = _SINCE_TURING[2:], _SINCE_TURING[3:]
_BLACKWELL: tuple[Generation, ...] = ("blackwell",)
_CONSUMER: tuple[Generation, ...] = ("consumer blackwell",)
_NOWHERE: tuple[Generation, ...] = ()
#: the GPUs that a kernel runs on, whatever is stored
_RUNS: Mapping[str, tuple[Generation, ...]] = {
    **dict.fromkeys(
        ("aiter", "aiter_mega_moe", "aiter_triton_mxfp4_bf16", "aiter_triton_mxfp4_mxfp4", "rdna3"), _NOWHERE
    ),
    **dict.fromkeys(("marlin", "humming"), _SINCE_TURING),
    "flashinfer_trtllm": _BLACKWELL,
    "flashinfer_cutedsl": _BLACKWELL,
    "flashinfer_cutlass": ("hopper", "blackwell", "consumer blackwell"),
    "flashinfer_b12x": _CONSUMER,
    "b12x": _CONSUMER,
    "deep_gemm": ("hopper", "blackwell", "consumer blackwell"),
    "cutlass": _SINCE_HOPPER,
    "hpc": ("hopper",),
    **dict.fromkeys(
        ("flashinfer_moe_ep_cutedsl", "flashinfer_moe_ep_mega_cutedsl", "flashinfer_moe_ep_mega_deep_gemm"), _BLACKWELL
    ),
}
#: and where what is stored leaves fewer
_RUNS_STORED: Mapping[tuple[str, str], tuple[Generation, ...]] = {
    **dict.fromkeys((("fp8", "triton"), ("fp8_static", "triton"), ("fp8_block", "triton")), _SINCE_ADA),
    **dict.fromkeys((("fp8", "deep_gemm"), ("fp8_static", "deep_gemm")), _NOWHERE),
    **dict.fromkeys((("fp8", "flashinfer_trtllm"), ("fp8", "flashinfer_cutlass")), _NOWHERE),
    ("fp8_block", "cutlass"): _NOWHERE,
    ("fp8_block", "flashinfer_cutlass"): ("hopper",),
    ("gpt_oss_mxfp4", "flashinfer_cutlass"): ("hopper",),
    **dict.fromkeys((("gpt_oss_mxfp4", "triton"), ("gpt_oss_mxfp4", "triton_unfused")), _SINCE_HOPPER),
    **{
        ("gpt_oss_mxfp4", name): _NOWHERE  # kernels without its biases or its activation
        for name in (
            "deep_gemm",
            "deep_gemm_mega_moe",
            "b12x",
            "flashinfer_moe_ep_cutedsl",
            "flashinfer_moe_ep_mega_deep_gemm",
        )
    },
    **dict.fromkeys(
        (("gpt_oss_mxfp4", "emulation"), ("mxfp4", "emulation")), _NOWHERE
    ),  # of AMD's Quark, in no image for CUDA
    ("mxfp4", "deep_gemm"): ("blackwell", "consumer blackwell"),
    ("mxfp4", "triton"): _NOWHERE,
    ("mxfp4", "triton_unfused"): _SINCE_HOPPER,
    ("mxfp8", "triton"): _NOWHERE,
    ("mxfp8", "deep_gemm"): _BLACKWELL,
    ("nvfp4", "cutlass"): ("blackwell", "thor", "consumer blackwell"),
    ("nvfp4", "flashinfer_cutlass"): ("blackwell", "consumer blackwell"),
    **dict.fromkeys(
        (("nvfp4_weights", "cutlass"), ("nvfp4_weights", "flashinfer_cutlass"), ("nvfp4_weights", "flashinfer_trtllm")),
        _NOWHERE,
    ),
    **dict.fromkeys((("nvfp4_weights", "flashinfer_cutedsl"), ("nvfp4_weights", "emulation")), _NOWHERE),
}


def asked_name(backend: str, version: Version) -> str:
    """The name in vLLM's spelling; "auto" before the argument was. Raises InputError for one that the release does not have."""
    name = backend.lower().replace("-", "_")  # `config/kernel.py:KernelConfig._normalize_moe_backend`
    if name == "auto" or version < _FIRST:
        return "auto"
    names = [one for one, since in _NAMES.items() if since <= version < _GONE.get(one, FOREVER)]
    if name not in names:
        raise InputError(name="moe_backend", value=backend, problem=f"must be one of {', '.join(names)}")
    return name


def asked_kernel(weights: str, target: Target) -> str:
    """The name that `--moe-backend` gives where it decides for experts stored so, else "auto".

    Raises InputError where vLLM refuses it: for a name it does not have, or has not for these weights, or not on this GPU.
    """
    name, version = asked_name(target.moe_backend, target.version), target.version
    word, taken = _TAKEN[weights]
    idle = weights == "plain" and (target.lora or version >= _IDLE.get(name, FOREVER))
    if name == "auto" or version < min(taken.values()) or idle:
        return "auto"
    if version < taken.get(name, FOREVER):
        names = ", ".join(one for one, since in taken.items() if since <= version)
        problem = f"is not supported for {word} MoE; expected one of {names}"
        raise InputError(name="moe_backend", value=target.moe_backend, problem=problem)
    if not _runs_there(weights, name, target):
        problem = f"does not support {word} MoE on {architecture_words(target.capability)}"
        raise InputError(name="moe_backend", value=target.moe_backend, problem=problem)
    return name


def _runs_there(weights: str, name: str, target: Target) -> bool:
    platform = platform_of(target.capability)
    if platform is not None and isinstance(target.capability, Chip):
        return platform.experts_backend(target.capability, name)
    return target.generation in _RUNS_STORED.get((weights, name), _RUNS.get(name, (target.generation,)))
