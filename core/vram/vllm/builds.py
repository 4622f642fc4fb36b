"""Builds of vLLM that are no release, and the release that each is answered as (releases.txt)."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from os.path import dirname, join

from vram.models.record import frozen

#: what calls itself by main: "nightly", "nightly-<commit>", "main (2026-08-15)", "nightly_main_20260815"
_OF_MAIN = re.compile(r"(?:vllm\W*)?(?:nightly|main|master|head|trunk|latest)(?![a-z])", re.IGNORECASE)
#: a day or a month, anywhere in that, or before everything else: "2026-08 main"
_OF_DAY = re.compile(
    r"(?<![0-9a-z])(?P<year>20\d\d)(?P<dash>[-._/]?)(?P<month>\d\d)(?:(?P=dash)(?P<day>\d\d))?(?![0-9a-z])",
    re.IGNORECASE,
)
#: what a build from a checkout without tags calls itself: 0.1.dev and how many commits its branch has
_UNTAGGED = re.compile(r"v?0\.1(?:\.0)?(?:\.dev(\d{1,6}).*)?")
_DEVELOPED = re.compile(r"v?\d{1,3}\.\d{1,4}(?:\.\d{1,4})?(?:\.?(?:a|b|rc)\d+)?\.?dev\d.*")
_NEWEST = "the newest release known here"
#: patches were of main until 0.11.1; later ones are of a release's own branch
_LAST_PATCH_OF_MAIN = (0, 11, 1)


@frozen(kw_only=True)
class Build:
    """A build that is no release: the one that it is answered as (None: the newest known), and why."""

    release: tuple[int, int, int] | None
    reason: str


@frozen(kw_only=True)
class _Published:
    release: tuple[int, int, int]
    day: str
    commits: int | None


def build_of(text: str) -> Build | None:
    """The build of main that a text is about; None for a release, a build that is named after one, and for nonsense."""
    untagged = _UNTAGGED.fullmatch(text)
    if untagged:
        commits = int(untagged[1] or 0)  # a shallow checkout counts 1
        known = [one.release for one in _published() if one.commits is not None and one.commits <= commits]
        reason = "the release before it, by its number of commits" if known else _NEWEST
        return Build(release=known[-1] if known else None, reason=reason)
    if not text.isprintable():
        return None
    dated = (_OF_DAY.search if _OF_MAIN.match(text) else _OF_DAY.match)(text)
    if dated is not None:
        day = _day(dated)
        return None if day is None else _of_day(day)
    return Build(release=None, reason=_NEWEST) if _OF_MAIN.match(text) else None


def is_between(text: str) -> bool:
    """Whether a text names a build on the way to a release: "0.20.0rc1.dev5+g1234"."""
    return bool(_DEVELOPED.fullmatch(text)) and text.isprintable()


def _day(found: re.Match[str]) -> str | None:
    """ "2026-08-15", which also stands for "2026-08"; None for a day that no calendar has."""
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"] or 15)).isoformat()
    except ValueError:
        return None


def _of_day(day: str) -> Build:
    """What main of a day became."""
    of_main = [one for one in _published() if not one.release[2] or one.release <= _LAST_PATCH_OF_MAIN]
    later = next((one for one in of_main if one.day >= day), None)
    if later is None:
        return Build(release=None, reason=f"{_NEWEST}, which is older")
    return Build(release=later.release, reason=f"the release that main of {day} became ({later.day})")


@lru_cache(maxsize=1)
def _published() -> tuple[_Published, ...]:
    """The releases that are known, oldest first."""
    with open(join(dirname(__file__), "releases.txt"), encoding="utf-8") as lines:
        found = [line.split() for line in lines if not line.startswith("#")]
    return tuple(
        _Published(
            release=tuple(map(int, name.split("."))),  # type: ignore[arg-type]
            day=day,
            commits=None if commits == "-" else int(commits),
        )
        for name, day, commits in found
    )
