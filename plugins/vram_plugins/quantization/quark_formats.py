"""Which format a Quark layer config means: its `weight` and `input_tensors`.

vLLM: `quantization/quark/quark.py:_is_*`, `quark/schemes/`, `quark_moe.py:QuarkMoEMethod.get_moe_method_target` (0.33.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.fp8 import Fp8Format, Strategy
from vram.quantization.int8 import Int8Format
from vram.quantization.microscaling import BLOCK, MicroscalingFormat
from vram.quantization.nvfp4 import Nvfp4Format, Nvfp4Names
from vram.quantization.packed_int import AWQ, PackedIntFormat
from vram.quantization.target import Target
from vram.quantization.unquantized import expert_biases

METHOD = "quark"
_NVFP4 = Nvfp4Names(weight="weight", global_scale="weight_scale_2", input_scale="input_scale_2")
#: microscaling weights by Quark's dtype: bits
_MICROSCALING = {"fp4": 4, "fp6_e3m2": 6, "fp6_e2m3": 6, "fp8_e4m3": 8}
_PER_LAYER: Mapping[str, Strategy] = {"per_tensor": "tensor", "per_channel": "channel"}


@frozen(kw_only=True)
class StaticInputFormat(Format):
    """`inner`, and an fp32 activation scale per fused part and per expert (MXFP4 weights, fp8 activations)."""

    inner: MicroscalingFormat

    @property
    def bits_per_weight(self) -> float:
        """That of the weights."""
        return self.inner.bits_per_weight

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """The inner tensors and input_scale (parts)."""
        scale = StoredTensor(name="input_scale", elements=len(shape.outputs), dtype="float32")
        return (*self.inner.linear(shape), scale)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """The inner tensors and a scale per expert and projection."""
        scales = (StoredTensor(name=f"{w}_input_scale", elements=shape.experts, dtype="float32") for w in ("w13", "w2"))
        return (*self.inner.experts(shape), *scales)


@frozen(kw_only=True)
class Int4Format(Format):
    """4-bit integers: linears as AWQ's, experts in bytes (E, rows, inputs / 2), both with zero points in any case."""

    inner: PackedIntFormat

    @property
    def bits_per_weight(self) -> float:
        """That of the linears."""
        return self.inner.bits_per_weight

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """As AWQ's. Raises ParallelismError and QuantizationError where groups do not divide."""
        return self.inner.linear(shape)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2, a scale and half a byte of zero point per group, halved until it divides. Raises QuantizationError."""
        group, tensors = self.inner.group_size, list[StoredTensor]()
        while shape.intermediate_size % group or shape.hidden_size % group:
            group //= 2
            if group < BLOCK:
                raise QuantizationError(method=METHOD, problem="the experts have no group of 32 or more inputs")
        for name, rows, inputs in (
            ("w13", shape.up_rows, shape.hidden_size),
            ("w2", shape.hidden_size, shape.intermediate_size),
        ):
            weights, groups = shape.experts * rows * inputs, shape.experts * rows * (inputs // group)
            tensors += [
                StoredTensor(name=f"{name}_weight", elements=weights // 2, dtype="uint8"),
                StoredTensor(name=f"{name}_weight_scale", elements=groups, dtype=shape.dtype),
                StoredTensor(name=f"{name}_weight_zero_point", elements=groups // 2, dtype="uint8"),
            ]
        return (*tensors, *expert_biases(shape))


Spec = Mapping[str, Any]


def _parts(block: QuantizationBlock, name: str) -> tuple[Spec, ...]:
    """One or more tensor configs; a list of one is that one."""
    value = block.find(name)[1]
    parts = value if isinstance(value, list | tuple) else [] if value is None else [value]
    if not all(isinstance(part, Mapping) and all(isinstance(key, str) for key in part) for part in parts):
        raise block.error(name, "must be an object or a list of them")
    return tuple(cast("Spec", part) for part in parts)


def format_of(block: QuantizationBlock, target: Target, *, experts: bool) -> Format:
    """The format of a layer with that config. Raises QuantizationError where vLLM has none for it."""
    weights, inputs = _parts(block, "weight"), _parts(block, "input_tensors")
    if not weights:
        raise block.error("weight", "is missing")
    weight, activation = weights[0], inputs[0] if inputs else None
    if len(weights) == 2 and len(inputs) == 2 and _is_nvfp4(weights) and _is_nvfp4(inputs, dynamic=True):
        return Nvfp4Format(method=METHOD, names=_NVFP4, target=target)
    found = None
    if len(weights) == 1 and len(inputs) <= 1:
        found = (
            _fp8(weight, activation, target, experts)
            or _int4(block, weight, activation, target)
            or _microscaling(weight, activation, target, experts)
            or _int8(weight, activation)
        )
    if found is None:
        kind = f"{str(weight.get('dtype'))[:20]!r} weights {str(weight.get('qscheme'))[:20]!r}"
        raise QuantizationError(method=METHOD, problem=f"vLLM has no scheme for {kind} with such activations")
    return found


def lowest_capability(block: QuantizationBlock) -> tuple[int, int]:
    """`get_min_capability` of the config's scheme."""
    weights, inputs = _parts(block, "weight"), _parts(block, "input_tensors")
    if len(weights) != 1 or weights[0].get("qscheme") == "per_group":
        return (7, 5) if len(weights) == 2 else (7, 0)
    if weights[0].get("dtype") == "int8":
        return (7, 5)
    return (8, 9) if weights[0].get("dtype") == "fp8_e4m3" and inputs else (7, 0)


