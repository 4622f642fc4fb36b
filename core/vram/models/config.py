"""Typed access to a model's config.json.

Hugging Face configs are open mappings; this is the one border they cross. Every accessor names the field in
its error, so that a broken config is one clear sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from vram.errors import ConfigError
from vram.models.record import field, frozen

_MAX_INT = 2**53  # larger integers in a config are nonsense and make arithmetic slow


@frozen(kw_only=True, eq=False)
class ModelConfig:
    """A config.json, or one of its sections (`text_config`, `vision_config` ...).

    `path` and `section` say where it is from. Fields set to null count as absent, as in transformers.
    """

    raw: Mapping[str, object] = field(repr=False)
    path: str = "config.json"
    section: str = ""

    def has(self, *names: str) -> bool:
        """Whether any of the fields is present and not null."""
        return any(self.raw.get(name) is not None for name in names)

    def get(self, name: str) -> object:
        """The raw value, None where absent."""
        return self.raw.get(name)

    def error(self, name: str, problem: str) -> ConfigError:
        """An error about one of this config's fields, to be raised."""
        return ConfigError(path=self.path, field=self.section + name, problem=problem)

    def _find(self, names: tuple[str, ...]) -> tuple[str, object]:
        for name in names:
            value = self.raw.get(name)
            if value is not None:
                return name, value
        return names[0], None

    def integer(self, *names: str, default: int | None = None, low: int = 1) -> int:
        """The first present field as an integer of at least `low`. Raises ConfigError."""
        name, value = self._find(names)
        if value is None:
            if default is None:
                raise self.error(name, "is missing")
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, f"must be an integer, not {str(value)[:40]!r}")
        if not low <= value <= _MAX_INT:
            raise self.error(name, f"must be between {low} and 2^53, not {str(value)[:40]}")
        return value

    def number(self, *names: str, default: float | None = None, low: float = 0.0) -> float:
        """The first present field as a finite number of at least `low`. Raises ConfigError."""
        name, value = self._find(names)
        if value is None:
            if default is None:
                raise self.error(name, "is missing")
            return default
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _MAX_INT:
            raise self.error(name, f"must be a number, not {str(value)[:40]!r}")
        if value < low:
            raise self.error(name, f"must be at least {low:g}, not {str(value)[:40]}")
        return float(value)

    def flag(self, *names: str, default: bool = False) -> bool:
        """The first present field as a truth value."""
        _, value = self._find(names)
        return default if value is None else bool(value)

    def string(self, *names: str, default: str = "") -> str:
        """The first present field as text. Raises ConfigError."""
        name, value = self._find(names)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(name, f"must be text, not {type(value).__name__}")
        return value

    def items(self, *names: str) -> tuple[object, ...]:
        """The first present field as a tuple, empty where absent. Raises ConfigError."""
        name, value = self._find(names)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise self.error(name, f"must be a list, not {type(value).__name__}")
        return tuple(value)

    def integers(self, *names: str) -> tuple[int, ...]:
        """The first present field as a tuple of integers. Raises ConfigError."""
        values = self.items(*names)
        if not all(isinstance(v, int) and not isinstance(v, bool) and abs(v) <= _MAX_INT for v in values):
            raise self.error(self._find(names)[0], "must be a list of integers")
        return cast("tuple[int, ...]", values)

    def strings(self, *names: str) -> tuple[str, ...]:
        """The first present field as a tuple of texts. Raises ConfigError."""
        values = self.items(*names)
        if not all(isinstance(v, str) for v in values):
            raise self.error(self._find(names)[0], "must be a list of texts")
        return cast("tuple[str, ...]", values)

    def sub(self, *names: str) -> ModelConfig | None:
        """A nested section, None where absent. Raises ConfigError when it is no object."""
        name, value = self._find(names)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.error(name, f"must be an object, not {type(value).__name__}")
        return ModelConfig(raw=value, path=self.path, section=f"{self.section}{name}.")

    def text(self) -> ModelConfig:
        """The language model's section (`text_config`, `llm_config`, `language_config`), else this config."""
        return self.sub("text_config", "llm_config", "language_config") or self

    @property
    def architecture(self) -> str:
        """The first entry of `architectures`. Raises ConfigError when there is none."""
        names = self.strings("architectures")
        if not names:
            raise self.error("architectures", "is missing")
        return names[0]
