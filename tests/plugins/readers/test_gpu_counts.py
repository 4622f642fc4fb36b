"""Numbers of GPUs as people write them, alike for plan, share and check."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram_plugins.check.asking import asked_from
from vram_plugins.readers.gpu_counts import kind_of, kinds_of
from vram_plugins.share import share as sharing

SPELLINGS = {
    "H100": ("H100", None),
    "2xH100": ("H100", 2),
    "2X H100": ("H100", 2),
    "2 x H100": ("H100", 2),
    "2×H100": ("H100", 2),
    "2*H100": ("H100", 2),
    "H100 x2": ("H100", 2),
    "H100x2": ("H100", 2),
    "H100 × 2": ("H100", 2),
    "rtx 4090": ("rtx 4090", None),
    "RTX 4090": ("RTX 4090", None),
    "RTX 4090 x2": ("RTX 4090", 2),
    "2x rtx 4090": ("rtx 4090", 2),
    "MI300X": ("MI300X", None),
    "RTX PRO 6000": ("RTX PRO 6000", None),
    "p4d.24xlarge": ("A100 40GB SXM", 8),
    "2x p4d.24xlarge": ("A100 40GB SXM", 16),
}


@pytest.mark.parametrize(("text", "found"), SPELLINGS.items(), ids=SPELLINGS)
def test_a_number_stands_before_or_behind_the_name(text: str, found: tuple[str, int | None]) -> None:
    kind = kind_of(text)

    assert (kind.gpu, kind.count) == found


@pytest.mark.parametrize("text", ["", "8x H100 x2", "0x H100"])
def test_what_names_no_gpu_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        kind_of(text)


def test_several_are_told_apart_by_commas() -> None:
    assert [(kind.gpu, kind.count) for kind in kinds_of("8x H100, L40S x4")] == [("H100", 8), ("L40S", 4)]


def test_share_and_check_read_the_same_spellings() -> None:
    assert asked_from(gpu=["H100 x2", "2*L40S"]).gpus == (("H100", 2), ("L40S", 2))
    found = sharing.share(["Qwen/Qwen3-0.6B -c 4096"], gpus="H100 x2, rtx 4090")
    assert len(found.gpus) == 3
