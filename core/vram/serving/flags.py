"""What flags `vllm serve` has and how many words each takes, recorded from vLLM's own parser (serve_flags.txt)."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Literal

from vram.models.record import frozen

Takes = Literal["switch", "one", "many", "maybe"]


@frozen(kw_only=True)
class Flag:
    """One flag: its full name without dashes, underscored as in the library, and what follows it."""

    name: str
    takes: Takes


@lru_cache(maxsize=1)
def serve_flags() -> dict[str, Flag]:
    """Every flag, by each of its spellings ("--tensor-parallel-size", "-tp")."""
    found: dict[str, Flag] = {}
    for line in files("vram.serving").joinpath("serve_flags.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("-"):
            continue
        name, takes, *short = line.split()
        flag = Flag(name=name[2:].replace("-", "_"), takes=takes)  # type: ignore[arg-type]
        for spelling in (name, *short):
            found[spelling] = flag
    return found


def find_flag(word: str) -> Flag | None:
    """The flag a word spells: underscores, `--no-x` switches and dotted JSON keys count as vLLM's parser takes them."""
    flags = serve_flags()
    base = word.split("=", 1)[0].split(".", 1)[0]
    if base.startswith("--"):
        base = "--" + base[2:].replace("_", "-")
    known = flags.get(base)
    if known is None and base.startswith("--no-"):
        positive = flags.get("--" + base[5:])
        return positive if positive is not None and positive.takes == "switch" else None
    return known
