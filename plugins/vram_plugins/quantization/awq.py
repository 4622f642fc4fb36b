"""AWQ: 4-bit integers with zero points, packed along the outputs.

vLLM: `quantization/auto_awq.py` (0.33.0), before 0.25 `awq.py` and `awq_marlin.py`; the stored tensors are the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.names import NameSet, renamed
from vram.quantization.packed_int import AWQ, PackedIntFormat
from vram.quantization.rules import RuledQuantization, skip_rule
from vram.quantization.stored import unquantized_modules
from vram.quantization.target import HALVES, Target


class AwqScheme(QuantizationScheme):
    """`quant_method: awq`."""

    name = "awq"
    methods = ("awq", "auto_awq", "awq_marlin")
    accepts = ("marlin", "moe_wna16")
    min_capability = (7, 5)
    dtypes = HALVES

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        del method
        return {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="awq")
        bits = block.integer("w_bit", "bits", low=1, high=16)
        if bits != 4:
            raise block.error("bits", f"must be 4, the only width vLLM runs AWQ with, not {bits}")
        stored = PackedIntFormat(
            method="awq",
            layout=AWQ,
            bits=bits,
            group_size=block.group_size("q_group_size", "group_size"),
            zero_points=block.flag("zero_point"),
            marlin_experts=request.requested != "moe_wna16",
            target=Target.of(request),
        )
        entries = renamed(block.names("modules_to_not_convert"), request.renames)
        # without a list vLLM reads from the headers what is stored unquantized (`maybe_update_config`)
        names = NameSet.of(entries or unquantized_modules(request), method="awq", substring=True)
        return RuledQuantization(
            name="awq",
            format=stored,
            experts=stored,
            skipped=skip_rule(names, method="awq"),
            lm_head=block.flag("lm_head"),
        )


def schemes() -> list[QuantizationScheme]:
    """The AWQ scheme."""
    return [AwqScheme()]
