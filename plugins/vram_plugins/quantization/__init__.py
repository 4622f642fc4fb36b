"""Built-in quantization schemes, one module each: which methods each answers for, without importing any."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later

#: by module: the methods of its schemes
NAMES = {
    "aqlm": "aqlm",
    "awq": "awq auto_awq awq_marlin",
    "bitsandbytes": "bitsandbytes",
    "compressed_tensors": "compressed-tensors",
    "deepseek_v4_fp8": "deepseek_v4_fp8",
    "exllama": "exl2 exl3",
    "fbgemm_fp8": "fbgemm_fp8",
    "fp8": "fp8",
    "gguf": "gguf",
    "gptq": "gptq auto_gptq gptq_marlin",
    "hqq": "hqq",
    "inc": "auto-round inc",
    "marlin": "marlin",
    "modelopt": "modelopt modelopt_fp4 modelopt_mxfp8 modelopt_mixed mxfp8",
    "mxfp4": "mxfp4 gpt_oss_mxfp4",
    "online": "fp8_per_tensor fp8_per_block int8_per_channel_weight_only fp8_per_channel nvfp4_per_token experts_int8",
    "quark": "quark",
    "torchao": "torchao",
}
#: by module: methods of other schemes whose checkpoints it may take (`QuantizationScheme.claims`)
CLAIMS = {"deepseek_v4_fp8": ("fp8",), "marlin": ("gptq",), "mxfp4": ("compressed-tensors",)}


@hookimpl
def vram_quantization_schemes() -> Iterator[Later]:
    """Each module's methods."""
    for module, names in NAMES.items():
        yield Later(names=tuple(names.split()), load=f"{__name__}.{module}:schemes", claims=CLAIMS.get(module, ()))
