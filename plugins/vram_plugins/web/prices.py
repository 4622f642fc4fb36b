"""A price list as people paste it: NAME=PRICE, a table from a spreadsheet or a page, one GPU a line."""

from __future__ import annotations

import re
from typing import Any

from vram.errors import InputError, UnknownNameError

_NAME = r"[^=:;,\t|]*?[A-Za-z][^=:;,\t|]*?"
_BETWEEN = r"(?:[=:;,\t|]+|\s{2,}|\s(?=[$€£¥]))"
_LINE = re.compile(rf"""\s*["']?(?P<name>{_NAME})["']?\s*{_BETWEEN}\s*(?P<price>.+?)\s*\|?\s*""")
_PER_HOUR = re.compile(r"\s*(?:/|per)\s*(?:gpu\s*)?(?:/|per)?\s*(?:h|hr|hour|gpu-hour)\b.*$", re.IGNORECASE)
_LONGEST = 200


def price_lines(text: str) -> list[str]:
    """Each line as `vram.price_list` takes it. Raises InputError, naming the first line that has no name and price."""
    found = []
    for line in re.split(r"[\n\r]+", text):
        bare = line.strip().strip("|").strip()
        if not bare or bare.startswith("#") or not re.search(r"\d", bare):
            continue  # empty, a comment, the head of a table
        match = _LINE.fullmatch(bare)
        if match is None or len(bare) > _LONGEST:
            raise InputError(
                name="prices", value=bare[:60], problem="a line must be a GPU and its price, such as H100 = 2.49"
            )
        price = _PER_HOUR.sub("", match["price"]).strip().strip("\"'")
        found.append(f"{match['name'].strip()}={price}")
    return found


def listed(text: str) -> Any:
    """The price list; None where nothing was pasted. Raises InputError."""
    import vram

    lines = price_lines(text)
    try:
        return vram.price_list(lines) if lines else None
    except UnknownNameError as error:
        near = error.near()
        meant = f"; {near[0]} may be meant" if near else ""
        raise InputError(name="prices", value=error.data["name"], problem=f"no GPU here is called so{meant}") from None
