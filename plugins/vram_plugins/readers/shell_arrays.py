"""A shell's arrays: what stands in their parentheses, and what one of their elements is set to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vram_plugins.readers.shell_values import Table, Value, unknown

_ELEMENT = re.compile(r"\[([^\]]*)\]=(.*)", re.DOTALL)


def elements(fields: Sequence[str], old: Value | None) -> tuple[str, ...]:
    """The words between parentheses; with keys in front of them where `old` is declared to have them."""
    found = [_ELEMENT.fullmatch(field) for field in fields]
    pairs = {match[1]: match[2] for match in found if match is not None}
    if isinstance(old, Table):
        return Table.of(pairs)
    if pairs and len(pairs) == len(fields) and all(key.isdecimal() for key in pairs):
        return tuple(pairs[key] for key in sorted(pairs, key=int))
    return tuple(fields)


def with_element(name: str, old: Value | None, key: str, value: str) -> Value:
    """An array with one of its elements set; unknown where its place is not."""
    if isinstance(old, Table):
        return Table.of({**old.pairs(), key: value})
    held = old if isinstance(old, tuple) else () if old is None else (old,)
    if key.isascii() and key.isdecimal() and len(key) < 4 and int(key) <= len(held):
        return (*held[: int(key)], value, *held[int(key) + 1 :])
    return unknown(f"${{{name}[…]}}")


def joined(old: Value, new: Value) -> Value:
    """What `+=` makes of a value."""
    if isinstance(old, Table) and isinstance(new, Table):
        return Table.of({**old.pairs(), **new.pairs()})
    if isinstance(old, tuple):
        return (*old, *(new if isinstance(new, tuple) else (new,)))
    return (old, *new) if isinstance(new, tuple) else old + new
