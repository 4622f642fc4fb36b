"""Names that people can type."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 200


def names_problem(names: Iterable[object]) -> str | None:
    """Why nobody could type one of some names; None where all can be typed."""
    told = list(names)
    try:
        together = "".join(told)  # type: ignore[arg-type]
    except TypeError:
        pass
    else:
        if (
            together.isprintable()
            and " " not in together
            and "" not in told
            and max(map(len, told), default=0) <= _LONGEST
        ):  # type: ignore[arg-type]
            return None  # nearly always, of hundreds of names at once
    return next((f"{name!r:.60} is no name" for name in told if not _can_be_typed(name)), None)


def _can_be_typed(name: object) -> bool:
    return (
        isinstance(name, str)
        and bool(name.strip())
        and name == name.strip()
        and name.isprintable()
        and len(name) <= _LONGEST
    )
