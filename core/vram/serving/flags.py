"""Which flag a word spells, as argparse and vLLM's own parser (`utils/argparse_utils.py:FlexibleArgumentParser`) find it."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from itertools import takewhile

from vram.models.record import frozen
from vram.models.serve_flags import Flag, Release, serve_flags, spellings
from vram.vllm.versions import NEWEST

__all__ = ["Found", "find_flag", "spelt", "why_not"]


@frozen(kw_only=True)
class Found:
    """What a word spells: `could_be` has one spelling, none, or several where it abbreviates each; `flag` is that of the one, and
    `off` says that it switches it off. `keys` are those of a dotted form (`--speculative-config.method`), `attached` stands behind `=`.
    """

    spelling: str
    keys: tuple[str, ...]
    attached: str | None
    could_be: tuple[str, ...] = ()
    flag: Flag | None = None
    off: bool = False


def spelt(word: str, version: Release) -> Found:
    """What a word that starts with a dash is to the parser of a release: exact spellings, `=`, then abbreviations of long flags."""
    left, equals, value = word.partition("=")
    base, *keys = left.split(".") if "." in left else [left]
    if base.startswith("--"):
        base = "--" + base[2:].replace("_", "-")
    known, attached = spellings(version), value if equals else None
    could_be: tuple[str, ...] = (base,) if base in known else ()
    if not could_be and base.startswith("--"):
        could_be = _abbreviated(base, version)
    elif not could_be and base[:2] in known and not keys:  # -qfp8
        could_be, attached = (base[:2],), word[2:]
    flag, off = known[could_be[0]] if len(could_be) == 1 else (None, False)
    return Found(spelling=left, keys=tuple(keys), attached=attached, could_be=could_be, flag=flag, off=off)


@lru_cache(maxsize=16)
def _in_order(version: Release) -> tuple[str, ...]:
    return tuple(sorted(spellings(version)))


def _abbreviated(base: str, version: Release) -> tuple[str, ...]:
    """The spellings that begin so. A text may have a hundred thousand words with dashes: no list of flags is gone through for each."""
    known = _in_order(version)
    first = bisect_left(known, base)
    return tuple(takewhile(lambda one: one.startswith(base), (known[at] for at in range(first, len(known)))))


def find_flag(word: str, version: Release = NEWEST) -> Flag | None:
    """The one flag a word spells in a release; the newest where none is given."""
    return spelt(word, version).flag


def why_not(found: Found, version: Release, *, suggest: bool = True) -> str:
    """Why the parser of the release stops at a word that is no one flag, in its words, and what to write instead if that is asked for."""
    if found.could_be:
        return f"ambiguous option: {found.spelling} could match {', '.join(found.could_be)}"
    said = f"unrecognized arguments: {found.spelling}"
    other = serve_flags().get(found.spelling.split(".")[0].lstrip("-").removeprefix("no-").replace("-", "_"))
    asked = ".".join(map(str, version))
    if other is not None and not other.in_release(version):
        if other.gone is None or version < other.gone:
            return f"{said} (it came with vLLM {'.'.join(map(str, other.since))}; this is {asked})"
        return f"{said} (it left vLLM with {'.'.join(map(str, other.gone))}" + (
            f"; {other.instead} took its place)" if other.instead else ")"
        )
    near = _nearest(found.spelling.split(".")[0].replace("_", "-"), version) if suggest else None
    return said + (f" (did you mean {near}?)" if near else f" (no flag of vLLM {asked})")


def _nearest(base: str, version: Release) -> str | None:
    from difflib import get_close_matches  # for those who mistype alone

    return next(iter(get_close_matches(base, spellings(version), cutoff=0.75)), None)
