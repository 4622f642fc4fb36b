"""What small pipelines print whose beginning is a known text: `echo $IDS | tr ',' '\\n' | wc -l`, `echo $MODEL | cut -d/ -f2`."""

from __future__ import annotations

import re
import shlex

_MOST = 6


def printed(text: str, filters: str) -> str | None:
    """What a text is behind filters that are written with `|` between them; None where one of them is not known here."""
    commands = filters.split("|")
    if len(commands) > _MOST or len(text) > 4000:
        return None
    held: str | None = text + "\n"
    for command in commands:
        try:
            words = shlex.split(command)
        except ValueError:
            return None
        held = _filtered(held, words) if words and held is not None else None
    return None if held is None else held.rstrip("\n")


def _filtered(text: str, words: list[str]) -> str | None:
    match words:
        case ["tr", "-cd" | "-dc" | "-d" as how, some]:
            return "".join(c for c in text if (c in _characters(some)) == (how != "-d"))
        case ["tr", before, after] if not before.startswith("-") and len(_characters(before)) == len(
            _characters(after)
        ):
            return text.translate(str.maketrans(_characters(before), _characters(after)))
        case ["wc", "-l" | "-w" | "-c" | "-m" as what]:
            return str({"-l": text.count("\n"), "-w": len(text.split())}.get(what, len(text)))
        case ["awk", separator, program] if separator.startswith("-F") and len(separator) == 3:
            return _field(text, separator[2], program)
        case ["awk", "-F", separator, program] if len(separator) == 1:
            return _field(text, separator, program)
        case ["cut", delimiter, field] if re.fullmatch(r"-d.", delimiter) and re.fullmatch(r"-f\d", field):
            return _part(text, delimiter[2], int(field[2]))
        case ["cut", "-d", delimiter, "-f", field] if len(delimiter) == 1 and field.isdecimal():
            return _part(text, delimiter, int(field))
        case ["xargs"]:
            return " ".join(text.split())
        case ["xargs", "-I", "{}", "expr", "{}", "+", number] if text.strip().isdecimal() and number.isdecimal():
            return str(int(text) + int(number))
        case _:
            return None


def _characters(word: str) -> str:
    return word.replace("\\n", "\n").replace("\\t", "\t")


def _field(text: str, separator: str, program: str) -> str | None:
    """`{print NF}` and `{print $2}` of a single line."""
    fields = text.rstrip("\n").split(separator)
    match = re.fullmatch(r"\{\s*print\s+(?:NF|\$(NF|[1-9]))\s*;?\s*\}", program)
    if match is None or "\n" in text.rstrip("\n"):
        return None
    if match[1] is None:
        return str(len(fields))
    index = len(fields) if match[1] == "NF" else int(match[1])
    return fields[index - 1] if index <= len(fields) else ""


def _part(text: str, delimiter: str, field: int) -> str | None:
    """A field of a single line; the whole of it where the delimiter is not in it."""
    line = text.rstrip("\n")
    if "\n" in line:
        return None
    fields = line.split(delimiter)
    return line if len(fields) == 1 else fields[field - 1] if 0 < field <= len(fields) else ""
