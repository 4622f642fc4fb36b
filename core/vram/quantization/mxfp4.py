"""MXFP4 experts by kernel: the sizes they are created in and what the kernel makes of them.

Sizes: `fused_moe/oracle/mxfp4.py:mxfp4_round_up_hidden_size_and_intermediate_size` (0.19 to 0.33.0),
`quantization/mxfp4.py:create_weights` (0.10.1 to 0.18.1). What stays: `convert_*_to_mxfp4_moe_kernel_format`,
`utils/mxfp4_utils.py:_swizzle_mxfp4`, and triton_kernels' `hopper_value.py`, `hopper_scale.py` as the wheels bring them.
"""

from __future__ import annotations

from math import prod

from vram.dtypes import dtype_bytes
from vram.models.parameters import LocalExperts, ceil_div, round_up
from vram.models.record import evolve, field, frozen
from vram.models.scheme import StoredTensor
from vram.quantization import humming
from vram.quantization.expert_kernels import ExpertKernel, ExpertWeights, expert_kernel
from vram.quantization.microscaling import BLOCK, MicroscalingFormat
from vram.quantization.target import Target

#: (hidden, width of a rank) are rounded up to these before the tensors are created
_MULTIPLES: dict[ExpertKernel, tuple[int, int]] = {
    "marlin": (256, 128),
    "trtllm": (256, 128),
    "deep_gemm": (128, 128),
    "triton_swizzled": (1, 64),
    "humming": (1, 64),
    "flashinfer_cutlass": (128, 128),
}
_WIDER_TRTLLM_BEFORE = (0, 27, 0)
#: Triton's: the checkpoint's scales stayed beside the swizzled ones, and groups came in twos before they came in fours
_SCALES_FREED, _GROUPS_OF_FOUR = (0, 25, 0), (0, 26, 0)
#: kernels that keep biases in fp32, whatever they are created in
_WIDE_BIAS = ("trtllm", "triton_swizzled")


def multiples(kernel: ExpertKernel, target: Target) -> tuple[int, int]:
    """What hidden size and width are rounded up to for a kernel."""
    hidden, width = _MULTIPLES[kernel]
    if kernel == "trtllm" and target.version < _WIDER_TRTLLM_BEFORE:
        width = 256
    return hidden, width


@frozen(kw_only=True)
class Mxfp4Experts(MicroscalingFormat):
    """MXFP4 with experts as the kernel wants them; `order` says by which of vLLM's two orders it is chosen."""

    bits: int = 4
    order: ExpertWeights = "mxfp4"
    bias_dtype: str | None = "bfloat16"
    target: Target = field(factory=Target)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2 of the rounded sizes, their scales, biases. Raises QuantizationError."""
        kernel = expert_kernel(self.order, shape, self.target)
        if self.target.elsewhere:
            return super().experts(self.target.experts(self.order, shape))
        hidden, width = multiples(kernel, self.target)
        rounded = evolve(
            shape,
            hidden_size=round_up(shape.hidden_size, hidden),
            intermediate_size=round_up(shape.intermediate_size, width),
        )
        created = super().experts(rounded)
        kept = self._experts_kept(kernel, rounded)
        left = [self._dead_scales(t) for t in created if "scale" in t.name] if self._keeps_scales(kernel) else []
        return (*(evolve(tensor, kept_bytes=kept.get(tensor.name)) for tensor in created), *left)

    def _keeps_scales(self, kernel: ExpertKernel) -> bool:
        return kernel == "triton_swizzled" and self.target.version < _SCALES_FREED

    def _dead_scales(self, scale: StoredTensor) -> StoredTensor:
        """The checkpoint's scales, which stay behind the swizzled ones unread."""
        return StoredTensor(name=f"{scale.name}_unread", elements=0, dtype="uint8", kept_bytes=scale.created_bytes)

    def _experts_kept(self, kernel: ExpertKernel, shape: LocalExperts) -> dict[str, int]:
        """Bytes of the tensors that are not kept as they are created, by name."""
        matrices = (("w13", shape.up_rows, shape.hidden_size), ("w2", shape.hidden_size, shape.intermediate_size))
        kept: dict[str, int] = {}
        for name, rows, inputs in matrices:
            if kernel == "triton_swizzled":
                weight, scale = self._swizzled(rows, inputs)
                kept[f"{name}_{self.expert_weight}"] = shape.experts * weight
                kept[f"{name}_weight_scale"] = shape.experts * scale
            elif kernel == "humming":
                padded = prod(humming.padded(rows, inputs))
                kept[f"{name}_{self.expert_weight}"] = shape.experts * padded // 2
                kept[f"{name}_weight_scale"] = shape.experts * padded // BLOCK
            if kernel in _WIDE_BIAS:
                kept[f"{name}_bias"] = shape.experts * rows * dtype_bytes("float32")
        return kept

    def _swizzled(self, rows: int, inputs: int) -> tuple[int, int]:
        """One expert's weight and scales in Triton's layouts for Hopper with 8 warps.

        Values in tiles of 16 outputs × 64 inputs; scales of 256 outputs × 2 groups.
        """
        step = 4 if self.target.version >= _GROUPS_OF_FOUR else 2
        scales = round_up(rows, 256) * round_up(ceil_div(inputs, BLOCK), step)
        return round_up(rows, 16) * round_up(inputs, 64) // 2, scales
