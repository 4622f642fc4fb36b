"""Block sizes by the kernels' sizes, GPU and vLLM version; expected values are from start-up logs and vLLM's sources."""

from __future__ import annotations

import pytest

from vram.architecture.blocks import AttentionFamily, Blocks, choose_block_size, forced_block_size

HOPPER, BLACKWELL, AMPERE = (9, 0), (10, 0), (8, 0)
SIXTEENS = Blocks(sizes=(16,))
FLASHMLA = Blocks(sizes=(64,), multiples=False)
FLASHINFER_MLA = Blocks(sizes=(32, 64), multiples=False)


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [((), 16), ((SIXTEENS,), 16), ((FLASHMLA,), 64), ((FLASHINFER_MLA,), 32), ((SIXTEENS, FLASHMLA), 64)],
)
def test_a_cache_block_is_one_that_every_backend_can_cut(kernels: tuple[Blocks, ...], expected: int) -> None:
    assert choose_block_size(kernels, version=(0, 33, 0), asked=None).block_size == expected


def test_the_first_backend_decided_alone_before_0_31() -> None:
    # `interface.py:_find_non_ssm_backend` of 0.30 returns the first; 0.31 has `_find_non_ssm_backends`
    assert choose_block_size((SIXTEENS, FLASHMLA), version=(0, 30, 0), asked=None).block_size == 16
    assert choose_block_size((SIXTEENS, FLASHMLA), version=(0, 31, 0), asked=None).block_size == 64


def test_a_request_is_kept() -> None:
    choice = choose_block_size((SIXTEENS,), version=(0, 33, 0), asked=48)

    assert (choice.block_size, choice.kernel_block) == (48, 16)


@pytest.mark.parametrize(
    ("sizes", "multiples", "tokens", "expected"),
    [
        ((16,), True, 100, 96),
        ((16,), True, 8, 16),  # nothing fits: the smallest
        ((16, 32, 64), False, 100, 64),
        ((16, 32, 64), False, 8, 16),
    ],
)
def test_a_window_takes_the_largest_kernel_block_that_fits(
    sizes: tuple[int, ...], multiples: bool, tokens: int, expected: int
) -> None:
    assert Blocks(sizes=sizes, multiples=multiples).largest_within(tokens) == expected


@pytest.mark.parametrize(
    ("family", "version", "capability", "expected"),
    [
        ("plain", (0, 9, 2), AMPERE, 16),
        ("sparse_latent", (0, 17, 1), HOPPER, 64),
        ("latent", (0, 7, 3), HOPPER, 16),  # no FlashMLA yet
        ("latent", (0, 8, 0), HOPPER, 64),  # FlashMLA
        ("latent", (0, 16, 0), HOPPER, 64),  # log of DeepSeek-R1 on H200: counts in 64s
        ("latent", (0, 17, 1), HOPPER, 64),
        ("latent", (0, 10, 0), BLACKWELL, 16),
        ("latent", (0, 10, 1), BLACKWELL, 128),  # CUTLASS_MLA
        ("latent", (0, 14, 1), BLACKWELL, 128),
        ("latent", (0, 15, 0), BLACKWELL, 64),
        ("latent", (0, 17, 1), BLACKWELL, 64),
        ("latent", (0, 17, 1), (12, 0), 16),  # TRITON_MLA
    ],
)
def test_older_versions_forced_the_size_of_latent_backends(
    family: AttentionFamily, version: tuple[int, int, int], capability: tuple[int, int], expected: int
) -> None:
    choice = forced_block_size(family, version=version, capability=capability, asked=None)

    assert (choice.block_size, choice.kernel_block) == (expected, expected)


def test_older_versions_forced_it_over_a_request_that_is_no_multiple() -> None:
    assert forced_block_size("latent", version=(0, 11, 0), capability=HOPPER, asked=16).block_size == 64
    assert forced_block_size("latent", version=(0, 11, 0), capability=HOPPER, asked=128).block_size == 128
