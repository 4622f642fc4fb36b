"""Names that people can type."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 200


def names_problem(names: Iterable[object]) -> str | None:
    """Why nobody could type one of some names; None where all can be typed."""
    told = list(names)
    texts = [name for name in told if isinstance(name, str)]
    together = "".join(texts)
    if len(texts) == len(told) and together.isprintable() and " " not in together and "" not in texts:
        told = [name for name in texts if len(name) > _LONGEST]  # nearly always none, of hundreds of names at once
    return next((f"{name!r:.60} is no name" for name in told if not _can_be_typed(name)), None)


def _can_be_typed(name: object) -> bool:
    return (
        isinstance(name, str)
        and bool(name.strip())
        and name == name.strip()
        and name.isprintable()
        and len(name) <= _LONGEST
    )
