"""Whole numbers as vLLM's parser takes them: 32768, 32k (thousands), 32K (1024s), 1M, -1, auto."""

from __future__ import annotations

from vram.errors import InputError

_UNITS = {
    "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
    "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40,
}  # fmt: skip
_MOST = 2**50


def parse_count(name: str, text: str) -> int:
    """The number a text stands for; "auto" is -1 for max_model_len. Raises InputError naming the argument.

    Source: vLLM 0.32.0 `engine/arg_utils.py:human_readable_int`: small letters are decimal, capitals binary.
    """
    bare = text.strip()
    if bare == "auto" and name == "max_model_len":
        return -1
    factor = _UNITS.get(bare[-1:], 1)
    try:
        value = float(bare[:-1]) * factor if factor > 1 else int(bare)
    except ValueError:
        raise InputError(name=name, value=text, problem="is not a number such as 32768 or 32k") from None
    if not -1 <= value <= _MOST:
        raise InputError(name=name, value=text, problem="is not a possible number")
    return int(value)
