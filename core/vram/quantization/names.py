"""Which modules a list of names means: ignore lists, targets, dynamic rules.

vLLM's ways of comparing a module's name with an entry (`quantization/utils/quant_utils.py:is_layer_skipped`,
`compressed_tensors/utils.py`, `modelopt.py:is_layer_excluded`, 0.33.0): exact, as a substring, as the last
components, as a regular expression (`re:` before it), as a shell wildcard. Lists can have thousands of entries
and models hundreds of modules, so each kind has its own index and nothing is tried twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from functools import lru_cache

from vram.errors import QuantizationError

_DIGIT = re.compile(r"[0-9]")
_NUMBER = re.compile(r"(?:^|\.)([0-9]+)(?=\.)")
_SPECIAL = re.compile(r"[*?\[]")
_BACKREFERENCE = "(?P="
_MAX_PATTERN = 2000
_MOST_NAMES = 20_000

Test = Callable[[str], bool]


def template(name: str) -> str:
    """The name with every digit replaced by "0": names of one template differ in their numbers alone."""
    return _DIGIT.sub("0", name)


def _literal_number(pattern: str, special: re.Pattern[str]) -> str | None:
    """A whole numeric component any matching name must have, None where there is none for certain."""
    end = special.search(pattern)
    found = _NUMBER.search(pattern[: end.start()] if end else pattern)
    return found[1] if found else None


class NameSet:
    """Decides for a name whether any of a list's entries matches it, and which is first.

    exact: entries equal to the name. substring: entries contained in it. suffix: entries that are its last
    components. wildcard: entries with * ? [ are shell patterns over the whole name. regex: entries that begin with
    "re:" are regular expressions from the name's start. Raises QuantizationError on a broken expression.
    """

    def __init__(
        self,
        entries: Iterable[str],
        *,
        method: str,
        substring: bool = False,
        suffix: bool = False,
        wildcard: bool = False,
        regex: bool = False,
    ) -> None:
        self._suffix = suffix
        self._exact: dict[str, int] = {}
        # (position in the list, entry, test), split by what decides quickly
        self._digit_free: list[tuple[int, str, Test]] = []
        self._by_number: dict[str, list[tuple[int, str, Test]]] = {}
        self._others: list[tuple[int, str, Test]] = []
        self._decided: dict[str, tuple[int, str] | None] = {}
        self._asked: dict[str, str | None] = {}
        self._experts = ""
        for position, entry in enumerate(entries):
            if regex and entry.startswith("re:"):
                self._add_pattern(position, entry, _compiled(entry[3:], method).match)
                continue
            self._exact.setdefault(entry, position)
            if substring:
                self._add(position, entry, entry, _contains(entry), number=None)
            if wildcard and _SPECIAL.search(entry):
                test = _compiled(translate(entry), method).match
                self._add(position, entry, entry, _found(test), number=_literal_number(entry, _SPECIAL))

    def _add_pattern(self, position: int, entry: str, match: Callable[[str], object]) -> None:
        if _BACKREFERENCE in entry:
            self._others.append((position, entry, _found(match)))
        else:
            self._add(position, entry, entry, _found(match), number=None)

    def _add(self, position: int, entry: str, text: str, test: Test, *, number: str | None) -> None:
        if number is not None:
            self._by_number.setdefault(number, []).append((position, entry, test))
        elif _DIGIT.search(text):
            self._others.append((position, entry, test))
        else:
            self._digit_free.append((position, entry, test))

    def __bool__(self) -> bool:
        return bool(self._exact or self._digit_free or self._by_number or self._others)

    @classmethod
    def of(
        cls,
        entries: Iterable[str],
        *,
        method: str,
        substring: bool = False,
        suffix: bool = False,
        wildcard: bool = False,
        regex: bool = False,
    ) -> NameSet:
        """The set of a list that was seen lately, with what it decided: a checkpoint is bound once per kind of GPU.

        Raises QuantizationError.
        """
        return _known_set(tuple(entries), method, substring, suffix, wildcard, regex)

    def first(self, name: str) -> str | None:
        """The first entry of the list that matches, None where none does."""
        if name not in self._asked:
            if len(self._asked) >= _MOST_NAMES:
                self._asked.clear()
            self._asked[name] = self._first(name)
        return self._asked[name]

    def _first(self, name: str) -> str | None:
        best = self._by_template(name)
        position = self._exact.get(name)
        if position is not None and (best is None or position < best[0]):
            best = (position, name)
        if self._suffix:
            best = _earlier(best, self._as_suffix(name))
        for candidates in (self._others, *self._numbered(name)):
            best = _first(candidates, name, best)
        return best[1] if best else None

    def matches(self, name: str) -> bool:
        """Whether any entry matches."""
        return self.first(name) is not None

    def contains_experts(self, name: str) -> bool:
        """Whether an entry that speaks of experts contains `name` (fp8's rule for fused experts)."""
        if not self._experts:
            self._experts = "\n".join(("", *(entry for entry in self._exact if "experts" in entry)))
        return name in self._experts

    def below(self, name: str) -> bool:
        """Whether an exact entry lies below the module `name`."""
        return any(entry.startswith(name + ".") for entry in self._exact)

    def _by_template(self, name: str) -> tuple[int, str] | None:
        if not self._digit_free:
            return None
        key = template(name)
        if key not in self._decided:
            self._decided[key] = _first(self._digit_free, name, None)
        return self._decided[key]

    def _numbered(self, name: str) -> Sequence[list[tuple[int, str, Test]]]:
        if not self._by_number:
            return ()
        return [self._by_number[n] for n in dict.fromkeys(name.split(".")) if n in self._by_number]

    def _as_suffix(self, name: str) -> tuple[int, str] | None:
        best = None
        start = name.find(".") + 1
        while start:
            tail = name[start:]
            if tail in self._exact:
                best = _earlier(best, (self._exact[tail], tail))
            start = name.find(".", start) + 1
        return best


@lru_cache(maxsize=64)
def _known_set(
    entries: tuple[str, ...], method: str, substring: bool, suffix: bool, wildcard: bool, regex: bool
) -> NameSet:
    return NameSet(entries, method=method, substring=substring, suffix=suffix, wildcard=wildcard, regex=regex)


def _earlier(a: tuple[int, str] | None, b: tuple[int, str] | None) -> tuple[int, str] | None:
    if a is None or b is None:
        return a or b
    return min(a, b)


def _first(candidates: list[tuple[int, str, Test]], name: str, best: tuple[int, str] | None) -> tuple[int, str] | None:
    for position, entry, test in candidates:
        if best is not None and position >= best[0]:
            break
        if test(name):
            return (position, entry)
    return best


def _contains(entry: str) -> Test:
    return lambda name: entry in name


def _found(match: Callable[[str], object]) -> Test:
    return lambda name: match(name) is not None


def _compiled(pattern: str, method: str) -> re.Pattern[str]:
    if len(pattern) > _MAX_PATTERN:
        raise QuantizationError(method=method, problem=f"a pattern of {len(pattern)} characters in a list of modules")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise QuantizationError(
            method=method, problem=f"pattern {pattern[:60]!r} in a list of modules is no regular expression: {error}"
        ) from error


def renamed(entries: Iterable[str], renames: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A checkpoint's module names as vLLM calls them: each (old, new) prefix in order (`WeightsMapper`), or where `old`
    begins with a star what follows it, wherever it stands.

    Entries that are regular expressions or have no dot (class names, "lm_head") stay as they are.
    """
    return tuple(rename(entry, renames) for entry in entries)


def rename(entry: str, renames: Sequence[tuple[str, str]]) -> str:
    """One name as vLLM calls it."""
    if entry.startswith("re:") or "." not in entry:
        return entry
    for old, new in renames:
        if old.startswith("*"):
            entry = entry.replace(old[1:], new)
        elif entry.startswith(old):
            entry = new + entry[len(old) :]
    return entry
