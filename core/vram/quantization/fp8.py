"""fp8 weights with a scale per tensor, per output or per block.

Created: `quantization/fp8.py`, `utils/fp8_utils.py:create_fp8_*`, `compressed_tensors_w8a8_fp8.py`, `modelopt.py`.
Kept: without fp8 hardware Marlin repacks weights to tiles and expands scales to one per output (and per group of
inputs) in the layer's dtype (`utils/marlin_utils_fp8.py`); DeepGEMM and FlashInfer have layouts of their own. 0.33.0.
"""

from __future__ import annotations

from math import gcd
from typing import Literal

from vram.dtypes import dtype_bytes
from vram.errors import ParallelismError, QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, ceil_div, round_up
from vram.models.record import evolve, field, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization import deep_gemm, marlin
from vram.quantization.expert_kernels import ExpertWeights, expert_kernel
from vram.quantization.target import Target
from vram.quantization.unquantized import expert_biases, expert_weights

#: experts whose width per rank cuts a block were refused before (`refine_fp8_moe_block_shape`)
_REFINED = (0, 29, 0)

Strategy = Literal["tensor", "channel", "block"]

#: what FlashInfer's per-tensor kernels pad the experts' width to (`flashinfer_utils.py:prepare_fp8_moe_layer_for_fi`)
_GATED_MULTIPLE, _UNGATED_MULTIPLE = 16, 128


