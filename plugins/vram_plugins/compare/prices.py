"""What GPUs cost an hour, as the user says: a file (TOML, JSON, YAML or CSV), text, or a mapping of names to prices.

Nothing here knows a price: they differ by provider and week. A name is a GPU's or a machine type's ("p5.48xlarge"); the price is that
of one GPU for an hour, in one currency or in none that is named.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vram.checkpoint import parse_yaml, read_whole
from vram.errors import CheckpointError, InputError
from vram.gpus import find_gpu
from vram.models.profile import OverheadProfile
from vram.models.record import frozen
from vram.plugin import plugins
from vram_plugins.compare.market import market

_LARGEST_FILE = 2**20
_HIGHEST_PRICE = 1e6
_NAMES = ("gpu", "instance", "name")
_PRICE = "price_per_hour"
_SECTION, _CURRENCY = "prices", "currency"
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_MONEY = re.compile(
    r"(?P<before>[A-Za-z]{3}|[$€£¥])?\s*(?P<number>[+-]?[\d.]+(?:e[+-]?\d+)?)\s*(?P<after>[A-Za-z]{3}|[$€£¥])?"
)


@frozen(kw_only=True)
class Price:
    """One GPU for an hour. `instance` is the machine type it is rented in, `gpus` how many of them that has; None: by itself."""

    gpu: str
    per_gpu_hour: float
    instance: str | None = None
    gpus: int | None = None

    def of(self, count: int) -> float:
        """So many GPUs for an hour: whole machines."""
        whole = self.gpus or 1
        return self.per_gpu_hour * whole * math.ceil(count / whole)


@frozen(kw_only=True)
class PriceList:
    """Prices by name; `currency` is None where none is named."""

    prices: tuple[Price, ...] = ()
    currency: str | None = None

    def cheapest(self, gpu: str, count: int) -> Price | None:
        """The offer of so many GPUs of one machine that costs least; None where there is none."""
        fitting = [one for one in self.prices if one.gpu == gpu and (one.gpus is None or one.gpus >= count)]
        return min(fitting, key=lambda one: one.of(count), default=None)

    def of_servers(self, gpu: str, servers: int, gpus: int) -> float | None:
        """The least that so many servers of `gpus` GPUs cost an hour; a machine that is rented whole holds as many as fit."""
        found = []
        for price in self.prices:
            if price.gpu == gpu and (price.gpus is None or price.gpus >= gpus):
                whole = None if price.gpus is None else math.ceil(servers / (price.gpus // gpus)) * price.gpus
                found.append(price.per_gpu_hour * (servers * gpus if whole is None else whole))
        return min(found, default=None)


Prices = str | os.PathLike[str] | Mapping[str, float] | PriceList | None


def listed(prices: Prices) -> PriceList:
    """What a command of the library was given as `prices`. Raises InputError."""
    if prices is None:
        return PriceList()
    return prices if isinstance(prices, PriceList) else price_list(prices)


def price_list(source: str | os.PathLike[str] | Mapping[str, object] | Iterable[str]) -> PriceList:
    """`vram.price_list`: prices from a file, from names with prices, or from lines NAME=PRICE, as somebody typed or pasted them.

    A price is a number, or text such as "$2.49" and "2.49 EUR".

    A file is a mapping of names to prices (at the top or under `prices`, with `currency` beside it), a list of {gpu or instance,
    price_per_hour}, or a CSV with these columns, `currency` a third. Each name may be given once. Raises InputError,
    UnknownNameError.
    """
    profiles = plugins().profiles
    if isinstance(source, str | os.PathLike):
        return _checked(_pairs(_content(source), source), profiles, source)
    pairs = source.items() if isinstance(source, Mapping) else _typed(source)
    return _checked(((name, value, None) for name, value in pairs), profiles, "prices")


def joined(first: PriceList, second: PriceList) -> PriceList:
    """Both lists; what the second names replaces the first's. Raises InputError on two currencies."""
    currencies = {one.currency for one in (first, second)} - {None}
    if len(currencies) > 1:
        raise _error("prices", f"names two currencies, {' and '.join(sorted(map(str, currencies)))}")
    named = {(one.gpu, one.instance) for one in second.prices}
    kept = tuple(one for one in first.prices if (one.gpu, one.instance) not in named)
    return PriceList(prices=(*kept, *second.prices), currency=first.currency or second.currency)


def prices_from(file: str | None, words: tuple[str, ...]) -> PriceList | None:
    """A file's prices and those typed, which win: what --prices and --price say. Raises InputError."""
    lists = [price_list(source) for source in (file, words) if source]
    return joined(*lists) if len(lists) > 1 else next(iter(lists), None)


