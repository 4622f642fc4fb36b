"""Numbers as the page prints them and people type them: 32,768, 32k, 32K; what vLLM takes them for is said on the field."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vram.errors import InputError
from vram.serving import parse_count
from vram_plugins.web.fields import ALL

_GROUPED = re.compile(r"\d{1,3}(?:[,_'’\u00a0\u202f ]\d{3})+")
_BETWEEN = re.compile(r"[,_'’\u00a0\u202f ]")
_LONGEST = 20  # digits of a number that is one
_UNIT = re.compile(r"(?<=\d)\s+(?=[kKmMgGtT]$)")


def plain_number(text: str) -> str:
    """A number without what groups its digits: 32,768 is 32768, and "32 K" 32K; other text as it is."""
    bare = text.strip()
    return _BETWEEN.sub("", bare) if _GROUPED.fullmatch(bare) else _UNIT.sub("", bare)


def printed(state: Mapping[str, str]) -> dict[str, str]:
    """The state as the page prints it: counts with their digits in groups."""

    def grouped(name: str, text: str) -> str:
        counts = name in ALL and ALL[name].kind == "count" and text.isdecimal() and len(text) < _LONGEST
        return f"{int(text):,}" if counts else text

    return {name: grouped(name, text) for name, text in state.items()}


def readings(state: dict[str, str]) -> dict[str, str]:
    """What the counts that were typed in short are taken for, by field. What is no number is left to the answer."""
    found = {}
    for name, text in state.items():
        field = ALL.get(name)
        if field is None or field.kind != "count" or not re.search(r"[kKmMgGtT]", text):
            continue
        try:
            value = parse_count(name, plain_number(text))
        except InputError:
            continue
        other = _other(plain_number(text))
        try:
            also = f"; {other} is {parse_count(name, other):,}" if other else ""
        except InputError:
            also = ""
        found[name] = f"{value:,}{also}"
    return found


def _other(text: str) -> str:
    """The same with the other kind of letter: small ones are thousands, capitals 1,024s."""
    return text.swapcase() if re.fullmatch(r"\d+[kKmMgGtT]", text) else ""
