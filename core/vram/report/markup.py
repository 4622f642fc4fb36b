"""HTML and SVG as text that cannot be broken out of: what is not marked as markup is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "hr", "img", "meta", "link", "input"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def markup(value: object) -> Markup:
    """`value` as markup: escaped unless it is markup. Characters that no browser may get are replaced."""
    if isinstance(value, Markup):
        return value
    text = str(value).encode("utf-8", "replace").decode()
    printable = "".join(c if c in "\n\t" or ord(c) >= 32 else "\N{REPLACEMENT CHARACTER}" for c in text)
    return Markup(escape(printable))


def join(parts: Iterable[object]) -> Markup:
    """Parts one after another."""
    return Markup("".join(markup(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """One element. `class_` is class, other underscores are dashes; None leaves an attribute out, True gives it no value."""
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        spelling = key.rstrip("_").replace("_", "-")
        written.append(f" {spelling}" if value is True else f' {spelling}="{markup(_number(value))}"')
    opening = f"<{name}{''.join(written)}>"
    return Markup(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def _number(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
