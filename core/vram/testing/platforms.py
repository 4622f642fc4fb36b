"""What a platform's record is asked: answers about a chip of its own."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.platform import CUDA, Chip, Leftover, Matrix, Platform
from vram.vllm.versions import NEWEST


def platform_problems(platform: Platform) -> Iterator[str]:
    """Answers about a chip of its own in the types that are asked for, whatever is asked."""
    chip = Chip(platform.name, "none").on(platform, {}, NEWEST)
    if platform.name == CUDA:
        yield f"{platform.name}: is not a plugin's"
    if not all(isinstance(platform.problem(chip, name, NEWEST), str) for name in ("fp8", "a format nobody has")):
        yield f"{platform.name}: problem gives no text"
    if not isinstance(platform.cache_problem(chip, "fp8", NEWEST), str):
        yield f"{platform.name}: cache_problem gives no text"
    if platform.forced_blocks("plain", NEWEST) < 1:
        yield f"{platform.name}: forced_blocks gives no block of tokens"
    left = platform.loading(((Matrix(what="plain", rows=1024, row_bytes=2048),),), chip, NEWEST)
    if not isinstance(left, Leftover) or min(left.shown, left.beside) < 0:
        yield f"{platform.name}: loading gives {left!r}, not what is left over"
    if not platform.dtypes:
        yield f"{platform.name}: computes in no dtype"
