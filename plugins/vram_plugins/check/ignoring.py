"""What is left out of a walk: lines of `.vramignore` and `--exclude`, written as in `.gitignore`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from functools import lru_cache

from vram.models.record import frozen

IGNORE_FILE = ".vramignore"
_ANY_DEPTH = "**"
_MOST_RULES = 1000
_LONGEST = 500
_TRAILING = re.compile(r"(?<!\\) +\Z")
_ESCAPED = re.compile(r"\\(.)")


@frozen(kw_only=True)
class Rule:
    """One pattern. `base` is the folder its file is in; `anchored` ones are held against the path from there, others against any name."""

    base: tuple[str, ...]
    segments: tuple[str, ...]
    anchored: bool
    folders_only: bool
    negated: bool

    def matches(self, parts: Sequence[str], *, folder: bool) -> bool:
        """Whether it means the file or folder at `parts`, which are relative to what the walk started from."""
        depth = len(self.base)
        if (self.folders_only and not folder) or tuple(parts[:depth]) != self.base:
            return False
        below = parts[depth:]
        return _matches(self.segments, below if self.anchored else below[-1:])


def rules_in(lines: Iterable[str], base: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """The rules of a file's lines, later ones stronger; comments, empty and overlong lines are none."""
    rules = []
    for line in lines:
        text = _TRAILING.sub("", line.rstrip("\r\n"))
        pattern = text.removeprefix("!")
        body = pattern.rstrip("/")
        segments = tuple(segment for segment in body.split("/") if segment not in ("", "."))
        if not segments or text.startswith("#") or len(pattern) > _LONGEST:
            continue
        rules.append(
            Rule(
                base=base,
                segments=segments,
                anchored="/" in body,
                folders_only=pattern.endswith("/"),
                negated=text.startswith("!"),
            )
        )
        if len(rules) == _MOST_RULES:
            break
    return tuple(rules)


def is_left_out(rules: Sequence[Rule], parts: Sequence[str], *, folder: bool) -> bool:
    """Whether the last rule that means it leaves it out. What is in a folder that is left out is never asked about."""
    return next((not rule.negated for rule in reversed(rules) if rule.matches(parts, folder=folder)), False)


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Segment by segment, `**` for any number of them, at the end for one or more; steps are at most their product."""
    at = part = 0
    star: tuple[int, int] | None = None  # behind the last `**`, and where what it does not mean begins
    while part < len(parts):
        if at < len(pattern) and pattern[at] == _ANY_DEPTH:
            at += 1
            star = at, part
        elif at < len(pattern) and _segment(pattern[at]).fullmatch(parts[part]):
            at += 1
            part += 1
        elif star is not None:
            at, part = star[0], star[1] + 1
            star = at, part
        else:
            return False
    return at == len(pattern)


@lru_cache(maxsize=4096)
def _segment(pattern: str) -> re.Pattern[str]:
    """As the shell's, but that a backslash takes a sign's meaning away, and that ^ says "none of these", too."""
    plain = _ESCAPED.sub(lambda sign: f"[{sign[1]}]" if sign[1] in "*?[" else sign[1], pattern.replace("[^", "[!"))
    return re.compile(translate(plain))
