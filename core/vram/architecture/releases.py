"""Which releases of vLLM have a class for an architecture (releases.txt), and which have Transformers serve it instead."""

from __future__ import annotations

from functools import lru_cache
from os.path import dirname, join

from vram.models.record import frozen
from vram.vllm.versions import Version, format_version, parse_version


@frozen(kw_only=True)
class _Served:
    """`before` is the last release read without the class, `since` the next one; `gone` the first without it again, and
    `fallback` the first whose Transformers brings a class that vLLM can serve where it has none of its own.
    """

    before: Version | None
    since: Version | None
    gone: Version | None
    fallback: Version | None


def first_with(architecture: str, version: Version) -> Version | None:
    """The release to ask for where this one does not serve the architecture yet; None where it does, or never will again."""
    served = _served(architecture)
    return served.since if served and _is_early(served, version) else None


def last_word_on(architecture: str, version: Version) -> str:
    """Why this release serves no such model, "" where it does: what is in no list is taken to be served by all.

    `model_executor/models/registry.py` refuses it: "Model architectures [...] are not supported for now".
    """
    served, release = _served(architecture), format_version(version)
    if served is not None and _is_early(served, version) and served.since is not None:
        return f"vLLM {release} has no {architecture}: it came with {format_version(served.since)}"
    if served is not None and _is_late(served, version) and served.gone is not None:
        return f"vLLM {release} no longer has {architecture}: {format_version(served.gone)} dropped it"
    return ""


def _is_early(served: _Served, version: Version) -> bool:
    return served.before is not None and version <= served.before and not _falls_back(served, version)


def _is_late(served: _Served, version: Version) -> bool:
    return served.gone is not None and version >= served.gone and not _falls_back(served, version)


def _falls_back(served: _Served, version: Version) -> bool:
    return served.fallback is not None and version >= served.fallback


@lru_cache(maxsize=64)
def _served(architecture: str) -> _Served | None:
    row = _rows().get(architecture)
    if row is None:
        return None
    before, since, gone, fallback = map(_version, row)
    return _Served(before=before, since=since, gone=gone, fallback=fallback)


@lru_cache(maxsize=1)
def _rows() -> dict[str, list[str]]:
    """The versions of each architecture as they are written: an answer asks for those of one."""
    with open(join(dirname(__file__), "releases.txt"), encoding="utf-8") as lines:
        rows = [line.split() for line in lines if not line.startswith("#")]
    return {name: versions for name, *versions in rows}


def _version(text: str) -> Version | None:
    return None if text == "-" else parse_version(text)
