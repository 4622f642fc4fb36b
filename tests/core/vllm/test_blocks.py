"""Block sizes by attention family, GPU and vLLM version; expected values are from start-up logs and vLLM's sources."""

from __future__ import annotations

import pytest

from vram.vllm.blocks import AttentionFamily, choose_block_size

HOPPER, BLACKWELL, AMPERE = (9, 0), (10, 0), (8, 0)


@pytest.mark.parametrize(
    ("family", "version", "capability", "expected"),
    [
        ("plain", (0, 33, 0), HOPPER, 16),
        ("plain", (0, 9, 2), AMPERE, 16),
        ("latent", (0, 16, 0), HOPPER, 64),  # log of DeepSeek-R1 on H200: counts in 64s
        ("latent", (0, 18, 0), HOPPER, 16),  # and in 16s from here on
        ("latent", (0, 33, 0), HOPPER, 16),  # vLLM 0.32.0, as recorded
        ("latent", (0, 18, 0), BLACKWELL, 32),  # log on B200
        ("latent", (0, 13, 0), BLACKWELL, 128),
        ("latent", (0, 33, 0), AMPERE, 16),
        ("sparse_latent", (0, 33, 0), HOPPER, 64),
        ("compressed", (0, 33, 0), HOPPER, 256),
    ],
)
def test_the_backend_decides_where_nothing_is_asked(
    family: AttentionFamily, version: tuple[int, int, int], capability: tuple[int, int], expected: int
) -> None:
    choice = choose_block_size(family, version=version, capability=capability, asked=None)

    assert choice.block_size == expected


def test_the_request_rules_since_0_18() -> None:
    choice = choose_block_size("latent", version=(0, 33, 0), capability=HOPPER, asked=32)

    assert (choice.block_size, choice.kernel_block) == (32, 16)


def test_older_versions_force_latent_backends_own_size() -> None:
    forced = choose_block_size("latent", version=(0, 11, 0), capability=HOPPER, asked=16)
    kept = choose_block_size("latent", version=(0, 11, 0), capability=HOPPER, asked=128)

    assert forced.block_size == 64
    assert kept.block_size == 128


@pytest.mark.parametrize(
    ("version", "capability", "expected"),
    [
        ((0, 7, 3), HOPPER, 16),  # no FlashMLA yet
        ((0, 8, 0), HOPPER, 64),  # FlashMLA
        ((0, 17, 1), HOPPER, 64),
        ((0, 10, 1), BLACKWELL, 16),
        ((0, 10, 2), BLACKWELL, 128),  # CUTLASS_MLA
        ((0, 14, 1), BLACKWELL, 128),
        ((0, 15, 0), BLACKWELL, 64),
        ((0, 17, 1), BLACKWELL, 64),
        ((0, 33, 0), (12, 0), 16),  # TRITON_MLA
    ],
)
def test_latent_backends_changed_with_the_version(
    version: tuple[int, int, int], capability: tuple[int, int], expected: int
) -> None:
    choice = choose_block_size("latent", version=version, capability=capability, asked=None)

    assert (choice.block_size, choice.kernel_block) == (expected, expected)


def test_the_request_is_taken_from_0_18_on_and_forced_before() -> None:
    # 0.17: CUTLASS_MLA's pages are forced over a request that is no multiple of them; 0.18 takes another backend
    before = choose_block_size("latent", version=(0, 17, 1), capability=BLACKWELL, asked=16)
    since = choose_block_size("latent", version=(0, 18, 0), capability=BLACKWELL, asked=16)

    assert (before.block_size, before.kernel_block) == (64, 64)
    assert (since.block_size, since.kernel_block) == (16, 16)
