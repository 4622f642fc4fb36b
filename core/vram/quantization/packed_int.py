"""Integers packed into int32 words with a scale per group of inputs: GPTQ, AWQ, compressed-tensors WNA16.

One format for all three, for they differ in names, in the axis they pack along and in what they keep besides.
Created tensors: `auto_gptq.py`, `auto_awq.py`, `compressed_tensors_wNa16.py`, `compressed_tensors_moe_wna16.py`
(0.33.0; act-order indices as in 0.28.0). Kept tensors: `kernels/linear/mixed_precision/machete.py` and `marlin.py`.
"""

from __future__ import annotations

from typing import Literal

from vram.dtypes import dtype_bytes
from vram.errors import ParallelismError, QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, ceil_div
from vram.models.record import field, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization import humming, marlin
from vram.quantization.expert_kernels import expert_kernel
from vram.quantization.kernels import IntKernel, int_kernel
from vram.quantization.moe_wna16 import byte_experts
from vram.quantization.target import Target
from vram.quantization.unquantized import expert_biases


@frozen(kw_only=True)
class IntLayout:
    """How a checkpoint family lays packed integers out.

    `along` is the axis whose values share a word. `always_zeros` is True where zero points are created for
    symmetric weights too; `word` what the linear's further fixed tensor is ("weight_shape": two int64).
    """

    weight: str
    scales: str
    zeros: str
    along: Literal["inputs", "outputs"] = "inputs"
    always_zeros: bool = False
    weight_shape: bool = False
    expert_bias: bool = False


#: first version whose last choice of a kernel, Humming, checks no sizes (`kernels/linear/mixed_precision/humming.py`)
_HUMMING = (0, 23, 0)

GPTQ = IntLayout(weight="qweight", scales="scales", zeros="qzeros", always_zeros=True, expert_bias=True)
AWQ = IntLayout(weight="qweight", scales="scales", zeros="qzeros", along="outputs", always_zeros=True)
COMPRESSED = IntLayout(weight="weight_packed", scales="weight_scale", zeros="weight_zero_point", weight_shape=True)


