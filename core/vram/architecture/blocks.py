"""Tokens per KV cache block: from the kernels' block sizes, or forced by the platform in older versions.

Sources: `platforms/interface.py:update_block_size_for_backend` (0.18 and later), `platforms/cuda.py:check_and_update_config`
(before), and start-up logs: DeepSeek-R1 on H200 counts in 64s up to 0.16 and in 16s from 0.18 on, on B200 in 32s from 0.18 on.
"""

from __future__ import annotations

from itertools import product
from math import lcm
from typing import Literal

from vram.models.platform import platform_of
from vram.models.record import frozen
from vram.vllm.versions import Version

DEFAULT_BLOCK_SIZE = 16
#: what every backend for keys per head takes multiples of
KERNEL_BLOCK = 16
#: pages of sparse latent attention and of its indexer (`v1/attention/backends/mla/indexer.py`)
SPARSE_BLOCK = 64
#: DeepSeek-V4's compressed layers (`v1/attention/backends/mla/sparse_swa.py:get_preferred_block_size`)
COMPRESSED_BLOCK = 256

AttentionFamily = Literal["plain", "latent", "sparse_latent", "compressed"]


@frozen(kw_only=True, cache_hash=True)
class Blocks:
    """Kernel block sizes: these, or (`multiples`) any multiple of them."""

    sizes: tuple[int, ...]
    multiples: bool = True

    def take(self, block: int) -> bool:
        """Whether a cache block can be cut into kernel blocks (`supports_block_size`)."""
        return any(block % size == 0 for size in self.sizes)

    def preferred(self, default: int) -> int:
        """The cache block where the user gives none (`get_preferred_block_size`)."""
        return default if self.take(default) else min(self.sizes)

    def largest_within(self, tokens: int) -> int:
        """The largest kernel block of at most so many tokens, else the smallest (`_largest_kernel_block_within`)."""
        if self.multiples:
            return max(max(size, tokens // size * size) for size in self.sizes)
        return max((size for size in self.sizes if size <= tokens), default=min(self.sizes))


@frozen(kw_only=True)
class BlockChoice:
    """`block_size` tokens per block before any alignment with recurrent state, and the kernels' smallest block."""

    block_size: int
    kernel_block: int


def choose_block_size(kernels: tuple[Blocks, ...], *, version: Version, asked: int | None) -> BlockChoice:
    """The block size of layers whose backends have these kernel sizes; `asked` is --block-size, which is kept.

    All backends must take it since 0.31, before the first one did.
    """
    if version < (0, 31, 0):
        kernels = kernels[:1]
    kernel = min(kernels[0].sizes) if kernels else KERNEL_BLOCK
    if asked is not None:
        return BlockChoice(block_size=asked, kernel_block=min(kernel, asked))
    if len(kernels) < 2:
        preferred = kernels[0].preferred(DEFAULT_BLOCK_SIZE) if kernels else DEFAULT_BLOCK_SIZE
        return BlockChoice(block_size=preferred, kernel_block=kernel)
    together = sorted({DEFAULT_BLOCK_SIZE, *(lcm(*sizes) for sizes in product(*(one.sizes for one in kernels)))})
    fitting = (block for block in together if all(one.take(block) for one in kernels))
    return BlockChoice(block_size=next(fitting, together[-1]), kernel_block=kernel)


def forced_block_size(
    family: AttentionFamily, *, version: Version, capability: tuple[int, int], asked: int | None
) -> BlockChoice:
    """The same before 0.18, where vLLM forced the sizes of latent backends over what was asked."""
    platform = platform_of(capability)
    if platform is not None:
        block = platform.forced_blocks(family, version)
        return BlockChoice(block_size=asked or block, kernel_block=min(block, KERNEL_BLOCK))
    kernel = {"plain": KERNEL_BLOCK, "compressed": COMPRESSED_BLOCK, "sparse_latent": SPARSE_BLOCK}.get(
        family, _latent_block(version, capability)
    )
    block = max(kernel, DEFAULT_BLOCK_SIZE) if asked is None else asked if asked % kernel == 0 else kernel
    return BlockChoice(block_size=block, kernel_block=kernel)


def _latent_block(version: Version, capability: tuple[int, int]) -> int:
    if capability[0] == 9:
        return 64 if version >= (0, 8, 0) else 16  # FlashMLA is new in 0.8.0
    if capability[0] == 10:
        return 64 if version >= (0, 15, 0) else 128 if version >= (0, 10, 1) else 16  # FLASHINFER_MLA, CUTLASS_MLA
    return 16  # TRITON_MLA
