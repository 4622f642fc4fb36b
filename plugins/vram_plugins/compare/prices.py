"""Prices per hour from the user's file: TOML, JSON or YAML (GPU names to numbers), or CSV (gpu,price_per_hour).

Nothing here knows a price: they differ by provider and week.
"""

from __future__ import annotations

import csv
import json
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vram.errors import InputError
from vram.gpus import find_gpu
from vram.models.profile import OverheadProfile

_LARGEST_FILE = 2**20
_HIGHEST_PRICE = 1e6
_COLUMNS = ("gpu", "price_per_hour")
_SECTION = "prices"

Prices = Mapping[str, float]


def read_prices(path: str | os.PathLike[str], profiles: Mapping[str, OverheadProfile]) -> Prices:
    """Price per GPU and hour by the GPU's own name. Raises InputError, UnknownNameError.

    A file is a mapping of GPU names to prices (at the top or under `prices`), a list of {gpu, price_per_hour}, or a CSV
    with these two columns. Each GPU may be named once.
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise _error(path, f"has none of the endings {', '.join(sorted(_READERS))}")
    try:
        size = file.stat().st_size
        text = file.read_text(encoding="utf-8-sig") if size <= _LARGEST_FILE else ""
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise _error(path, f"cannot be read: {error}") from error
    if size > _LARGEST_FILE:
        raise _error(path, "is larger than 1 MiB, which no list of prices is")
    try:
        content = reader(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise _error(path, f"is broken: {' '.join(str(error).split())[:200]}") from error
    return checked_prices(_pairs(content, path), profiles, path)


def checked_prices(
    pairs: Iterable[tuple[object, object]], profiles: Mapping[str, OverheadProfile], path: object = "prices"
) -> Prices:
    """Every name resolved to a GPU and every price a number. Raises InputError, UnknownNameError."""
    found: dict[str, float] = {}
    for key, value in pairs:
        name = str(key) if isinstance(key, int) else key  # YAML reads 4090 as a number
        if not isinstance(name, str):
            raise _error(path, f"names a GPU {name!r}, which is no text")
        gpu = find_gpu(name, profiles)
        price = _price(value)
        if price is None:
            raise _error(
                path, f"gives {str(value)[:40]!r} for {name!r}, which is no price from 0 to {_HIGHEST_PRICE:g}"
            )
        if gpu.name in found:
            raise _error(path, f"gives two prices for {gpu.name}")
        found[gpu.name] = price
    if not found:
        raise _error(path, "has no prices: write one line per GPU, such as H100 = 2.50")
    return found


def _price(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= _HIGHEST_PRICE else None


def _pairs(content: object, path: object) -> Iterable[tuple[object, object]]:
    if isinstance(content, Mapping):
        inner = content.get(_SECTION, content)
        if isinstance(inner, Mapping):
            return inner.items()
        content = inner
    if isinstance(content, list) and all(isinstance(each, Mapping) and set(_COLUMNS) <= set(each) for each in content):
        return [(each["gpu"], each["price_per_hour"]) for each in content]
    raise _error(path, "must map GPU names to prices per hour, or list entries of gpu and price_per_hour")


def _error(path: object, problem: str) -> InputError:
    return InputError(name="prices", value=str(path), problem=f"the file {problem}")


def _csv(text: str) -> list[dict[str, Any]]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if not set(_COLUMNS) <= set(rows.fieldnames or ()):
        raise ValueError(f"the first line must name the columns {' and '.join(_COLUMNS)}")
    return [row for row in rows if any(row.values())]


def _yaml(text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


_READERS: dict[str, Callable[[str], object]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".csv": _csv,
}