def _typed(lines: Iterable[str]) -> list[tuple[str, object]]:
    """NAME=PRICE, empty lines left out. Raises InputError."""
    found: list[tuple[str, object]] = []
    for line in lines:
        name, mark, value = line.rpartition("=")
        if not line.strip():
            continue
        if not mark or not name.strip():
            raise InputError(name="price", value=line[:80], problem="must be NAME=PRICE, such as H100=2.49")
        found.append((name.strip().strip('"'), value.strip()))
    return found


def _checked(
    rows: Iterable[tuple[object, object, object]], profiles: Mapping[str, OverheadProfile], path: object
) -> PriceList:
    """Every name resolved and every price a number. Raises InputError, UnknownNameError."""
    found: dict[tuple[str, str | None], Price] = {}
    currencies: set[str] = set()
    for key, value, named in rows:
        name = str(key) if isinstance(key, int) else key  # YAML reads 4090 as a number
        if not isinstance(name, str):
            raise _error(path, f"names a GPU {name!r}, which is no text")
        amount, sign = _money(value)
        if amount is None:
            raise _error(
                path, f"gives {str(value)[:40]!r} for {name!r}, which is no price from 0 to {_HIGHEST_PRICE:g}"
            )
        currencies |= {str(one).upper() for one in (sign, named) if one}
        instance = market().instance(name)
        gpu = instance.gpu if instance else find_gpu(name, profiles).name
        price = Price(
            gpu=gpu,
            per_gpu_hour=amount,
            instance=instance.name if instance else None,
            gpus=instance.gpus if instance else None,
        )
        if (price.gpu, price.instance) in found:
            raise _error(path, f"gives two prices for {price.instance or price.gpu}")
        found[price.gpu, price.instance] = price
    if not found:
        raise _error(path, "has no prices: write one line per GPU, such as H100 = 2.50")
    if len(currencies) > 1:
        raise _error(path, f"names two currencies, {' and '.join(sorted(currencies))}")
    return PriceList(prices=tuple(found.values()), currency=next(iter(currencies), None))


def _money(value: object) -> tuple[float | None, str | None]:
    """A price and the currency beside it."""
    sign = None
    if isinstance(value, str):
        match = _MONEY.fullmatch(value.strip())
        if match is None:
            return None, None
        sign = match["before"] or match["after"]
        try:
            value = float(match["number"])
        except ValueError:
            return None, None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None, None
    good = float(value) if 0 <= value <= _HIGHEST_PRICE else None
    return good, _SIGNS.get(sign, sign) if sign else None


def _content(path: str | os.PathLike[str]) -> object:
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise _error(path, f"has none of the endings {', '.join(sorted(_READERS))}")
    try:
        return reader(read_whole(str(file), _LARGEST_FILE).decode("utf-8-sig"))
    except CheckpointError as error:
        raise _error(path, str(error.data["problem"])) from None
    except UnicodeDecodeError:
        raise _error(path, "is not text in UTF-8") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise _error(path, f"is broken: {' '.join(str(error).split())}") from error


def _pairs(content: object, path: object) -> Iterable[tuple[object, object, object]]:
    """(name, price, currency) of a file's content."""
    currency: object = None
    if isinstance(content, Mapping):
        currency = content.get(_CURRENCY)
        content = content.get(_SECTION, {key: one for key, one in content.items() if key != _CURRENCY})
        if isinstance(content, Mapping):
            return [(key, one, currency) for key, one in content.items()]
    if isinstance(content, list) and all(isinstance(one, Mapping) and _PRICE in one for one in content):
        named = [(next((one[key] for key in _NAMES if one.get(key)), None), one) for one in content]
        if all(name is not None for name, _ in named):
            return [(name, one[_PRICE], one.get(_CURRENCY) or currency) for name, one in named]
    raise _error(path, "must map GPU names to prices per hour, or list entries of gpu (or instance) and price_per_hour")


def _error(path: object, problem: str) -> InputError:
    if path == "prices":  # typed, or given by a program
        return InputError(name="prices", value=None, problem=problem)
    return InputError(name="prices", value=str(path), problem=f"the file {problem}")


def _csv(text: str) -> list[dict[str, Any]]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = set(rows.fieldnames or ())
    if _PRICE not in columns or not columns & set(_NAMES):
        raise ValueError(f"the first line must name the columns gpu (or instance) and {_PRICE}")
    return [row for row in rows if any(row.values())]


_READERS: dict[str, Callable[[str], object]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": lambda text: parse_yaml(text, ""),
    ".yml": lambda text: parse_yaml(text, ""),
    ".csv": _csv,
}
