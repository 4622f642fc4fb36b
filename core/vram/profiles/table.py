"""One table of a profile file: typed reading, every refusal naming file and field."""

from __future__ import annotations

from math import isfinite
from typing import Any

from vram.errors import ProfileError

LARGEST_NUMBER = 1e15
"""Above any byte count or rate a file could mean, and small enough that no arithmetic on it overflows."""
PROVENANCES = ("derived", "measured", "assumed")
_MISSING: Any = object()


class Table:
    """`values` as tomllib gave them; `where` is the table's place in the file, as in `gpus[3].`."""

    def __init__(self, *, path: str, where: str, values: dict[str, object]) -> None:
        self._path, self._where, self._values = path, where, values
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def refusal(self, name: str, problem: str) -> ProfileError:
        """The error for one field of this table."""
        return ProfileError(path=self._path, problem=f"{self._where}{name} {problem}")

    def _get(self, name: str, default: object) -> object:
        self._read.add(name)
        value = self._values.get(name, default)
        if value is _MISSING:
            raise self.refusal(name, "is missing")
        return value

    def text(self, name: str, *, default: str = _MISSING) -> str:
        """A non-empty string of one line."""
        value = self._get(name, default)
        if value is default:
            return default
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self.refusal(name, f"must be a text of one line, not {_shown(value)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, by default empty."""
        value = self._get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() and v.isprintable() for v in value):
            raise self.refusal(name, f"must be a list of texts, not {_shown(value)}")
        return tuple(value)

    def choice(self, name: str, choices: tuple[str, ...], *, default: str = _MISSING) -> str:
        """One of `choices`."""
        value = self.text(name, default=default)
        if value not in choices:
            raise self.refusal(name, f"must be one of {', '.join(choices)}, not {_shown(value)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """true or false."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self.refusal(name, f"must be true or false, not {_shown(value)}")
        return value

    def number(self, name: str, *, default: float = _MISSING, at_least: float = 0.0) -> float:
        """A finite number that is not below `at_least`."""
        value = self._get(name, default)
        if value is default:
            return default
        return self._number(name, value, at_least)

    def _number(self, name: str, value: object, at_least: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refusal(name, f"must be a number, not {_shown(value)}")
        if not (at_least <= value <= LARGEST_NUMBER and isfinite(value)):
            raise self.refusal(name, f"must lie between {at_least:g} and {LARGEST_NUMBER:g}, not {_shown(value)}")
        return float(value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of positive numbers, by default empty."""
        value = self._get(name, [])
        if not isinstance(value, list):
            raise self.refusal(name, f"must be a list of numbers, not {_shown(value)}")
        return tuple(self._number(name, item, 0.0) for item in value)

    def integer(self, name: str, *, default: int = _MISSING, at_least: int = 0) -> int:
        """A whole number that is not below `at_least`."""
        value = self._get(name, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= LARGEST_NUMBER:
            raise self.refusal(name, f"must be a whole number of {at_least} or more, not {_shown(value)}")
        return value

    def version(self, name: str, *, length: int, default: tuple[int, ...] = _MISSING) -> tuple[int, ...]:
        """A text of `length` whole numbers with dots between, as in "9.0" or "0.19.1"."""
        value = self._get(name, default)
        if value is default:
            return default
        parts = value.split(".") if isinstance(value, str) else []
        if len(parts) != length or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
            raise self.refusal(name, f"must be a text of {length} numbers with dots between, not {_shown(value)}")
        return tuple(int(part) for part in parts)

    def table(self, name: str) -> Table:
        """A table inside this one, by default empty."""
        value = self._get(name, {})
        if not isinstance(value, dict):
            raise self.refusal(name, f"must be a table, not {_shown(value)}")
        return Table(path=self._path, where=f"{self._where}{name}.", values=value)

    def tables(self, name: str) -> tuple[Table, ...]:
        """A list of tables inside this one, by default empty."""
        value = self._get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.refusal(name, f"must be a list of tables, not {_shown(value)}")
        return tuple(
            Table(path=self._path, where=f"{self._where}{name}[{index}].", values=item)
            for index, item in enumerate(value)
        )

    def refuse_the_rest(self) -> None:
        """Raise for the first key that nothing read."""
        for name in self._values:
            if name not in self._read:
                known = ", ".join(sorted(self._read))
                raise self.refusal(repr(name)[:60], f"is not a known field (there are {known})")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
