"""Which formats run where: `RocmPlatform.supported_quantization` of every release, and kernels that a chip lacks.

Read from `vllm/platforms/rocm.py` of 0.6.6 to 0.33.0 (release by release; 0.15 lies between its neighbours).
"""

from __future__ import annotations

from vram.models.platform import Chip
from vram.vllm.versions import FOREVER, Version
from vram_plugins.rocm.chips import cdna, fp8_matrices

_ALWAYS: Version = (0, 0, 0)
_LISTED: dict[str, tuple[Version, Version]] = {
    **dict.fromkeys(("awq", "gptq", "fp8", "compressed-tensors", "fbgemm_fp8"), (_ALWAYS, FOREVER)),
    "awq_marlin": ((0, 14, 0), FOREVER),
    "gptq_marlin": ((0, 14, 0), (0, 25, 0)),
    "auto_gptq": ((0, 22, 0), FOREVER),
    "auto_awq": ((0, 24, 0), FOREVER),
    "bitsandbytes": ((0, 17, 0), (0, 28, 0)),
    "gguf": (_ALWAYS, (0, 24, 0)),
    "ptpc_fp8": ((0, 7, 3), (0, 19, 0)),
    "quark": ((0, 7, 3), FOREVER),
    "mxfp4": ((0, 10, 1), FOREVER),
    "torchao": ((0, 10, 2), FOREVER),
    "petit_nvfp4": ((0, 10, 2), (0, 20, 0)),
    **dict.fromkeys(("modelopt_fp4", "gpt_oss_mxfp4"), ((0, 20, 0), FOREVER)),
    **dict.fromkeys(
        (
            *("modelopt", "modelopt_mxfp8", "modelopt_mixed", "mxfp8", "deepseek_v4_fp8", "online"),
            *("fp8_per_tensor", "fp8_per_block"),
        ),
        ((0, 21, 0), FOREVER),
    ),
    "fp8_per_channel": ((0, 24, 0), FOREVER),
    "inc": ((0, 28, 0), FOREVER),
}
#: names here by which vLLM's list has another
_CALLED = {"gpt_oss_mxfp4": "mxfp4", "auto_gptq": "gptq", "auto_awq": "awq", "auto-round": "inc"}


def problem(chip: Chip, method: str, version: Version) -> str:
    """Why a method, or a kind of weights ("fp8_tensor"), does not run on a chip; "" where it does."""
    if method in ("fp8_tensor", "fp8_channel", "fp8_block"):
        return "" if method == "fp8_block" else _without_fp8(chip)
    names = (method, _CALLED.get(method, method))
    if any(since <= version < until for since, until in (_LISTED.get(name, (FOREVER, FOREVER)) for name in names)):
        return ""
    return f"{method} quantization is currently not supported in rocm"


def _without_fp8(chip: Chip) -> str:
    if fp8_matrices(chip.architecture):
        return ""
    return f"vLLM has no kernel for fp8 weights with a scale per tensor or output on {chip.architecture}"


def cache_problem(chip: Chip, name: str, version: Version) -> str:
    """Why a cache dtype does not run on a chip; "" where it does, or where attention backends say it."""
    del version
    if name.startswith("nvfp4") or name.endswith("_ds_mla"):
        return f"KV cache dtype {name} has no kernel for AMD's GPUs"
    if name.startswith("fp8") and cdna(chip.architecture) in (1, 2):
        return f"KV cache dtype {name} passes vLLM's checks and fails in its worker on {chip.architecture}"
    return ""