@frozen(kw_only=True)
class Fp8Format(Format):
    """One byte per weight. `block` is (rows, inputs) of a scale where `strategy` is "block".

    `static_input`: the checkpoint also stores a scale per fused part for the activations. `strict` is False where
    vLLM allows blocks cut by tensor parallelism; `strict_merged` is False where it allows them in fused column-parallel
    layers (`ColumnParallelLinear._maybe_allow_fp8_block_shape_mismatch`). `whole_inputs`: inputs are whole blocks on every
    rank, and outputs too where `whole_outputs` (ModelOpt, which pads the last block of outputs since 0.29). `refined`: experts'
    blocks are cut finer where a rank's width is no multiple (`quantization/fp8.py` since 0.29; others refuse).
    `expert_bias`: whether biases of experts are created (not by `compressed_tensors_moe_w8a8_fp8.py`, 0.33.0).
    """

    method: str
    strategy: Strategy
    block: tuple[int, int] = (128, 128)
    static_input: bool = False
    scale: str = "weight_scale"
    scale_dtype: str = "float32"
    strict: bool = True
    strict_merged: bool = True
    whole_inputs: bool = False
    whole_outputs: bool = False
    refined: bool = False
    expert_bias: bool = True
    target: Target = field(factory=Target)

    @property
    def bits_per_weight(self) -> float:
        """Width with block scales."""
        if self.strategy != "block":
            return 8.0
        return 8 + 32 / (self.block[0] * self.block[1])

    @property
    def needs(self) -> str:
        """What a platform is asked for: "fp8_tensor", "fp8_channel" or "fp8_block"."""
        return f"fp8_{self.strategy}"

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs), its scales, input_scale. Raises ParallelismError where blocks do not divide."""
        if self.strategy == "block" and self.strict:
            self._check_blocks(shape)
        self._check_whole(shape)
        scales = self._scales(shape.rows, shape.inputs, len(shape.outputs))
        weight = shape.rows * shape.inputs
        kept, scales_kept = self._repacked(shape.rows, shape.inputs, shape.dtype)
        tensors = [
            StoredTensor(name="weight", elements=weight, dtype="float8_e4m3fn", kept_bytes=kept),
            StoredTensor(name=self.scale, elements=scales, dtype=self.scale_dtype, kept_bytes=scales_kept),
        ]
        if self.static_input:
            tensors.append(StoredTensor(name="input_scale", elements=len(shape.outputs), dtype="float32"))
        return tuple(tensors)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 (E, up, hidden), w2 (E, hidden, intermediate), their scales. Raises ParallelismError."""
        w13, w2 = expert_weights(shape)
        scale13, scale2 = self._expert_scales(shape)
        shards = 2 if shape.gated else 1
        kept = self._experts_repacked(shape)
        tensors = [
            StoredTensor(name="w13_weight", elements=w13, dtype="float8_e4m3fn", kept_bytes=kept[0]),
            StoredTensor(name="w2_weight", elements=w2, dtype="float8_e4m3fn", kept_bytes=kept[1]),
            StoredTensor(name=f"w13_{self.scale}", elements=scale13 * shards, dtype="float32", kept_bytes=kept[2]),
            StoredTensor(name=f"w2_{self.scale}", elements=scale2, dtype="float32", kept_bytes=kept[3]),
        ]
        if self.static_input:
            tensors += [
                StoredTensor(name=f"{w}_input_scale", elements=shape.experts, dtype="float32") for w in ("w13", "w2")
            ]
        return (*tensors, *(expert_biases(shape) if self.expert_bias else ()))

    def _scales(self, rows: int, inputs: int, parts: int) -> int:
        if self.strategy == "tensor":
            return parts
        if self.strategy == "channel":
            return rows
        return ceil_div(rows, self.block[0]) * ceil_div(inputs, self.block[1])

    def _expert_scales(self, shape: LocalExperts) -> tuple[int, int]:
        """Scales of one of w13's shards and of w2, over all experts."""
        count, hidden, width = shape.experts, shape.hidden_size, shape.intermediate_size
        if self.strategy == "tensor":
            return count, count
        if self.strategy == "channel":
            return count * width, count * hidden
        rows, inputs = self._expert_block(shape)
        return (
            count * ceil_div(width, rows) * ceil_div(hidden, inputs),
            count * ceil_div(hidden, rows) * ceil_div(width, inputs),
        )

    def _expert_block(self, shape: LocalExperts) -> tuple[int, int]:
        """The block vLLM uses: since 0.29 finer where a rank's width is no multiple (`refine_fp8_moe_block_shape`).

        Only Triton's kernels take finer ones, which run from Ada on: vLLM 0.33.0 on an A100 refuses Qwen3-235B-A22B-FP8
        over 8 ranks.
        """
        rows, inputs = self.block
        width = shape.intermediate_size
        self.target.experts("fp8_block", shape)
        if width % rows == 0 and (shape.tp == 1 or width % inputs == 0):
            triton = self.target.fp8_hardware and min(self.block) > 1
            if self.block == (128, 128) or triton or not self._refines:
                return self.block
            problem = f"vLLM has no fused experts with blocks of {rows} × {inputs} on this GPU"
            raise QuantizationError(method=self.method, problem=problem)
        finer = gcd(rows, inputs, width, shape.hidden_size)
        if finer >= 32 and self._refines and self.target.fp8_hardware:
            return (finer, finer)
        if shape.full_intermediate_size % rows == 0:
            raise ParallelismError(
                what=f"the experts' quantization blocks of {rows} rows",
                units=shape.full_intermediate_size // rows,
                tensor_parallel_size=shape.tp,
            )
        raise QuantizationError(
            method=self.method,
            problem=f"experts {shape.full_intermediate_size} wide are no multiple of the block {rows}",
        )

    @property
    def _refines(self) -> bool:
        return self.refined and self.target.version >= _REFINED

    def _check_whole(self, shape: LocalLinear) -> None:
        sides = (
            (self.whole_outputs, "outputs", shape.rows, sum(shape.full_outputs), self.block[0]),
            (self.whole_inputs, "inputs", shape.inputs, shape.full_inputs, self.block[1]),
        )
        for checked, what, size, full, block in sides:
            if checked and size % block and full % block == 0:
                raise ParallelismError(
                    what=f"quantization blocks of {block} {what}", units=full // block, tensor_parallel_size=shape.tp
                )
            if checked and size % block:
                raise QuantizationError(
                    method=self.method, problem=f"a layer of {full} {what} is no multiple of the block {block}"
                )

    def _check_blocks(self, shape: LocalLinear) -> None:
        """`fp8_utils.py:validate_fp8_block_shape`."""
        rows, inputs = self.block
        if len(shape.outputs) > 1 and shape.parallel == "column" and not self.strict_merged:
            return
        if shape.tp > 1 and shape.inputs != shape.full_inputs and shape.inputs % inputs:
            raise ParallelismError(
                what=f"quantization blocks of {inputs} inputs",
                units=shape.full_inputs // inputs,
                tensor_parallel_size=shape.tp,
            )
        split = shape.tp > 1 and sum(shape.full_outputs) // max(shape.rows, 1) == shape.tp
        if not split and len(shape.outputs) == 1:
            return
        # merged and not split: the last part may end within a block
        checked = shape.outputs if split else shape.outputs[:-1]
        for size, full in zip(checked, shape.full_outputs, strict=False):
            if size % rows == 0:
                continue
            if shape.tp > 1 and full % rows == 0:
                raise ParallelismError(
                    what=f"quantization blocks of {rows} outputs", units=full // rows, tensor_parallel_size=shape.tp
                )
            raise QuantizationError(
                method=self.method, problem=f"a fused part of {size} outputs is no multiple of the block {rows}"
            )

    def _marlin(self) -> bool:
        if self.target.elsewhere:
            return False
        if self.strategy == "block" and self.target.version >= (0, 20, 0):
            # since 0.20 Marlin comes before Triton's block kernel, and CUTLASS's begins at 9.0
            return self.target.capability < (9, 0)
        return not self.target.fp8_hardware

    def _repacked(self, rows: int, inputs: int, dtype: str) -> tuple[int | None, int | None]:
        """Bytes of weight and scales after loading, None where nothing changes."""
        blocks = self.strategy == "block"
        if blocks and deep_gemm.takes_linear(rows, inputs, dtype, self.target, self.block):
            return None, deep_gemm.scale_bytes(rows, inputs)
        if not self._marlin():
            return None, None
        group = self.block[1] if blocks else -1
        padded_rows, padded_inputs = marlin.padded(rows, inputs, group)
        groups = 1 if group < 0 else padded_inputs // group
        return padded_rows * padded_inputs, groups * padded_rows * dtype_bytes(dtype)

    def _expert_weights(self) -> ExpertWeights:
        if self.strategy == "block":
            return "fp8_block"
        return "fp8_static" if self.static_input and self.strategy == "tensor" else "fp8"

    def _experts_repacked(self, shape: LocalExperts) -> tuple[int | None, int | None, int | None, int | None]:
        """Bytes of w13, w2 and their scales after loading, None where nothing changes."""
        kernel = expert_kernel(self._expert_weights(), shape, self.target)
        if kernel == "marlin":
            return self._marlin_experts(shape)
        if kernel == "deep_gemm" and deep_gemm.runs_there(self.target, self._expert_block(shape)):
            hidden, width = shape.hidden_size, shape.intermediate_size
            scales = (deep_gemm.scale_bytes(shape.up_rows, hidden), deep_gemm.scale_bytes(hidden, width))
            return None, None, shape.experts * scales[0], shape.experts * scales[1]
        if self.strategy == "tensor" and kernel in ("trtllm", "flashinfer_cutlass"):
            multiple = _GATED_MULTIPLE if shape.gated else _UNGATED_MULTIPLE
            padded = evolve(shape, intermediate_size=round_up(shape.intermediate_size, multiple))
            return (*expert_weights(padded), None, None)
        return None, None, None, None

    def _marlin_experts(self, shape: LocalExperts) -> tuple[int, int, int, int]:
        group = self._expert_block(shape)[1] if self.strategy == "block" else -1
        count, hidden = shape.experts, shape.hidden_size
        width = marlin.padded_experts(shape.intermediate_size, group)
        up = width * (2 if shape.gated else 1)
        size = dtype_bytes(shape.dtype)
        per_input = (1, 1) if group < 0 else (ceil_div(hidden, group), ceil_div(width, group))
        return (
            count * up * hidden,
            count * hidden * width,
            count * per_input[0] * up * size,
            count * per_input[1] * hidden * size,
        )
