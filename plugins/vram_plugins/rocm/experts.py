"""Sizes in which AMD's kernels have fused experts created.

`fused_moe/oracle/mxfp4.py:mxfp4_round_up_hidden_size_and_intermediate_size`, `oracle/unquantized.py:aiter_moe_intermediate_alignment`,
`quantization/quark/quark_moe.py` (0.20.0 to 0.33.0), `quantization/mxfp4.py:create_weights` (0.11.2 to 0.18.1).
"""

from __future__ import annotations

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, round_up
from vram.models.platform import Chip
from vram.models.record import evolve
from vram.quantization.target import Target
from vram_plugins.rocm.chips import cdna
from vram_plugins.rocm.switches import part

#: AITER's 16-bit experts are created as wide as its tiles
_PLAIN_SINCE = (0, 32, 0)
#: what its kernels compute between the projections (`experts/rocm_aiter_moe.py:_supports_activation`)
_ACTIVATIONS = frozenset({"silu", "gelu", "situ", "swigluoai", "swigluoai_uninterleave"})
_SILU = frozenset({"silu", "situ"})
_NATIVE_128_SINCE = (0, 32, 0)
_BLOCK = 128


def experts(weights: str, shape: LocalExperts, target: Target) -> LocalExperts:
    """The sizes of experts stored so on a chip. Raises QuantizationError where AITER's kernel does not take them."""
    chip = target.capability
    if not isinstance(chip, Chip):
        return shape
    aiter = part(chip, "MOE", target.version)
    if weights == "plain":
        tiled = aiter and shape.gated and shape.activation in _ACTIVATIONS and target.version >= _PLAIN_SINCE
        return _rounded(shape, 1, _tile(shape)) if tiled else shape
    if weights == "fp8_block":
        return _whole_blocks(shape) if aiter else shape
    if weights.startswith("quark_mxfp6"):
        return _rounded(shape, 32, 32)  # emulated everywhere
    if weights in ("mxfp4", "gpt_oss_mxfp4", "quark_mxfp4", "quark_mxfp4_mxfp4"):
        return _rounded(shape, *_multiples(weights, shape, chip, target, aiter=aiter))
    return shape


def _tile(shape: LocalExperts) -> int:
    return 64 if shape.intermediate_size <= 192 else 128


def _rounded(shape: LocalExperts, hidden: int, width: int) -> LocalExperts:
    return evolve(
        shape,
        hidden_size=round_up(shape.hidden_size, hidden),
        intermediate_size=round_up(shape.intermediate_size, width),
    )


def _whole_blocks(shape: LocalExperts) -> LocalExperts:
    """AITER's kernel for blocks of 128 takes no finer ones (`No FP8 MoE backend supports the deployment configuration`)."""
    if shape.intermediate_size % _BLOCK:
        problem = (
            f"AITER has no fused experts {shape.intermediate_size} wide, which is no multiple of the block {_BLOCK}"
        )
        raise QuantizationError(method="fp8", problem=problem)
    return shape


def _multiples(weights: str, shape: LocalExperts, chip: Chip, target: Target, *, aiter: bool) -> tuple[int, int]:
    """What hidden size and width are rounded up to."""
    generation, silu = cdna(chip.architecture), shape.activation in _SILU
    native = aiter and (
        generation == 4 or (weights == "quark_mxfp4" and generation == 3)
    )  # AITER's Triton kernel on CDNA 3
    if weights == "quark_mxfp4_mxfp4" and native and target.version >= _NATIVE_128_SINCE:
        return 256, 128
    if weights.startswith("quark"):
        return (256, 256) if native else (32, 32)
    if target.version < (0, 20, 0):
        return (256, 256) if generation == 4 else (128, 128)
    unfused = weights == "mxfp4" and shape.routing == "deepseek_v4"
    if weights == "mxfp4" and not native and not unfused:
        return 32, 32  # emulated
    if silu and target.version >= (0, 28, 0) and (native or (unfused and generation != 4)):
        return 128, 128
    return 256, 256
