"""Typed access to a checkpoint's quantization block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from vram.errors import QuantizationError
from vram.models.record import field, frozen

_MAX_INT = 2**31


def _shown(value: object) -> str:
    try:
        return repr(value)[:40]
    except Exception:  # noqa: BLE001  an object whose repr fails still has to be named somehow
        return type(value).__name__


@frozen(kw_only=True, eq=False)
class QuantizationBlock:
    """A `quantization_config`, or one of its sections. Fields set to null count as absent.

    Every accessor raises QuantizationError naming `method` and the field.
    """

    raw: Mapping[str, object] = field(repr=False)
    method: str
    section: str = ""

    def error(self, name: str, problem: str) -> QuantizationError:
        """An error about one field, to be raised."""
        return QuantizationError(method=self.method, problem=f"field {self.section + name!r} {problem}")

    def find(self, *names: str) -> tuple[str, object]:
        """The first present field and its value; the first name and None where all are absent."""
        for name in names:
            value = self.raw.get(name)
            if value is not None:
                return name, value
        return names[0], None

    def has(self, *names: str) -> bool:
        """Whether any of the fields is present and not null."""
        return self.find(*names)[1] is not None

    def integer(self, *names: str, default: int | None = None, low: int = 1, high: int = _MAX_INT) -> int:
        """The first present field as an integer between `low` and `high`."""
        name, value = self.find(*names)
        if value is None:
            if default is None:
                raise self.error(name, "is missing")
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, f"must be an integer, not {_shown(value)}")
        if not low <= value <= high:
            raise self.error(name, f"must be between {low} and {high}, not {_shown(value)}")
        return value

    def group_size(self, *names: str, default: int | None = None) -> int:
        """A group size: inputs that share a scale, -1 for a scale per output."""
        name, value = self.find(*names)
        size = self.integer(*names, default=default, low=-1)
        if size == 0:
            raise self.error(name, f"must be positive, or -1 for one scale per output, not {_shown(value)}")
        return size

    def flag(self, *names: str, default: bool = False) -> bool:
        """The first present field as a truth value."""
        value = self.find(*names)[1]
        return default if value is None else bool(value)

    def text(self, *names: str, default: str = "") -> str:
        """The first present field as text."""
        name, value = self.find(*names)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(name, f"must be text, not {_shown(value)}")
        return value

    def names(self, *names: str) -> tuple[str, ...]:
        """The first present and non-empty field as a tuple of texts (lists of lists are flattened)."""
        for candidate in names:
            value = self.raw.get(candidate)
            if value:
                return tuple(self._texts(candidate, value))
        return ()

    def _texts(self, name: str, value: object) -> list[str]:
        if not isinstance(value, list | tuple):
            raise self.error(name, f"must be a list of names, not {_shown(value)}")
        texts: list[str] = []
        for item in value:
            if isinstance(item, list | tuple) and all(isinstance(inner, str) for inner in item):
                texts.extend(cast("list[str]", item))
            elif isinstance(item, str):
                texts.append(item)
            else:
                raise self.error(name, f"must be a list of names, but holds {_shown(item)}")
        return texts

    def mapping(self, *names: str) -> Mapping[str, object]:
        """The first present field as an object with text keys, empty where absent."""
        name, value = self.find(*names)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise self.error(name, f"must be an object, not {_shown(value)}")
        return cast("Mapping[str, object]", value)

    def sub(self, *names: str) -> QuantizationBlock | None:
        """A nested section, None where absent."""
        name, value = self.find(*names)
        if value is None:
            return None
        return QuantizationBlock(raw=self.mapping(name), method=self.method, section=f"{self.section}{name}.")
