"""AQLM: codes into learned codebooks.

vLLM: `quantization/aqlm.py` (0.9.2; gone in 0.10.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.rules import RuledQuantization


@frozen(kw_only=True)
class AqlmFormat(Format):
    """`codebooks` codes of `bits` per `group` inputs, each an entry of `group` values."""

    group: int
    bits: int
    codebooks: int

    @property
    def bits_per_weight(self) -> float:
        """Width of the codes."""
        return self.bits * self.codebooks / self.group

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """codes (rows, inputs / group, codebooks), codebooks per fused part, scales (rows). Raises QuantizationError."""
        if shape.inputs % self.group:
            raise QuantizationError(
                method="aqlm", problem=f"a layer of {shape.inputs} inputs is no multiple of {self.group}"
            )
        codes = shape.rows * (shape.inputs // self.group) * self.codebooks
        entries = self.codebooks * len(shape.outputs) * 2**self.bits * self.group
        return (
            StoredTensor(name="codes", elements=codes, dtype="int8" if self.bits <= 8 else "int16"),
            StoredTensor(name="codebooks", elements=entries, dtype=shape.dtype),
            StoredTensor(name="scales", elements=shape.rows, dtype=shape.dtype),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: vLLM had no fused experts of AQLM."""
        raise QuantizationError(
            method="aqlm", problem=f"vLLM has no AQLM kernel for {shape.global_experts} fused experts"
        )


class AqlmScheme(QuantizationScheme):
    """`quant_method: aqlm`."""

    name = "aqlm"
    methods = ("aqlm",)
    min_capability = (6, 0)
    removed = (0, 10, 1)

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        return {
            "quant_method": method,
            "in_group_size": 8,
            "nbits_per_codebook": 16,
            "num_codebooks": 1,
            "out_group_size": 1,
        }

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="aqlm")
        if block.integer("out_group_size", default=1) != 1:
            raise block.error("out_group_size", "must be 1 for vLLM")
        stored = AqlmFormat(
            group=block.integer("in_group_size", high=1024),
            bits=block.integer("nbits_per_codebook", high=16),
            codebooks=block.integer("num_codebooks", high=64),
        )
        return RuledQuantization(name="aqlm", format=stored, experts=stored)


def schemes() -> list[QuantizationScheme]:
    """The AQLM scheme."""
    return [AqlmScheme()]
