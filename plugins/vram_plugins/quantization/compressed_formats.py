"""Which format a pair of weight and activation arguments of compressed-tensors means.

The order is vLLM's: `CompressedTensorsConfig._get_scheme_from_parts` and `CompressedTensorsMoEMethod.get_moe_method`
(0.33.0). The integer formats of 4-bit weights with 8-bit activations are stored as their checkpoints are.
"""

from __future__ import annotations

from functools import partial

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization import nvfp4
from vram.quantization.fp8 import Fp8Format
from vram.quantization.int8 import Int8Format
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.packed_int import COMPRESSED, PackedIntFormat
from vram.quantization.target import Target
from vram_plugins.quantization.compressed_args import QuantArgs

_METHOD = "compressed-tensors"
_ACTIVATION_FORMATS = ("naive-quantized", "int-quantized", "float-quantized", "nvfp4-pack-quantized")


@frozen(kw_only=True)
class UnpackedInt4Format(Format):
    """W4A8 of "int-quantized" checkpoints: a byte per 4-bit weight (`compressed_tensors_w4a8_int.py`)."""

    group_size: int

    @property
    def bits_per_weight(self) -> float:
        """A byte each."""
        return 8.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs) int8, weight_scale (rows, groups)."""
        groups = 1 if self.group_size < 0 else shape.inputs // self.group_size
        return (
            StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype="int8"),
            StoredTensor(name="weight_scale", elements=shape.rows * groups, dtype=shape.dtype),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: vLLM has such experts on CPUs alone."""
        raise QuantizationError(
            method=_METHOD,
            problem=f"vLLM runs {shape.global_experts} experts with 4-bit weights and int8 on CPUs alone",
        )


@frozen(kw_only=True)
class PackedEmbeddingFormat(Format):
    """An embedding table of packed integers, which no kernel repacks (`compressed_tensors_embedding*.py`)."""

    bits: int
    group_size: int

    @property
    def bits_per_weight(self) -> float:
        """Width without scales."""
        return float(self.bits)

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight_packed (rows, inputs·bits / 32), weight_scale (rows, groups), weight_shape (2)."""
        groups = 1 if self.group_size < 0 else shape.inputs // self.group_size
        words = shape.rows * (shape.inputs // (32 // self.bits))
        return (
            StoredTensor(name="weight_packed", elements=words, dtype="int32"),
            StoredTensor(name="weight_scale", elements=shape.rows * groups, dtype=shape.dtype),
            StoredTensor(name="weight_shape", elements=2, dtype="int64"),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: experts are no table."""
        raise QuantizationError(method=_METHOD, problem=f"{shape.global_experts} experts are no embedding table")


def choose_embedding(weights: QuantArgs) -> Format:
    """An embedding table's format. Raises QuantizationError for other than integers by group or output."""
    if not weights.is_packed_int:
        raise QuantizationError(
            method=_METHOD, problem="vLLM has embedding tables of integers by group or output alone"
        )
    return PackedEmbeddingFormat(
        bits=weights.bits, group_size=weights.group_size if weights.strategy == "group" else -1
    )


def _packed(weights: QuantArgs, target: Target) -> PackedIntFormat:
    ordered = weights.actorder in ("group", "dynamic")
    return PackedIntFormat(
        method=_METHOD,
        layout=COMPRESSED,
        bits=weights.bits,
        group_size=weights.group_size if weights.strategy == "group" else -1,
        zero_points=not weights.symmetric,
        group_index=ordered,
        act_order=ordered,
        target=target,
    )


def _fp8(weights: QuantArgs, inputs: QuantArgs | None, target: Target) -> Fp8Format | None:
    """fp8 weights with dynamic, static or no quantization of activations; None where it is something else."""
    if weights.kind != "float" or weights.bits != 8 or weights.dynamic or not weights.symmetric:
        return None
    static = inputs is not None and not inputs.dynamic
    if static and inputs is not None and (not inputs.symmetric or inputs.strategy != "tensor"):
        return None
    fp8 = partial(Fp8Format, method=_METHOD, expert_bias=False, target=target)
    if weights.strategy == "block":
        return fp8(strategy="block", block=weights.block or (128, 128))
    if weights.strategy in ("channel", "tensor"):
        return fp8(strategy="channel" if weights.strategy == "channel" else "tensor", static_input=static)
    return None


