"""Whole numbers as vLLM's parser takes them: 32768, 25.6k (thousands), 32K (1024s), 1M, -1, auto; also inside JSON."""

from __future__ import annotations

import re

from vram.errors import InputError
from vram.models.deployment import ENGINE_DEFAULTS

_UNITS = {
    "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
    "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40,
}  # fmt: skip
_MOST = 2**50
#: small letters are decimal and may follow a fraction, capitals are binary and may not
_SHORT = r"(?:\d+(?:\.\d+)?[kmgt]|\d+[KMGT])"
#: whole numbers of the engine that vLLM takes in this form; others must be digits
_SHORTENED = {"max_model_len", "max_num_batched_tokens", "kv_cache_memory_bytes"}
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
_BARE = re.compile(rf"(?<![\w.]){_SHORT}(?!\w)")


def parse_count(name: str, text: str) -> int:
    """The number a text stands for; "auto" is -1 for max_model_len. Raises InputError naming the argument.

    Source: vLLM 0.33.0 `utils/argparse_utils.py:human_readable_int`.
    """
    bare = text.strip()
    if bare.lower() == "auto" and name == "max_model_len":
        return -1
    try:
        short = re.fullmatch(_SHORT, bare) and (name in _SHORTENED or name not in ENGINE_DEFAULTS)
        value = _value(bare) if short else int(bare)
    except ValueError:
        such = "32768" if name in ENGINE_DEFAULTS and name not in _SHORTENED else "32768, 25.6k or 32K"
        raise InputError(name=name, value=text, problem=f"is not a number such as {such}") from None
    if not -1 <= value <= _MOST:
        raise InputError(name=name, value=text, problem="is not a possible number")
    return value


def expand_counts(text: str) -> str:
    """JSON without the letters that its bare numbers may have (`engine/arg_utils.py:_expand_json_human_readable_numbers`)."""
    parts = _QUOTED.split(text)
    parts[::2] = [_BARE.sub(lambda found: str(_value(found[0])), part) for part in parts[::2]]
    return "".join(parts)


def _value(short: str) -> int:
    number, unit = short[:-1], _UNITS[short[-1]]
    return int(float(number) * unit) if "." in number else int(number) * unit
