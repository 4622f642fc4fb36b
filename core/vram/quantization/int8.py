"""int8 weights with a fp32 scale per output or per fused part.

`compressed_tensors_w8a8_int8.py`, `compressed_tensors_moe_w8a8_int8.py` (0.33.0).
"""

from __future__ import annotations

from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization.unquantized import expert_biases, expert_weights


@frozen(kw_only=True)
class Int8Format(Format):
    """One byte per weight. `static_input`: one activation scale, with a zero point where `input_zero_point`.

    `weight_zero_point`: the checkpoint has one per scale, which is dropped after loading (Quark). `expert_input_zero_point`:
    experts have one whatever the activations are.
    """

    per_channel: bool = True
    static_input: bool = False
    input_zero_point: bool = False
    weight_zero_point: bool = False
    expert_input_zero_point: bool = False
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
        if self.weight_zero_point:
            tensors.append(StoredTensor(name="weight_zero_point", elements=scales, dtype="int8", kept_bytes=0))
        if self.static_input:
            tensors.append(StoredTensor(name="input_scale", elements=1, dtype="float32"))
            if self.input_zero_point:
                tensors.append(StoredTensor(name="input_zero_point", elements=1, dtype="int8"))
        return tuple(tensors)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13, w2 and a scale per output or projection of each expert, zero points and activation scales."""
        w13, w2 = expert_weights(shape)
        count, shards = shape.experts, 2 if shape.gated else 1
        tensors: list[StoredTensor] = []
        for name, weights, rows, parts in (("w13", w13, shape.up_rows, shards), ("w2", w2, shape.hidden_size, 1)):
            tensors.append(StoredTensor(name=f"{name}_weight", elements=weights, dtype="int8"))
            scales = count * (rows if self.per_channel else parts)
            tensors.append(StoredTensor(name=f"{name}_weight_scale", elements=scales, dtype=self.scale_dtype))
            if self.weight_zero_point:
                zeros = StoredTensor(name=f"{name}_weight_zero_point", elements=scales, dtype="int8", kept_bytes=0)
                tensors.append(zeros)
            if self.static_input:
                tensors.append(StoredTensor(name=f"{name}_input_scale", elements=count, dtype="float32"))
            if self.expert_input_zero_point or (self.static_input and self.input_zero_point):
                tensors.append(StoredTensor(name=f"{name}_input_zero_point", elements=count * parts, dtype="int8"))
        return (*tensors, *expert_biases(shape))
