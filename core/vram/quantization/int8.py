"""int8 weights with a fp32 scale per output or per fused part.

`compressed_tensors_w8a8_int8.py`, `compressed_tensors_moe_w8a8_int8.py` (0.33.0).
"""

from __future__ import annotations

from attrs import frozen

from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.scheme import Format, StoredTensor
from vram.quantization.unquantized import expert_biases, expert_weights


@frozen(kw_only=True)
class Int8Format(Format):
    """One byte per weight. `static_input`: one activation scale, and a zero point where it is asymmetric."""

    per_channel: bool = True
    static_input: bool = False
    input_zero_point: bool = False
    scale_dtype: str = "float32"

    @property
    def bits_per_weight(self) -> float:
        """Width without scales."""
        return 8.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs), weight_scale, input_scale, input_zero_point."""
        scales = shape.rows if self.per_channel else len(shape.outputs)
        tensors = [
            StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype="int8"),
            StoredTensor(name="weight_scale", elements=scales, dtype=self.scale_dtype),
        ]
        if self.static_input:
            tensors.append(StoredTensor(name="input_scale", elements=1, dtype="float32"))
            if self.input_zero_point:
                tensors.append(StoredTensor(name="input_zero_point", elements=1, dtype="int8"))
        return tuple(tensors)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13, w2 and a scale per output of each expert."""
        w13, w2 = expert_weights(shape)
        return (
            StoredTensor(name="w13_weight", elements=w13, dtype="int8"),
            StoredTensor(name="w2_weight", elements=w2, dtype="int8"),
            StoredTensor(name="w13_weight_scale", elements=shape.experts * shape.up_rows, dtype=self.scale_dtype),
            StoredTensor(name="w2_weight_scale", elements=shape.experts * shape.hidden_size, dtype=self.scale_dtype),
            *expert_biases(shape),
        )
