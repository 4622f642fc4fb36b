"""fp8 checkpoints (`quant_method: fp8`) and `--quantization fp8` of unquantized ones.

vLLM: `quantization/fp8.py`, `online/fp8.py` (0.33.0). Since 0.31 the online kind is called fp8_per_tensor and plain
"fp8" is refused for an unquantized checkpoint; what it stores is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vram.errors import QuantizationError
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.fp8 import Fp8Format
from vram.quantization.names import NameSet, renamed
from vram.quantization.online import OnlineFormat
from vram.quantization.rules import RuledQuantization, skip_rule
from vram.quantization.target import HALVES, Target

#: first release (0.30.0 not yet) whose "fp8" takes serialized checkpoints only
_SERIALIZED_ONLY = (0, 31, 0)


#: first wheel read whose Marlin runs fp8 on Turing
_ON_TURING = (0, 14, 0)


def _lowest(request: QuantizationRequest) -> tuple[int, int]:
    return (7, 5) if request.vllm_version >= _ON_TURING else (8, 0)


def block_size(block: QuantizationBlock, method: str) -> tuple[int, int] | None:
    """`weight_block_size` as (rows, inputs), None where absent. Raises QuantizationError."""
    value = block.find("weight_block_size")[1]
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise block.error("weight_block_size", "must be two integers")
    pair = QuantizationBlock(raw={"rows": value[0], "inputs": value[1]}, method=method, section="weight_block_size.")
    return pair.integer("rows", high=2**20), pair.integer("inputs", high=2**20)


def serialized(request: QuantizationRequest, block: QuantizationBlock, method: str) -> Fp8Format:
    """The format of an fp8 checkpoint. Raises QuantizationError."""
    blocks = block_size(block, method)
    activation = block.text("activation_scheme")
    if not activation:
        raise block.error("activation_scheme", "is missing")
    if activation not in ("static", "dynamic"):
        raise block.error("activation_scheme", f"must be static or dynamic, not {activation[:40]!r}")
    if blocks and activation == "static":
        raise QuantizationError(method=method, problem="blocks (weight_block_size) need dynamic activations")
    return Fp8Format(
        method=method,
        strategy="block" if blocks else "tensor",
        block=blocks or (128, 128),
        static_input=activation == "static",
        scale="weight_scale_inv" if blocks else "weight_scale",
        strict_merged=False,
        refined=True,
        target=Target.of(request),
    )


class Fp8Scheme(QuantizationScheme):
    """Per tensor or per block; the ignore list is exact."""

    name = "fp8"
    methods = ("fp8",)
    min_capability = (7, 5)
    dtypes = HALVES
    online = True

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        del method
        return {"quant_method": "fp8", "activation_scheme": "dynamic"}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        if not request.config:
            return self._online(request)
        block = QuantizationBlock(raw=request.config, method="fp8")
        stored = serialized(request, block, "fp8")
        names = NameSet.of(
            renamed(block.names("ignored_layers", "modules_to_not_convert"), request.renames), method="fp8"
        )
        return RuledQuantization(
            name="fp8",
            min_capability=_lowest(request),
            format=stored,
            experts=stored,
            skipped=skip_rule(names, method="fp8", exact=True),
            kv_scales=True,
        )

    def _online(self, request: QuantizationRequest) -> Quantization:
        stored = OnlineFormat(inner=Fp8Format(method="fp8", strategy="tensor", target=Target.of(request)))
        notes: tuple[str, ...] = ()
        if request.vllm_version >= _SERIALIZED_ONLY:
            notes = ("this vLLM version calls it --quantization fp8_per_tensor",)
        return RuledQuantization(
            name="fp8",
            format=stored,
            experts=stored,
            notes=notes,
            min_capability=_lowest(request),
            whole_model_first=_whole_model_first(request.vllm_version),
        )


def _whole_model_first(version: tuple[int, int, int]) -> Literal["", "instead", "besides"]:
    """To 0.12 a layer is quantized once all are loaded; 0.13 and 0.14 keep both until the end (vllm pull request 29196), since
    0.16 a layer is quantized as it comes (31914).
    """
    if version < (0, 13, 0):
        return "instead"
    return "besides" if version < (0, 16, 0) else ""


def schemes() -> list[QuantizationScheme]:
    """The fp8 scheme."""
    return [Fp8Scheme()]
