"""Which scheme reads a checkpoint, as vLLM decides it.

`transformers_utils/model_arch_config_convertor.py:_normalize_quantization_config` (the method's name),
`config/model.py:_verify_quantization` (overrides, contradiction), `transformers_utils/config.py` (hf_quant_config.json
stands in for a missing block), all in 0.33.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from vram.errors import QuantizationError, UnknownNameError
from vram.models.record import evolve, frozen
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.vllm.versions import NEWEST, Version, format_version

#: what ModelOpt's older block, with everything under "quantization", is called by its algorithm
_MODELOPT = {
    "FP8": "modelopt",
    "FP8_PER_CHANNEL_PER_TOKEN": "modelopt",
    "FP8_PB_WO": "modelopt",
    "NVFP4": "modelopt_fp4",
    "MIXED_PRECISION": "modelopt_mixed",
}
#: releases that read ModelOpt's file beside the config, and that know it by its contents where it names no producer
_READS_FILE, _READS_UNNAMED = (0, 10, 1), (0, 26, 0)
#: `--quantization` values that mean "none"
_NO_METHOD = ("", "none", "null")


@frozen(kw_only=True)
class Resolved:
    """A checkpoint's scheme and what it made of it."""

    scheme: QuantizationScheme
    quantization: Quantization


def _section(block: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = block.get(name)
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def checkpoint_method(block: Mapping[str, object], version: Version = NEWEST) -> str:
    """vLLM's name of the method a block speaks of, "" where it names none and vLLM ignores it."""
    if "read_from" in block and version < (_READS_FILE if _named_modelopt(block) else _READS_UNNAMED):
        return ""
    inner = _section(block, "quantization")
    method, algorithm = block.get("quant_method"), inner.get("quant_algo")
    modelopt = _named_modelopt(block) or "modelopt_quant_config" in inner
    if modelopt and algorithm is not None:
        method = _MODELOPT.get(str(algorithm).upper())
        if method is None:
            raise QuantizationError(
                method="modelopt", problem=f"vLLM refuses quant_algo {str(algorithm)[:40]!r} under 'quantization'"
            )
    if method is None:
        return ""
    if not isinstance(method, str):
        raise QuantizationError(method=str(method)[:40], problem="quant_method is no text")
    return method.lower().replace("compressed_tensors", "compressed-tensors")


def _named_modelopt(block: Mapping[str, object]) -> bool:
    return _section(block, "producer").get("name") == "modelopt"


def unread(block: Mapping[str, object], version: Version) -> str | None:
    """A sentence where vLLM takes a model that says how it is quantized as one that is not, without a word of its own."""
    if not block or checkpoint_method(block, version):
        return None
    where = f"in {block['read_from']} " if "read_from" in block else ""
    return (
        f"vLLM {format_version(version)} knows no method by what the checkpoint says {where}of its quantization: it makes "
        "16-bit weights, which are counted here, and may stop when it finds others in the files."
    )


def resolve(schemes: Mapping[str, QuantizationScheme], request: QuantizationRequest) -> Resolved | None:
    """Bind the scheme of a checkpoint, or of `--quantization` for an unquantized one; None where neither is given.

    `schemes` are by method name; `request.method` is ignored. Raises QuantizationError where the block is broken,
    where `--quantization` contradicts it or cannot quantize online, and UnknownNameError for a method nobody knows.
    """
    asked = (request.requested or "").lower()
    asked = "" if asked in _NO_METHOD else asked
    method = checkpoint_method(request.config, request.vllm_version) if request.config else ""
    if not method and asked.startswith("modelopt") and "read_from" in request.config:
        method = str(request.config.get("quant_method") or asked)  # asked for, the file is read after all
    if not method:
        return _online(schemes, request, asked) if asked else None
    bound = evolve(request, method=method, requested=asked or None)
    scheme = _claiming(schemes, bound) or _named(schemes, method)
    agrees = asked in scheme.methods or asked in scheme.accepts or ("*" in scheme.accepts and asked in schemes)
    if asked and not agrees:
        raise QuantizationError(
            method=asked,
            problem=f"contradicts the checkpoint, which is quantized with {method!r}; leave the option out",
        )
    if request.hypothetical and set(request.config) == {"quant_method"}:
        bound = evolve(bound, config=scheme.typical(method) or request.config)
    return Resolved(scheme=scheme, quantization=scheme.bind(bound))


def _claiming(schemes: Mapping[str, QuantizationScheme], request: QuantizationRequest) -> QuantizationScheme | None:
    # where schemes are loaded on use (`plugin/named.py`), only those that said they may take this method's checkpoints
    claiming: Callable[[str], Iterable[QuantizationScheme]] | None = getattr(schemes, "claiming", None)
    asked = schemes.values() if claiming is None else claiming(request.method)
    return next((scheme for scheme in asked if scheme.claims(request)), None)


def _named(schemes: Mapping[str, QuantizationScheme], method: str) -> QuantizationScheme:
    if method not in schemes:
        raise UnknownNameError(kind="quantization method", name=method, known=tuple(schemes))
    return schemes[method]


def _online(schemes: Mapping[str, QuantizationScheme], request: QuantizationRequest, asked: str) -> Resolved:
    scheme = _named(schemes, asked)
    usual = scheme.typical(asked) if request.hypothetical else None
    if usual is not None:
        bound = evolve(request, method=asked, requested=asked, config=usual)
        return Resolved(scheme=scheme, quantization=scheme.bind(bound))
    if not scheme.online:
        raise QuantizationError(
            method=asked,
            problem="the checkpoint is not quantized with it, and vLLM cannot quantize to it while loading; "
            "give a checkpoint that is, or choose fp8",
        )
    bound = evolve(request, method=asked, requested=asked, config={})
    return Resolved(scheme=scheme, quantization=scheme.bind(bound))