def _is_nvfp4(parts: tuple[Spec, ...], *, dynamic: bool = False) -> bool:
    first, second = parts
    grouped = (first.get("dtype"), first.get("qscheme"), first.get("group_size")) == ("fp4", "per_group", 16)
    whole = (second.get("dtype"), second.get("qscheme")) == ("fp8_e4m3", "per_tensor")
    return grouped and whole and bool(first.get("is_dynamic")) == dynamic and not second.get("is_dynamic")


def _fp8(weight: Spec, activation: Spec | None, target: Target, experts: bool) -> Format | None:
    if activation is None or {weight.get("dtype"), activation.get("dtype")} != {"fp8_e4m3"} or weight.get("is_dynamic"):
        return None
    static = not activation.get("is_dynamic")
    if weight.get("qscheme") == "per_block":
        blocks = list(weight.get("block_size") or []) == [128, 128] and not static
        return Fp8Format(method=METHOD, strategy="block", target=target) if blocks else None
    strategy = _PER_LAYER.get(str(weight.get("qscheme")))
    if strategy is None or (static and activation.get("qscheme") != "per_tensor"):
        return None
    if experts and static and strategy == "channel":
        return None
    return Fp8Format(method=METHOD, strategy=strategy, static_input=static, target=target)


def _int8(weight: Spec, activation: Spec | None) -> Format | None:
    if activation is None or {weight.get("dtype"), activation.get("dtype")} != {"int8"}:
        return None
    static = activation.get("qscheme") == "per_tensor" and not activation.get("is_dynamic")
    by_token = activation.get("qscheme") == "per_channel" and activation.get("is_dynamic") is True
    if str(weight.get("qscheme")) not in _PER_LAYER or weight.get("symmetric") is not True or not (static or by_token):
        return None
    return Int8Format(
        per_channel=weight.get("qscheme") == "per_channel",
        static_input=static,
        input_zero_point=static,
        weight_zero_point=True,
        expert_input_zero_point=True,
    )


def _int4(block: QuantizationBlock, weight: Spec, activation: Spec | None, target: Target) -> Format | None:
    if activation is not None or weight.get("dtype") not in ("int4", "uint4"):
        return None
    inner = QuantizationBlock(raw=weight, method=METHOD, section=f"{block.section}weight.")
    stored = PackedIntFormat(
        method=METHOD,
        layout=AWQ,
        bits=4,
        group_size=inner.integer("group_size"),
        zero_points=not inner.flag("symmetric", default=weight.get("dtype") == "int4"),
        target=target,
    )
    return Int4Format(inner=stored)


def _microscaling(weight: Spec, activation: Spec | None, target: Target, experts: bool) -> Format | None:
    bits = _MICROSCALING.get(str(weight.get("dtype")))
    if bits is None or weight.get("qscheme") != "per_group" or weight.get("group_size") != BLOCK:
        return None
    both = activation is not None and activation.get("dtype") == weight.get("dtype")
    kind = f"quark_mxfp{bits}" + ("_mxfp4" if both and bits == 4 else "")
    stored = MicroscalingFormat(method=METHOD, bits=bits, kind=kind, target=target)
    if activation is None:
        return stored
    by_group = activation.get("qscheme") == "per_group"
    if activation.get("is_dynamic"):
        return stored if by_group and str(activation.get("dtype")) in _MICROSCALING else None
    whole = (activation.get("dtype"), activation.get("qscheme")) == ("fp8_e4m3", "per_tensor")
    return StaticInputFormat(inner=stored) if whole and (bits == 4 or experts) else None
