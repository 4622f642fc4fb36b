"""NVFP4: four-bit floats, an fp8 scale per 16 inputs, an fp32 scale per tensor.

Created: `modelopt.py:KNvfp4Static`, `ModelOptNvFp4FusedMoE`, `compressed_tensors_w4a4_nvfp4.py`,
`compressed_tensors_moe_w4a4_nvfp4.py`. Kept: on Blackwell scales are padded to (128, 4) tiles and weights to
multiples of 32 (`utils/nvfp4_utils.py`); elsewhere Marlin (`utils/marlin_utils_fp4.py`) or Humming pads to its tiles. 0.33.0.
"""

from __future__ import annotations

from math import prod

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, round_up
from vram.models.record import field, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization import humming
from vram.quantization.expert_kernels import ExpertKernel, ExpertWeights, expert_kernel
from vram.quantization.kernels import repacked
from vram.quantization.target import Target
from vram.quantization.unquantized import expert_biases


@frozen(kw_only=True)
class Nvfp4Names:
    """What a checkpoint family calls the tensors."""

    weight: str
    global_scale: str
    input_scale: str


MODELOPT = Nvfp4Names(weight="weight", global_scale="weight_scale_2", input_scale="input_scale")
COMPRESSED = Nvfp4Names(weight="weight_packed", global_scale="weight_global_scale", input_scale="input_global_scale")


@frozen(kw_only=True)
class Nvfp4Format(Format):
    """Half a byte per weight and a byte per `group_size` weights.

    `input_dtype` is that of the activations' scale, one per fused part: "float32"; "model" for the placeholder
    of weight-only ModelOpt checkpoints, dropped after loading; None where there is none. `strict` is False where vLLM
    creates layers whose inputs are no multiple of 16 too, the last of which then have no scale.
    """

    method: str
    names: Nvfp4Names = MODELOPT
    group_size: int = 16
    input_dtype: str | None = "float32"
    strict: bool = True
    target: Target = field(factory=Target)

    @property
    def bits_per_weight(self) -> float:
        """Width with group scales."""
        return 4 + 8 / self.group_size

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs / 2), weight_scale (rows, inputs / group), scalars. Raises QuantizationError."""
        rows, inputs, parts = shape.rows, shape.inputs, len(shape.outputs)
        if inputs % 16 and self.strict:
            raise QuantizationError(method=self.method, problem=f"a layer of {inputs} inputs is no multiple of 16")
        weight_kept, scale_kept = self._kept(rows, inputs)
        tensors = [
            StoredTensor(name=self.names.weight, elements=rows * (inputs // 2), dtype="uint8", kept_bytes=weight_kept),
            StoredTensor(
                name="weight_scale",
                elements=rows * (inputs // self.group_size),
                dtype="float8_e4m3fn",
                kept_bytes=scale_kept,
            ),
            StoredTensor(name=self.names.global_scale, elements=parts, dtype="float32", kept_bytes=4),
        ]
        if self.input_dtype == "model":
            tensors.append(StoredTensor(name=self.names.input_scale, elements=parts, dtype=shape.dtype, kept_bytes=0))
        elif self.input_dtype:
            # kept as the scale, its inverse and their product with the weight's
            tensors.append(StoredTensor(name=self.names.input_scale, elements=parts, dtype="float32", kept_bytes=12))
        return tuple(tensors)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2 packed, their scales, a scalar per expert and projection."""
        count, shards = shape.experts, 2 if shape.gated else 1
        hidden, width = shape.hidden_size, shape.intermediate_size
        suffix = "_packed" if self.names is COMPRESSED else ""
        kept = self._experts_kept(shape)
        tensors: list[StoredTensor] = []
        for name, rows, inputs, (weight_kept, scale_kept) in (
            ("w13", count * shape.up_rows, hidden, kept[0]),
            ("w2", count * hidden, width, kept[1]),
        ):
            weights, scales = rows * (inputs // 2), rows * (inputs // self.group_size)
            tensors += [
                StoredTensor(name=f"{name}_weight{suffix}", elements=weights, dtype="uint8", kept_bytes=weight_kept),
                StoredTensor(
                    name=f"{name}_weight_scale", elements=scales, dtype="float8_e4m3fn", kept_bytes=scale_kept
                ),
            ]
        for name, scalars in (("w13", count * shards), ("w2", count)):
            tensors.append(StoredTensor(name=f"{name}_{self.names.global_scale}", elements=scalars, dtype="float32"))
            tensors.append(StoredTensor(name=f"{name}_{self.names.input_scale}", elements=scalars, dtype="float32"))
        return (*tensors, *expert_biases(shape))

    @property
    def _weights(self) -> ExpertWeights:
        return "nvfp4" if self.input_dtype == "float32" else "nvfp4_weights"

    def _kept(self, rows: int, inputs: int) -> tuple[int, int]:
        """Bytes of a linear's weight and of its scales."""
        if tile := self._tile():
            weight = round_up(rows, tile) * round_up(inputs, tile) // 2
            return weight, round_up(rows, 128) * round_up(inputs // self.group_size, 4)
        elements = prod(repacked(rows, inputs, self.group_size, self.target))
        return elements // 2, elements // self.group_size

    def _tile(self) -> int:
        """What CUTLASS and FlashInfer pad linears to; 0 where Marlin or Humming runs them.

        Without quantized activations only FlashInfer's kernel for 10.x does, since 0.30 (`init_nvfp4_linear_kernel`).
        """
        if self._weights == "nvfp4":
            return 32 if self.target.fp4_hardware else 0
        return 64 if self.target.generation == "blackwell" and self.target.version >= (0, 30, 0) else 0

    def _experts_kept(self, shape: LocalExperts) -> tuple[tuple[int, int], tuple[int, int]]:
        """Bytes of (weight, scales) of w13 and of w2."""
        kernel = expert_kernel(self._weights, shape, self.target)
        hidden, width = self._expert_sizes(kernel, shape)
        up = width * (2 if shape.gated else 1)
        sizes = [(up, hidden), (hidden, width)]
        if kernel == "humming":
            sizes = [humming.padded(rows, inputs) for rows, inputs in sizes]
        tiled = kernel in ("cutlass", "flashinfer_cutlass")
        first, second = ((shape.experts * r * i // 2, shape.experts * self._scales(r, i, tiled)) for r, i in sizes)
        return first, second

    def _expert_sizes(self, kernel: ExpertKernel, shape: LocalExperts) -> tuple[int, int]:
        """Hidden size and width as the kernel pads them.

        TRT-LLM: `flashinfer_fp4_moe.py:prepare_nvfp4_moe_layer_for_fi_or_cutlass`, width since 0.17 (0.26 raised it),
        hidden size since 0.32; the same function for CUTLASS, whose gated experts are not padded. Marlin:
        `prepare_nvfp4_moe_layer_for_marlin`.
        """
        hidden, width, version = shape.hidden_size, shape.intermediate_size, self.target.version
        if kernel == "trtllm":
            gated = 64 if version >= (0, 26, 0) else 16
            return (
                round_up(hidden, 256 if version >= (0, 32, 0) else 1),
                round_up(width, gated if shape.gated else 128),
            )
        if kernel == "marlin":
            return hidden, round_up(width, 64 if hidden % 128 == 0 else 128)
        return hidden, width if shape.gated or kernel in ("humming", "triton") else round_up(width, 128)

    def _scales(self, rows: int, inputs: int, tiled: bool) -> int:
        groups = inputs // self.group_size
        return round_up(rows, 128) * round_up(groups, 4) if tiled else rows * groups
