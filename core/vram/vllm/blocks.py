"""Tokens per KV cache block: what each attention backend takes, and which backend a GPU and a vLLM version choose.

Sources: `platforms/interface.py:update_block_size_for_backend` (0.18 and later), `platforms/cuda.py` (before), the
backends' `get_supported_kernel_block_sizes` and priorities, and start-up logs: DeepSeek-R1 on H200 counts in 64s up
to 0.16 and in 16s from 0.18 on, on B200 in 32s from 0.18 on.
"""

from __future__ import annotations

from typing import Literal

from vram.models.record import frozen
from vram.vllm.versions import Version

DEFAULT_BLOCK_SIZE = 16
#: FlashAttention, Triton and FlashInfer all take multiples of 16 (`v1/attention/backends/*.py`)
KERNEL_BLOCK = 16
#: pages of sparse latent attention and of its indexer (`v1/attention/backends/mla/indexer.py`)
SPARSE_BLOCK = 64
#: DeepSeek-V4's compressed layers (`v1/attention/backends/mla/sparse_swa.py:get_preferred_block_size`)
COMPRESSED_BLOCK = 256

AttentionFamily = Literal["plain", "latent", "sparse_latent", "compressed"]


@frozen(kw_only=True)
class BlockChoice:
    """`block_size` tokens per block before any alignment with recurrent state, and the kernels' smallest block."""

    block_size: int
    kernel_block: int


def choose_block_size(
    family: AttentionFamily, *, version: Version, capability: tuple[int, int], asked: int | None
) -> BlockChoice:
    """The block size of a model's attention layers; `asked` is --block-size.

    Before 0.18 vLLM forced the sizes of latent
    backends over what was asked; since then the request decides the backend.
    """
    kernel = _kernel_block(family, version, capability)
    if asked is None:
        return BlockChoice(block_size=max(kernel, DEFAULT_BLOCK_SIZE), kernel_block=kernel)
    if version >= (0, 18, 0):
        return BlockChoice(block_size=asked, kernel_block=min(kernel, asked))
    return BlockChoice(block_size=asked if asked % kernel == 0 else kernel, kernel_block=kernel)


def _kernel_block(family: AttentionFamily, version: Version, capability: tuple[int, int]) -> int:
    if family == "plain":
        return KERNEL_BLOCK
    if family == "compressed":
        return COMPRESSED_BLOCK
    if family == "sparse_latent":
        return SPARSE_BLOCK
    return _latent_block(version, capability)


def _latent_block(version: Version, capability: tuple[int, int]) -> int:
    major = capability[0]
    if major == 9:
        if version >= (0, 18, 0):
            # FLASH_ATTN_MLA. It has no fp8 cache: then FLASHMLA follows where it is built in (pages of 64), else
            # TRITON_MLA (16), which the recorded answers took; the two differ by fewer than 64 tokens.
            return 16
        return 64 if version >= (0, 8, 0) else 16  # FlashMLA is new in 0.8.0
    if major == 10:
        if version >= (0, 18, 0):
            return 32  # FLASHINFER_MLA
        if version >= (0, 15, 0):
            return 64
        return 128 if version >= (0, 10, 2) else 16  # CUTLASS_MLA
    return 16  # TRITON_MLA
