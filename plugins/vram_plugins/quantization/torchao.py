"""torchao: int4, int8 and fp8 weights held in tensor subclasses.

vLLM: `quantization/torchao.py` (0.33.0) lets torchao quantize each linear. Sizes from torchao 0.13's layouts
(`quantization/quant_api.py`, `dtypes/uintx/tensor_core_tiled_layout.py`): int4 with scale and zero point in bf16 per
group, inputs padded to 1024 and outputs to 8; int8 with a scale per output; fp8 with one per tensor or per output.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, round_up
from vram.models.record import frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.fp8 import Fp8Format
from vram.quantization.int8 import Int8Format
from vram.quantization.names import renamed
from vram.quantization.rules import RuledQuantization
from vram.quantization.target import Target

#: torchao's config class (its names before 0.10 in small letters) -> kind
_KINDS = {
    "int4weightonlyconfig": "int4",
    "int4_weight_only": "int4",
    "int8weightonlyconfig": "int8",
    "int8_weight_only": "int8",
    "int8dynamicactivationint8weightconfig": "int8",
    "int8_dynamic_activation_int8_weight": "int8",
    "float8weightonlyconfig": "fp8",
    "float8_weight_only": "fp8",
    "float8dynamicactivationfloat8weightconfig": "fp8",
    "float8_dynamic_activation_float8_weight": "fp8",
}


@frozen(kw_only=True)
class TorchaoInt4(Format):
    """Half a byte per weight, two bf16 per group."""

    group_size: int

    @property
    def bits_per_weight(self) -> float:
        """Width with scales and zero points."""
        return 4 + 32 / self.group_size

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """packed_weight of the padded sizes, scale_and_zero (groups, rows, 2)."""
        rows, inputs = round_up(shape.rows, 8), round_up(shape.inputs, 1024)
        return (
            StoredTensor(name="weight.packed", elements=rows * inputs // 2, dtype="uint8"),
            StoredTensor(
                name="weight.scale_and_zero", elements=2 * rows * (inputs // self.group_size), dtype="bfloat16"
            ),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: vLLM quantizes linears alone with torchao."""
        raise QuantizationError(
            method="torchao", problem=f"vLLM leaves {shape.global_experts} fused experts unquantized"
        )


def _format(kind: str, data: QuantizationBlock, target: Target) -> Format:
    if kind == "int4":
        group = data.group_size("group_size", default=128)
        if group not in (32, 64, 128, 256):
            raise data.error("group_size", f"must be 32, 64, 128 or 256 for torchao, not {group}")
        return TorchaoInt4(group_size=group)
    if kind == "int8":
        return Int8Format(scale_dtype="bfloat16")
    per_row = "PerRow" in str(data.find("granularity")[1])
    return Fp8Format(method="torchao", strategy="channel" if per_row else "tensor", target=target)


class TorchaoScheme(QuantizationScheme):
    """`quant_method: torchao` with `quant_type: {"default": {"_type", "_data"}}`."""

    name = "torchao"
    methods = ("torchao",)
    min_capability = (7, 5)
    since = (0, 8, 4)

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        data = {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 128}}
        return {"quant_method": method, "quant_type": {"default": data}}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="torchao")
        kind = block.find("quant_type")[1]
        if isinstance(kind, str):
            data, name = block.sub("quant_type_kwargs") or QuantizationBlock(raw={}, method="torchao"), kind
        else:
            outer = block.sub("quant_type")
            default = outer.sub("default") if outer else None
            if default is None:
                raise block.error("quant_type", "must hold one entry called default")
            data, name = default.sub("_data") or QuantizationBlock(raw={}, method="torchao"), default.text("_type")
        known = _KINDS.get(name.lower())
        if known is None:
            raise block.error("quant_type", f"is {name[:60]!r}, whose layout is not known here")
        skipped = renamed(block.names("modules_to_not_convert"), request.renames)

        def is_skipped(module: ModuleRef) -> bool:
            dotted = f".{module.name}."
            return module.kind == "experts" or any(f".{name}." in dotted for name in skipped)

        return RuledQuantization(
            name="torchao",
            format=_format(known, data, Target.of(request)),
            skipped=is_skipped,
            notes=("torchao's layouts are taken from its sources, not from vLLM's own answer",),
        )


def schemes() -> list[QuantizationScheme]:
    """The torchao scheme."""
    return [TorchaoScheme()]
