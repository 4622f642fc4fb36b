"""Block sizes by attention family, GPU and vLLM version; expected values are from start-up logs and vLLM's sources."""

from __future__ import annotations

import pytest

from vram.vllm.blocks import AttentionFamily, choose_block_size

HOPPER, BLACKWELL, AMPERE = (9, 0), (10, 0), (8, 0)


@pytest.mark.parametrize(
    ("family", "version", "capability", "quantized", "expected"),
    [
        ("plain", (0, 33, 0), HOPPER, False, 16),
        ("plain", (0, 9, 2), AMPERE, True, 16),
        ("latent", (0, 16, 0), HOPPER, False, 64),  # log of DeepSeek-R1 on H200: counts in 64s
        ("latent", (0, 18, 0), HOPPER, False, 16),  # and in 16s from here on
        ("latent", (0, 33, 0), HOPPER, True, 64),  # FLASH_ATTN_MLA has no fp8 cache
        ("latent", (0, 18, 0), BLACKWELL, False, 32),  # log on B200
        ("latent", (0, 13, 0), BLACKWELL, False, 128),
        ("latent", (0, 33, 0), AMPERE, True, 16),
        ("sparse_latent", (0, 33, 0), HOPPER, False, 64),
        ("compressed", (0, 33, 0), HOPPER, True, 256),
    ],
)
def test_the_backend_decides_where_nothing_is_asked(
    family: AttentionFamily, version: tuple[int, int, int], capability: tuple[int, int], quantized: bool, expected: int
) -> None:
    choice = choose_block_size(family, version=version, capability=capability, quantized=quantized, asked=None)

    assert choice.block_size == expected


def test_the_request_rules_since_0_18() -> None:
    choice = choose_block_size("latent", version=(0, 33, 0), capability=HOPPER, quantized=True, asked=32)

    assert (choice.block_size, choice.kernel_block) == (32, 32)


def test_older_versions_force_latent_backends_own_size() -> None:
    forced = choose_block_size("latent", version=(0, 11, 0), capability=HOPPER, quantized=False, asked=16)
    kept = choose_block_size("latent", version=(0, 11, 0), capability=HOPPER, quantized=False, asked=128)

    assert forced.block_size == 64
    assert kept.block_size == 128