def _int8(weights: QuantArgs, inputs: QuantArgs | None) -> Int8Format | None:
    if inputs is None or weights.bits != 8 or inputs.bits != 8 or weights.kind != "int" or weights.dynamic:
        return None
    if not weights.symmetric or weights.strategy not in ("tensor", "channel"):
        return None
    static = inputs.strategy == "tensor" and not inputs.dynamic
    if not static and not (inputs.strategy == "token" and inputs.dynamic):
        return None
    return Int8Format(
        per_channel=weights.strategy == "channel", static_input=static, input_zero_point=static and not inputs.symmetric
    )


def _four_bit_floats(weights: QuantArgs, inputs: QuantArgs | None, target: Target) -> Format | None:
    if weights.is_nvfp4:
        if inputs is not None and not inputs.is_nvfp4:
            raise QuantizationError(method=_METHOD, problem="NVFP4 weights need NVFP4 activations or none")
        dtype = None if inputs is None else "float32"
        return nvfp4.Nvfp4Format(method=_METHOD, names=nvfp4.COMPRESSED, input_dtype=dtype, strict=False, target=target)
    if weights.is_mxfp4:
        return MicroscalingFormat(
            method=_METHOD, bits=4, weight="weight_packed", expert_weight="weight_packed", strict=False, target=target
        )
    if weights.is_mxfp8:
        return MicroscalingFormat(method=_METHOD, bits=8, strict=False, target=target)
    return None


def lowest_capability(weights: QuantArgs, inputs: QuantArgs | None, version: tuple[int, int, int]) -> tuple[int, int]:
    """What the pair needs, by `get_min_capability` of its scheme in the wheels from 0.9.2 to 0.33.0."""
    if weights.is_mxfp4:
        return (8, 0)
    if weights.kind == "int" and weights.bits == 4 and inputs is not None and inputs.kind == "float":
        return (9, 0)  # W4A8 runs on CUTLASS's Hopper kernel alone
    if weights.kind == "int" and inputs is not None:
        return (7, 5)
    since = (0, 14, 0) if weights.is_packed_int else (0, 19, 0)
    return (7, 5) if version >= since else (8, 0)


def choose_linear(weights: QuantArgs, inputs: QuantArgs | None, layout: str, target: Target) -> Format:
    """A linear's format. Raises QuantizationError where vLLM has no scheme for the pair."""
    found = _four_bit_floats(weights, inputs, target)
    if found is None and weights.is_packed_int and layout == "pack-quantized":
        found = _packed(weights, target)
    if found is None and layout in _ACTIVATION_FORMATS:
        found = _fp8(weights, inputs, target) or _int8(weights, inputs)
        if found is None and weights.is_packed_int and weights.bits == 4 and inputs is not None and inputs.bits == 8:
            found = UnpackedInt4Format(group_size=weights.group_size)
    return found or _refuse(weights, inputs, layout)


def choose_experts(weights: QuantArgs, inputs: QuantArgs | None, layout: str, target: Target) -> Format:
    """Fused experts' format. Raises QuantizationError where vLLM has no method for the pair."""
    found = _four_bit_floats(weights, inputs, target)
    if found is None and weights.is_packed_int and inputs is None and layout == "pack-quantized":
        # Humming's experts, which are preferred on Hopper, have groups only (`fused_moe/oracle/int_wna16.py`, 0.33)
        humming = target.capability == (9, 0) and target.version >= (0, 33, 0)
        found = None if humming and weights.strategy == "channel" else _packed(weights, target)
    if found is None and inputs is not None:
        # per tensor twice, or per output and token; of integers the latter alone
        alike = (weights.strategy, inputs.strategy) in (("tensor", "tensor"), ("channel", "token"))
        if alike or weights.strategy == "block":
            found = _fp8(weights, inputs, target)
        if weights.strategy == "channel" and inputs.dynamic:
            found = found or _int8(weights, inputs)
        if weights.is_packed_int and weights.bits == 4 and inputs.bits == 8 and inputs.kind == "float":
            found = found or _packed(weights, target)  # with integer activations they run on CPUs alone
    return found or _refuse(weights, inputs, layout)


def _refuse(weights: QuantArgs, inputs: QuantArgs | None, layout: str) -> Format:
    activations = f"{inputs.bits}-bit {inputs.kind} {inputs.strategy} activations" if inputs else "no activations"
    raise QuantizationError(
        method=_METHOD,
        problem=f"vLLM has no kernel for {weights.bits}-bit {weights.kind} {weights.strategy} weights with {activations} "
        f"stored as {layout[:40]!r}",
    )
