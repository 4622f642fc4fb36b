"""Every flag of `vllm serve` by release, and its effect on memory (serve_flags.txt)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from os.path import dirname, join
from typing import Literal

from vram.models.record import frozen

Takes = Literal["switch", "one", "many", "maybe"]
Effect = Literal["modelled", "none", "decides", "same"]
Release = tuple[int, int, int]
_ALWAYS: Release = (0, 0, 0)
#: the first release whose `--enable-x` is also undone by `--disable-x`, and the other way round (`argparse_utils.py:EnableDisableAction`)
_PAIRED_SINCE: Release = (0, 33, 0)


@frozen(kw_only=True)
class Flag:
    """One flag: its full name without dashes, underscored as in the library, and what follows it; `negatable` switches have a --no- form.

    `since` is the first release that has it and `gone` the first without. `same_as` is the argument, or the key of one, that it
    sets in other words (`speculative_config.method`, `mm_encoder_tp_mode=data`). `direction`, of one that decides memory and is not
    modelled, says which way answers are off; `instead` is the flag that took its place.
    """

    name: str
    takes: Takes
    negatable: bool = False
    since: Release = _ALWAYS
    gone: Release | None = None
    effect: Effect = "none"
    same_as: str = ""
    direction: str = ""
    instead: str = ""
    short: tuple[str, ...] = ()

    @property
    def spelling(self) -> str:
        return "--" + self.name.replace("_", "-")

    def in_release(self, version: Release) -> bool:
        """Whether that release's parser has it."""
        return self.since <= version and (self.gone is None or version < self.gone)


@lru_cache(maxsize=1)
def serve_flags() -> Mapping[str, Flag]:
    """Every flag of every release by its name ("tensor_parallel_size")."""
    with open(join(dirname(__file__), "serve_flags.txt"), encoding="utf-8") as lines:
        return {flag.name: flag for flag in map(_read, lines) if flag is not None}


def _read(line: str) -> Flag | None:
    if not line.startswith("-"):
        return None
    head, _, direction = line.rstrip().partition(" : ")
    name, takes, since, gone, effect, *short = head.split()
    same = effect.startswith("=")
    return Flag(
        name=name[2:].replace("-", "_"),
        takes="switch" if takes == "set" else takes,  # type: ignore[arg-type]
        negatable=takes == "switch",
        since=_ALWAYS if since == "-" else _release(since),
        gone=None if gone == "-" else _release(gone),
        effect="same" if same else effect,  # type: ignore[arg-type]
        same_as=effect[1:] if same else "",
        direction=direction,
        instead=next((word[1:] for word in short if word.startswith(">")), ""),
        short=tuple(word for word in short if word.startswith("-")),
    )


def _release(text: str) -> Release:
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


@lru_cache(maxsize=16)
def spellings(version: Release) -> Mapping[str, tuple[Flag, bool]]:
    """Each spelling that the release's parser takes, with its flag and whether it switches it off."""
    found: dict[str, tuple[Flag, bool]] = {}
    for flag in serve_flags().values():
        if not flag.in_release(version):
            continue
        for spelling in (flag.spelling, *flag.short):
            found[spelling] = flag, False
            if flag.negatable and spelling.startswith("--"):
                found["--no-" + spelling[2:]] = flag, True
                verb, _, rest = flag.name.replace("_", "-").partition("-")
                other = {"enable": "disable", "disable": "enable"}.get(verb)
                if other and version >= _PAIRED_SINCE:
                    found[f"--{other}-{rest}"] = flag, True
    return found
