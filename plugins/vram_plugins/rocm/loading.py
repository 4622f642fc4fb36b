"""What loading leaves on AMD's GPUs beside the weights: padded rows, holes in the allocator, and what its log line counts.

Rows of a multiple of 512 bytes are moved apart by 256 (`fp8_utils.py:_maybe_pad_fp8_weight` of linears with a scale per tensor or
block, in every release; `unquantized_fused_moe_method.py:_maybe_pad_weight` of 16-bit experts: kept to 0.19, undone to 0.24, kept to
0.29, into the old storage since 0.30). Each copy leaves the hole of the one before, so that the device loses far more than the bytes.
On RDNA 3 rows of 16-bit linears move by 128 (`layers/utils.py:maybe_pad_weight_avoid_cache_aliasing`, 0.33).
"Model loading took" is the device's loss, cached blocks among it, to 0.20 (`platforms/rocm.py:get_current_memory_usage`), and what
the allocator has handed out from 0.21 on. The mechanism was found by replaying it (four models within 0.5 GiB of 20 to 33).
"""

from __future__ import annotations

from functools import lru_cache

from vram.models.platform import Chip, Leftover, Matrix
from vram.units import MIB
from vram.vllm.versions import Version
from vram_plugins.rocm.allocator import Allocator
from vram_plugins.rocm.chips import cdna
from vram_plugins.rocm.switches import padding, part

_ROW, _APART, _RDNA3_ROW, _RDNA3_APART = 512, 256, 2048, 128
_PADDED = frozenset({"fp8_tensor", "fp8_block"})
_KEPT_EXPERTS = (((0, 0, 0), (0, 20, 0)), ((0, 25, 0), (0, 30, 0)))
_RDNA3_SINCE = (0, 33, 0)
#: first release whose log line is the allocator's own count, after emptying its cache
_COUNTED_SINCE = (0, 21, 0)
#: libraries loaded meanwhile, where the device is measured: 16-bit Llamas of 8B on R9700, at one and at two GPUs
_LIBRARIES = 72 * MIB


def left_by_loading(layers: tuple[tuple[Matrix, ...], ...], chip: Chip, version: Version) -> Leftover:
    """Of one rank's layers: bytes that "Model loading took" shows beyond the tensors, and those it does not show."""
    return _replayed(layers, chip, version)


@lru_cache(maxsize=256)
def _replayed(layers: tuple[tuple[Matrix, ...], ...], chip: Chip, version: Version) -> Leftover:
    rows_apart = [[_apart(one, chip, version) for one in layer] for layer in layers]
    counted = version >= _COUNTED_SINCE
    if counted and not any(map(any, rows_apart)):
        return Leftover()
    allocator = Allocator()
    blocks = [[allocator.take(one.rows * one.row_bytes) for one in layer] for layer in layers]
    made = allocator.live
    for layer, held, apart in zip(layers, blocks, rows_apart, strict=True):
        for matrix, block, more in zip(layer, held, apart, strict=True):
            if not counted:
                _copies(allocator, matrix, chip)
            if more:
                allocator.take(matrix.rows * (matrix.row_bytes + more))
                if more == _APART:
                    allocator.empty_cache()
                allocator.give(block)
    if not counted:
        return Leftover(shown=allocator.reserved - made + _LIBRARIES)
    allocator.empty_cache()
    return Leftover(shown=allocator.live - made, beside=allocator.reserved - allocator.live)


def _apart(matrix: Matrix, chip: Chip, version: Version) -> int:
    """Bytes between the rows of a matrix once it is loaded."""
    if matrix.what in _PADDED and padding(chip, "FP8"):
        return 0 if matrix.row_bytes % _ROW else _APART
    if matrix.what == "experts_plain" and padding(chip, "MOE") and not part(chip, "MOE", version):
        kept = any(since <= version < until for since, until in _KEPT_EXPERTS)
        return _APART if kept and not matrix.row_bytes % _ROW else 0
    if matrix.what == "plain" and chip.architecture.startswith("gfx11") and version >= _RDNA3_SINCE:
        return 0 if matrix.row_bytes % _RDNA3_ROW else _RDNA3_APART
    return 0


def _copies(allocator: Allocator, matrix: Matrix, chip: Chip) -> None:
    """What is made of a matrix in passing and stays in the cache: the mask of numbers that fnuz has no bits for, two copies of
    experts (fp8's are converted one after the other, MXFP4's are swizzled).
    """
    size = matrix.rows * matrix.row_bytes
    fnuz = cdna(chip.architecture) == 3 and "fp8" in matrix.what
    times = 2 if matrix.what == "experts_quantized" or (fnuz and matrix.what.startswith("experts")) else int(fnuz)
    for block in [allocator.take(size) for _ in range(times)]:
        allocator.give(block)
