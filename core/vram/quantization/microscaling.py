"""MXFP4 and MXFP8: an E8M0 byte scales 32 inputs.

`quantization/mxfp4.py`, `compressed_tensors_w4a4_mxfp4.py`, `compressed_tensors_w8a8_mxfp8.py`,
`modelopt.py:KMxfp8Static`, `fused_moe/oracle/mxfp4.py:mxfp4_round_up_hidden_size_and_intermediate_size` (0.33.0).
"""

from __future__ import annotations

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, round_up
from vram.models.record import field, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization import marlin
from vram.quantization.target import Target

BLOCK = 32


@frozen(kw_only=True)
class MicroscalingFormat(Format):
    """`bits` (4, 6 or 8) per weight and a byte per 32.

    `hidden_multiple` and `width_multiple` are what the experts' sizes are rounded up to before they are created;
    `bias_dtype` that of the experts' biases where they have any. `swizzled`: what stays are Triton's layouts for
    Hopper instead, of sizes rounded up to 64 alone. `strict` is False where vLLM creates linears whose inputs are no
    multiple of 32 too.
    """

    method: str
    bits: int
    weight: str = "weight"
    expert_weight: str = "weight"
    hidden_multiple: int = 1
    width_multiple: int = 1
    bias_dtype: str | None = None
    swizzled: bool = False
    strict: bool = True
    target: Target = field(factory=Target)

    @property
    def bits_per_weight(self) -> float:
        """Width with scales."""
        return self.bits + 8 / BLOCK

    @property
    def _dtype(self) -> str:
        return "uint8" if self.bits < 8 else "float8_e4m3fn"

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs × bits / 8 bytes), weight_scale (rows, inputs / 32). Raises QuantizationError."""
        rows, inputs = shape.rows, shape.inputs
        if inputs % BLOCK and self.strict:
            raise QuantizationError(method=self.method, problem=f"a layer of {inputs} inputs is no multiple of {BLOCK}")
        weight_kept = scale_kept = None
        if not self.target.fp4_hardware:
            padded_rows, padded_inputs = marlin.padded(rows, inputs, BLOCK)
            weight_kept, scale_kept = padded_rows * padded_inputs * self.bits // 8, padded_rows * padded_inputs // BLOCK
        weight = StoredTensor(
            name=self.weight, elements=rows * (inputs * self.bits // 8), dtype=self._dtype, kept_bytes=weight_kept
        )
        scale = StoredTensor(
            name="weight_scale", elements=rows * (inputs // BLOCK), dtype="uint8", kept_bytes=scale_kept
        )
        return weight, scale

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2 of the rounded sizes, their scales, biases. Raises QuantizationError."""
        hidden = round_up(shape.hidden_size, self.hidden_multiple)
        width = round_up(shape.intermediate_size, self.width_multiple)
        if hidden % BLOCK or width % BLOCK:
            raise QuantizationError(
                method=self.method, problem=f"experts of {hidden} × {width} are no multiple of {BLOCK}"
            )
        up = width * (2 if shape.gated else 1)
        kept = self._swizzled_bytes(shape) if self.swizzled else (None, None, None, None)
        tensors: list[StoredTensor] = []
        for name, rows, inputs, weight_kept, scale_kept in (
            ("w13", shape.experts * up, hidden, kept[0], kept[1]),
            ("w2", shape.experts * hidden, width, kept[2], kept[3]),
        ):
            size, label = rows * inputs * self.bits // 8, f"{name}_{self.expert_weight}"
            tensors.append(StoredTensor(name=label, elements=size, dtype=self._dtype, kept_bytes=weight_kept))
            scales = rows * inputs // BLOCK
            tensors.append(
                StoredTensor(name=f"{name}_weight_scale", elements=scales, dtype="uint8", kept_bytes=scale_kept)
            )
        if shape.bias:
            dtype = self.bias_dtype or shape.dtype
            tensors.append(StoredTensor(name="w13_bias", elements=shape.experts * up, dtype=dtype))
            tensors.append(StoredTensor(name="w2_bias", elements=shape.experts * hidden, dtype=dtype))
        return tuple(tensors)

    def _swizzled_bytes(self, shape: LocalExperts) -> tuple[int, int, int, int]:
        """w13, its scales, w2, its scales in `HopperMXValueLayout` and `HopperMXScaleLayout` (8 warps).

        triton_kernels `tensor_details/layout_details/hopper_value.py`, `hopper_scale.py` as in vLLM 0.33.0: values in
        tiles of 16 outputs × 64 inputs; scales of 256 outputs × 2 groups, after `_swizzle_mxfp4` made groups a multiple of 4.
        """
        hidden, width = shape.hidden_size, round_up(shape.intermediate_size, 64)
        sizes: list[int] = []
        for rows, inputs in ((width * (2 if shape.gated else 1), hidden), (hidden, width)):
            sizes.append(shape.experts * round_up(rows, 16) * round_up(inputs, 64) * self.bits // 8)
            sizes.append(shape.experts * round_up(rows, 256) * round_up(-(-inputs // BLOCK), 4))
        return sizes[0], sizes[1], sizes[2], sizes[3]
