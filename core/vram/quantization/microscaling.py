"""MXFP4 and MXFP8: an E8M0 byte scales 32 inputs.

`compressed_tensors_w4a4_mxfp4.py`, `compressed_tensors_w8a8_mxfp8.py`, `modelopt.py:KMxfp8Static` (0.33.0).
"""

from __future__ import annotations

from math import prod

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, round_up
from vram.models.record import evolve, field, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization import humming, marlin
from vram.quantization.expert_kernels import expert_kernel
from vram.quantization.kernels import repacked
from vram.quantization.target import Target
from vram.quantization.unquantized import expert_biases, expert_weights

BLOCK = 32


@frozen(kw_only=True)
class MicroscalingFormat(Format):
    """`bits` (4, 6 or 8) per weight and a byte per 32.

    `bias_dtype` is that of the experts' biases where they have any. `strict` is False where vLLM creates linears whose
    inputs are no multiple of 32 too. `kind` is what other
    platforms are asked with for the sizes of experts.
    """

    method: str
    bits: int
    weight: str = "weight"
    expert_weight: str = "weight"
    bias_dtype: str | None = None
    strict: bool = True
    kind: str = ""
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
        weight_kept, scale_kept = self._kept(rows, inputs)
        weight = StoredTensor(
            name=self.weight, elements=rows * (inputs * self.bits // 8), dtype=self._dtype, kept_bytes=weight_kept
        )
        scale = StoredTensor(
            name="weight_scale", elements=rows * (inputs // BLOCK), dtype="uint8", kept_bytes=scale_kept
        )
        return weight, scale

    def _kept(self, rows: int, inputs: int) -> tuple[int | None, int]:
        """Bytes of a linear's weight (None: as created) and of its scales, which FlashInfer has in (128, 4) tiles."""
        if self.target.fp4_hardware:
            return None, round_up(rows, 128) * round_up(inputs // BLOCK, 4)
        elements = prod(repacked(rows, inputs, BLOCK, self.target))
        return elements * self.bits // 8, elements // BLOCK

    def _experts_padded(self, shape: LocalExperts) -> tuple[int, int]:
        """Weights of w13 and of w2 over all experts as MXFP8's kernel pads them; MXFP4's are left as they are.

        TRT-LLM: hidden size to 256, width to 128 since 0.32 (`flashinfer_utils.py:prepare_fp8_moe_layer_for_fi`); Marlin:
        width to 64 (`marlin_utils_fp8.py:prepare_mxfp8_moe_layer_for_marlin`).
        """
        if self.bits == 4:
            return expert_weights(shape)
        hidden, width = shape.hidden_size, shape.intermediate_size
        match expert_kernel("mxfp8", shape, self.target):
            case "humming":
                w13, w2 = humming.padded(shape.up_rows, hidden), humming.padded(hidden, width)
                return shape.experts * prod(w13), shape.experts * prod(w2)
            case "trtllm" if self.target.version >= (0, 32, 0):
                hidden, width = round_up(hidden, 256), round_up(width, 128)
            case "marlin":
                width = marlin.padded_experts(width, BLOCK)
        return expert_weights(evolve(shape, hidden_size=hidden, intermediate_size=width))

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2, their scales, biases. Raises QuantizationError."""
        shape = self.target.experts(self.kind, shape) if self.kind else shape
        hidden, width = shape.hidden_size, shape.intermediate_size
        if hidden % BLOCK or width % BLOCK:
            raise QuantizationError(
                method=self.method, problem=f"experts of {hidden} × {width} are no multiple of {BLOCK}"
            )
        tensors: list[StoredTensor] = []
        sizes = zip(("w13", "w2"), expert_weights(shape), self._experts_padded(shape), strict=True)
        for name, elements, kept in sizes:
            label, scale = f"{name}_{self.expert_weight}", f"{name}_weight_scale"
            size = elements * self.bits // 8
            tensors.append(StoredTensor(name=label, elements=size, dtype=self._dtype, kept_bytes=kept * self.bits // 8))
            tensors.append(
                StoredTensor(name=scale, elements=elements // BLOCK, dtype="uint8", kept_bytes=kept // BLOCK)
            )
        return (*tensors, *expert_biases(shape, self.bias_dtype))
