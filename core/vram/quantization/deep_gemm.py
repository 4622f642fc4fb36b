"""DeepGEMM's scales of fp8 blocks on Blackwell: a byte per row and 128 inputs, where the checkpoint has a float per block.

vLLM: `utils/deep_gemm.py`, `utils/fp8_utils.py:deepgemm_post_process_weight_scale_block`, `kernels/linear/scaled_mm/deep_gemm.py`
(0.33.0). DeepGEMM's `transform_sf_into_required_layout` packs four exponents of a row into an int32 and aligns rows for TMA;
on Hopper it leaves the blocks' floats alone.
"""

from __future__ import annotations

from vram.models.parameters import ceil_div, round_up
from vram.quantization.target import Generation, Target

#: the GPUs whose layout is packed, and the first version that runs DeepGEMM there by default
_PACKED_SINCE: dict[Generation, tuple[int, int, int]] = {"blackwell": (0, 11, 0), "consumer blackwell": (0, 24, 0)}
_BLOCK, _ROWS, _INPUTS = 128, 64, 128
_PER_WORD, _ALIGNED_ROWS, _WORD_BYTES = 4, 4, 4


def runs_there(target: Target, block: tuple[int, int]) -> bool:
    """Whether fp8 blocks of that size may run on DeepGEMM with packed scales."""
    since = _PACKED_SINCE.get(target.generation)
    return since is not None and target.version >= since and target.deep_gemm and block == (_BLOCK, _BLOCK)


def takes_linear(rows: int, inputs: int, dtype: str, target: Target, block: tuple[int, int]) -> bool:
    """Whether it runs a linear (`should_use_deepgemm_for_fp8_linear`)."""
    fits = rows % _ROWS == 0 and inputs % _INPUTS == 0
    return fits and dtype == "bfloat16" and runs_there(target, block)


def scale_bytes(rows: int, inputs: int) -> int:
    """Bytes of the packed scales of a (rows, inputs) matrix."""
    words = ceil_div(ceil_div(inputs, _BLOCK), _PER_WORD)
    return words * round_up(rows, _ALIGNED_ROWS) * _WORD_BYTES