@frozen(kw_only=True)
class PackedIntFormat(Format):
    """`bits`-bit integers, one scale in the layer's dtype per `group_size` inputs (-1: per output).

    `zero_points`: asymmetric, one packed zero point per group. `group_index`: the vLLM version creates g_idx;
    `act_order`: it also keeps it, with the sort order (GPTQ's desc_act). `marlin_experts` is False where experts are asked
    to run on the other kernel (`--quantization moe_wna16`).
    """

    method: str
    layout: IntLayout
    bits: int
    group_size: int
    zero_points: bool = False
    group_index: bool = False
    act_order: bool = False
    marlin_experts: bool = True
    target: Target = field(factory=Target)

    @property
    def bits_per_weight(self) -> float:
        """Width with scales and zero points; per-output scales are left out."""
        if self.group_size < 0:
            return float(self.bits)
        return self.bits + (16 + (self.bits if self.zero_points else 0)) / self.group_size

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """Weight words, scales (groups, rows), zero points. Raises ParallelismError where groups do not divide."""
        groups = self._groups(shape)
        kernel = self._kernel(shape.rows, shape.inputs)
        scale_bytes = dtype_bytes(shape.dtype)
        rows, inputs = shape.rows, shape.inputs
        kept_rows, kept_groups = rows, groups
        weight_kept = None
        padded = kernel in ("marlin", "humming")
        if padded:
            kept_rows, kept_inputs = (
                humming.padded(rows, inputs) if kernel == "humming" else marlin.padded(rows, inputs, self.group_size)
            )
            weight_kept = kept_rows * kept_inputs * self.bits // 8
            kept_groups = groups if self.group_size < 0 else kept_inputs // self.group_size
        tensors = [
            StoredTensor(
                name=self.layout.weight, elements=self._words(rows, inputs), dtype="int32", kept_bytes=weight_kept
            ),
            StoredTensor(
                name=self.layout.scales,
                elements=groups * rows,
                dtype=shape.dtype,
                kept_bytes=kept_groups * kept_rows * scale_bytes if padded else None,
            ),
        ]
        if self.zero_points or self.layout.always_zeros:
            kept = self._zeros_kept(kernel, kept_groups * kept_rows, scale_bytes)
            elements = groups * ceil_div(rows * self.bits, 32)
            tensors.append(StoredTensor(name=self.layout.zeros, elements=elements, dtype="int32", kept_bytes=kept))
        if self.layout.weight_shape:
            tensors.append(StoredTensor(name="weight_shape", elements=2, dtype="int64"))
        if self.group_index:
            # act-order keeps the indices and their sort order, any other checkpoint drops them
            tensors.append(
                StoredTensor(
                    name="g_idx", elements=inputs, dtype="int32", kept_bytes=8 * inputs if self.act_order else 0
                )
            )
        return tuple(tensors)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2 as the linear ones, per expert. Raises QuantizationError where groups do not divide."""
        if self.layout is not COMPRESSED and not self._marlin_experts(shape):
            return byte_experts(
                self.method,
                shape,
                bits=self.bits,
                group_size=self.group_size,
                zero_points=self.zero_points,
                target=self.target,
            )
        self._check_expert_groups(shape)
        w13 = self._expert_tensors("w13_", shape, shape.up_rows, shape.hidden_size)
        w2 = self._expert_tensors("w2_", shape, shape.hidden_size, shape.intermediate_size)
        return (*w13, *w2, *self._expert_extras(shape))

    def _expert_tensors(self, prefix: str, shape: LocalExperts, rows: int, inputs: int) -> tuple[StoredTensor, ...]:
        count = shape.experts
        groups = 1 if self.group_size < 0 else inputs // self.group_size
        weight_kept, scales_kept, zeros_kept = self._experts_kept(prefix, shape, rows, inputs)
        tensors = [
            StoredTensor(
                name=prefix + self.layout.weight,
                elements=count * self._words(rows, inputs),
                dtype="int32",
                kept_bytes=weight_kept,
            ),
            StoredTensor(
                name=prefix + self.layout.scales,
                elements=count * groups * rows,
                dtype=shape.dtype,
                kept_bytes=scales_kept,
            ),
        ]
        if self.zero_points or self.layout.always_zeros:
            elements = count * groups * ceil_div(rows * self.bits, 32)
            name = prefix + self.layout.zeros
            tensors.append(StoredTensor(name=name, elements=elements, dtype="int32", kept_bytes=zeros_kept))
        return tuple(tensors)

    def _experts_kept(
        self, prefix: str, shape: LocalExperts, rows: int, inputs: int
    ) -> tuple[int | None, int | None, int | None]:
        """Bytes of a matrix, its scales and its zero points after loading, None where they stay as created."""
        kernel = expert_kernel("int", shape, self.target)
        if kernel == "triton":
            return None, None, None
        if kernel == "humming":
            return humming.integer_experts(shape, rows, inputs, self.bits, self.group_size, self.zero_points)
        width = shape.intermediate_size
        padded = marlin.padded_experts(width, self.group_size)
        if padded == width:
            return None, None, None
        # the width is the only size Marlin pads: rows of w13, inputs of w2
        rows, inputs = (rows * padded // width, inputs) if prefix == "w13_" else (rows, padded)
        groups = 1 if self.group_size < 0 else inputs // self.group_size
        scales = shape.experts * rows * groups * dtype_bytes(shape.dtype)
        return shape.experts * rows * inputs * self.bits // 8, scales, None

    def _expert_extras(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        count = shape.experts
        extras: list[StoredTensor] = []
        if self.layout.weight_shape:
            extras += [
                StoredTensor(name=f"{w}_weight_shape", elements=2 * count, dtype=shape.dtype) for w in ("w13", "w2")
            ]
        if self.group_index or (self.layout.weight_shape and self.target.version < (0, 30, 0)):
            for name, inputs in (("w13", shape.hidden_size), ("w2", shape.intermediate_size)):
                kept = None if self.act_order else 0
                for what in ("g_idx", "g_idx_sort_indices"):
                    extras.append(
                        StoredTensor(name=f"{name}_{what}", elements=count * inputs, dtype="int32", kept_bytes=kept)
                    )
        if shape.bias:
            extras += expert_biases(shape)
        elif self.layout.expert_bias and self.target.version >= (0, 28, 0):
            # created for every GPTQ model, for some checkpoints bring biases their config does not tell of
            extras.append(StoredTensor(name="w13_bias", elements=count * shape.up_rows, dtype=shape.dtype))
            extras.append(StoredTensor(name="w2_bias", elements=count * shape.hidden_size, dtype=shape.dtype))
        return tuple(extras)

    def _marlin_experts(self, shape: LocalExperts) -> bool:
        return (
            self.marlin_experts
            and not self.target.elsewhere
            and marlin.supports_experts(shape.hidden_size, shape.intermediate_size, self.group_size)
        )

    def _words(self, rows: int, inputs: int) -> int:
        if self.layout is GPTQ:
            return rows * (inputs * self.bits // 32)
        if self.layout.along == "inputs":
            return rows * ceil_div(inputs * self.bits, 32)
        return inputs * ceil_div(rows * self.bits, 32)

    def _groups(self, shape: LocalLinear) -> int:
        size = self.group_size
        if size < 0:
            return 1
        if self.act_order and shape.inputs != shape.full_inputs:
            # every rank needs every group's scales (`marlin_repeat_scales_on_all_ranks`)
            return ceil_div(shape.full_inputs, size)
        if shape.inputs % size == 0:
            return shape.inputs // size
        if self.layout is GPTQ and self._takes_part_groups(shape):
            return shape.inputs // size  # the last group goes without scales
        if shape.full_inputs % size == 0:
            raise ParallelismError(
                what=f"quantization groups of {size} inputs",
                units=shape.full_inputs // size,
                tensor_parallel_size=shape.tp,
            )
        raise self._misfit(f"a layer of {shape.full_inputs} inputs is no multiple of group_size {size}")

    def _takes_part_groups(self, shape: LocalLinear) -> bool:
        """Whether some kernel of a GPTQ linear takes inputs that are no multiple of the group (`can_implement`)."""
        machete = shape.inputs > self.group_size and self._kernel(shape.rows, shape.inputs) == "machete"
        part_groups = self.target.version >= _HUMMING and self.target.capability >= (7, 5)
        return machete or part_groups or self.target.has("cut_groups")

    def _check_expert_groups(self, shape: LocalExperts) -> None:
        size = self.group_size
        if size < 0 or (shape.hidden_size % size == 0 and shape.intermediate_size % size == 0):
            return
        if shape.full_intermediate_size % size == 0 and shape.hidden_size % size == 0:
            raise ParallelismError(
                what=f"the experts' quantization groups of {size} inputs",
                units=shape.full_intermediate_size // size,
                tensor_parallel_size=shape.tp,
            )
        raise self._misfit(
            f"experts of {shape.hidden_size} × {shape.full_intermediate_size} are no multiple of group_size {size}"
        )

    def _misfit(self, problem: str) -> QuantizationError:
        return QuantizationError(method=self.method, problem=problem)

    def _kernel(self, rows: int, inputs: int) -> IntKernel:
        return int_kernel(
            self.target,
            bits=self.bits,
            group_size=self.group_size,
            zero_points=self.zero_points,
            act_order=self.act_order,
            rows=rows,
            inputs=inputs,
        )

    def _zeros_kept(self, kernel: IntKernel, values: int, scale_bytes: int) -> int | None:
        if kernel == "plain":
            return None
        if kernel == "machete":
            # unpacked and multiplied with the scales; a symmetric checkpoint's stay behind unused
            return values * scale_bytes if self.zero_points else None
        return values * self.bits // 8 if self.zero_points else 0
