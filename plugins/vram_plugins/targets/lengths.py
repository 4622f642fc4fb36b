"""How long requests are, from a file of prompt and answer tokens: CSV, JSON or JSONL, as public traces and servers' logs have them.

Read as they are published: Azure's LLM inference traces (`ContextTokens`, `GeneratedTokens`), BurstGPT (`Request tokens`, `Response
tokens`), and the `usage` of OpenAI's API (`prompt_tokens`, `completion_tokens`).
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from math import ceil, sqrt
from pathlib import Path
from typing import Any

from vram.checkpoint import read_whole
from vram.errors import CheckpointError, InputError
from vram.models.targets import Lengths

_LARGEST_FILE = 2**26
_LONGEST = 2**31
_PROMPT = (
    "prompttokens", "inputtokens", "contexttokens", "requesttokens", "promptlen", "inputlen", "inputlength",
    "promptlength", "prompt", "input",
)  # fmt: skip
_ANSWER = (
    "gentokens", "outputtokens", "completiontokens", "generatedtokens", "responsetokens", "genlen", "outputlen",
    "outputlength", "answertokens", "answer", "output", "gen", "response",
)  # fmt: skip
Source = str | os.PathLike[str] | Iterable[tuple[int, int]]


def lengths_alike(prompt_tokens: int, gen_tokens: int) -> Lengths:
    """Requests that are all of one length."""
    return Lengths(
        prompt_tokens=prompt_tokens,
        gen_tokens=gen_tokens,
        prompt_p50=prompt_tokens,
        prompt_p95=prompt_tokens,
        longest=prompt_tokens + gen_tokens,
    )


def read_lengths(source: Source) -> Lengths:
    """The summary of a file, or of (prompt, answer) pairs. Requests without an answer are left out. Raises InputError."""
    if not isinstance(source, str | os.PathLike):
        return _summary(_checked(enumerate(source, 1), "the pairs"), "the pairs")
    name = os.fspath(source)
    return _summary(_checked(_rows(Path(source)), name), os.path.basename(name))


def _summary(pairs: list[tuple[int, int]], source: str) -> Lengths:
    if not pairs:
        raise _error(source, "has no request with a prompt and an answer")
    count, totals = len(pairs), [prompt + answer for prompt, answer in pairs]
    prompts = sorted(prompt for prompt, _ in pairs)
    mean = sum(totals) / count
    return Lengths(
        prompt_tokens=ceil(sum(prompts) / count),
        gen_tokens=ceil(sum(answer for _, answer in pairs) / count),
        prompt_p50=prompts[(count - 1) // 2],
        prompt_p95=prompts[min(count - 1, ceil(0.95 * count) - 1)],
        longest=max(totals),
        deviation=round(sqrt(sum((total - mean) ** 2 for total in totals) / count), 3),
        requests=count,
        source=source,
    )


def _checked(rows: Iterable[tuple[int, Any]], source: str) -> list[tuple[int, int]]:
    """Whole numbers. Raises InputError with the line."""
    found = []
    for line, row in rows:
        try:
            prompt, answer = (int(str(value)) for value in row)
        except (TypeError, ValueError):
            raise _error(source, f"line {line} is no pair of whole numbers of tokens") from None
        if not (0 <= prompt <= _LONGEST and 0 <= answer <= _LONGEST):
            raise _error(source, f"line {line} has a number of tokens that is not from 0 to 2^31")
        if prompt and answer:
            found.append((prompt, answer))
    return found


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """(line, (prompt, answer)) of a file. Raises InputError."""
    try:
        text = read_whole(str(path), _LARGEST_FILE).decode("utf-8-sig")
    except CheckpointError as error:
        raise _error(path, str(error.data["problem"])) from None
    except UnicodeDecodeError:
        raise _error(path, "is not text in UTF-8") from None
    if path.suffix.lower() in {".jsonl", ".json", ".ndjson"}:
        return _json_rows(text, path)
    return _csv_rows(text, path)


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    listed: Iterable[tuple[int, str | Any]] = ((n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip())
    try:
        if text.lstrip().startswith("[") and path.suffix.lower() == ".json":
            listed = enumerate(json.loads(text), 1)
        for number, line in listed:
            yield number, _pair(json.loads(line) if isinstance(line, str) else line, path, number)
    except (ValueError, RecursionError):
        raise _error(path, "is no JSON, nor one JSON document a line") from None


def _pair(one: Any, path: Path, number: int) -> Any:
    if isinstance(one, Mapping):
        usage = one.get("usage")
        names = {
            _plain(str(name)): value for name, value in {**one, **(usage if isinstance(usage, Mapping) else {})}.items()
        }
        prompt, answer = (next((names[n] for n in known if n in names), None) for known in (_PROMPT, _ANSWER))
        if prompt is None or answer is None:
            raise _error(path, f"line {number} has no prompt_tokens and gen_tokens")
        return prompt, answer
    return one


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    places: tuple[int, int] | None = None
    try:
        for number, row in enumerate(rows, 1):
            if not any(cell.strip() for cell in row):
                continue
            if places is None:
                places = _places(row, path)
                if not row[places[0]].strip().isdecimal():
                    continue  # names of columns
            yield number, [row[place].strip() if place < len(row) else "" for place in places]
    except csv.Error:
        raise _error(path, "is no CSV") from None


def _places(first: list[str], path: Path) -> tuple[int, int]:
    """Where the prompt and the answer stand: under names, or two columns without."""
    names = [_plain(cell) for cell in first]
    found = [next((names.index(n) for n in known if n in names), None) for known in (_PROMPT, _ANSWER)]
    if found[0] is not None and found[1] is not None:
        return found[0], found[1]
    if len(first) == 2 and all(cell.strip().isdecimal() for cell in first):
        return 0, 1
    raise _error(path, "must have the columns prompt_tokens and gen_tokens in its first line")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.casefold())


def _error(path: str | os.PathLike[str], problem: str) -> InputError:
    return InputError(name="lengths", value=os.fspath(path), problem=problem)
