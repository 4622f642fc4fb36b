"""HQQ: 4-bit integers with scale and zero point in the model's dtype per 64 inputs.

vLLM: `quantization/hqq_marlin.py` (0.9.2; gone in 0.16). The loaded tensors and Marlin's repacked ones both stay.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.dtypes import dtype_bytes
from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.rules import RuledQuantization

_GROUP = 64


@frozen(kw_only=True)
class HqqFormat(Format):
    """W_q, zero, scale; twice after loading, for `process_weights_after_loading` keeps the originals."""

    @property
    def bits_per_weight(self) -> float:
        """Width as stored, scales and zero points included."""
        return 4 + 32 / _GROUP

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """W_q (inputs / 8, rows) int32, zero and scale (rows, inputs / 64). Raises QuantizationError."""
        if shape.inputs % _GROUP:
            raise QuantizationError(
                method="hqq", problem=f"a layer of {shape.inputs} inputs is no multiple of {_GROUP}"
            )
        weights = shape.rows * shape.inputs
        groups = weights // _GROUP
        size = dtype_bytes(shape.dtype)
        return (
            StoredTensor(name="W_q", elements=weights // 8, dtype="int32", kept_bytes=2 * weights // 2),
            StoredTensor(name="zero", elements=groups, dtype=shape.dtype, kept_bytes=2 * groups * size),
            StoredTensor(name="scale", elements=groups, dtype=shape.dtype, kept_bytes=2 * groups * size),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: vLLM had no fused experts of HQQ."""
        raise QuantizationError(
            method="hqq", problem=f"vLLM has no HQQ kernel for {shape.global_experts} fused experts"
        )


class HqqScheme(QuantizationScheme):
    """`quant_method: hqq`; vLLM ran 4 bits in groups of 64 alone."""

    name = "hqq"
    methods = ("hqq",)
    min_capability = (8, 0)
    deprecated = ((0, 14, 0), (0, 16, 0))
    removed = (0, 16, 0)

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        return {"quant_method": method, "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": _GROUP}}}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="hqq")
        outer = block.sub("quant_config")
        numbers = outer.sub("weight_quant_params") if outer else None
        if numbers is None:
            raise block.error("quant_config.weight_quant_params", "is missing")
        bits, group = numbers.integer("nbits", high=16), numbers.group_size("group_size")
        if (bits, group) != (4, _GROUP):
            raise QuantizationError(
                method="hqq", problem=f"vLLM runs 4 bits in groups of {_GROUP}, not {bits} in {group}"
            )
        skipped = set(block.names("skip_modules"))

        def is_skipped(module: ModuleRef) -> bool:
            return bool(skipped.intersection(module.name.split(".")))

        return RuledQuantization(name="hqq", format=HqqFormat(), experts=HqqFormat(), skipped=is_skipped)


def schemes() -> list[QuantizationScheme]:
    """The HQQ scheme."""
    return [HqqScheme()]
