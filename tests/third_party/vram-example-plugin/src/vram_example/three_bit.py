"""A made-up format: 3-bit weights, one fp16 scale per 64 inputs, everything but the LM head."""

from __future__ import annotations

from attrs import frozen

from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor

GROUP = 64


@frozen
class ThreeBit(Format):
    """`weights` 3-bit numbers and their scales."""

    @property
    def bits_per_weight(self) -> float:
        return 3 + 16 / GROUP

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        return self._store(shape.rows * shape.inputs)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        return self._store(shape.experts * shape.hidden_size * (shape.up_rows + shape.intermediate_size))

    def _store(self, weights: int) -> tuple[StoredTensor, ...]:
        return (
            StoredTensor(name="qweight", elements=weights * 3 // 8, dtype="uint8"),
            StoredTensor(name="scales", elements=weights // GROUP, dtype="float16"),
        )


class Bound(Quantization):
    """The format for every module but the LM head."""

    name = "three_bit"

    def format_for(self, module: ModuleRef) -> Format | None:
        return None if module.kind == "lm_head" else ThreeBit()


class ThreeBitScheme(QuantizationScheme):
    """`quant_method: three_bit` in a checkpoint's config."""

    name = "three_bit"
    methods = ("three_bit",)

    def bind(self, request: QuantizationRequest) -> Quantization:
        return Bound()
