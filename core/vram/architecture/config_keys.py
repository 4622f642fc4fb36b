"""Keys that the JSON of vLLM's arguments may have, by release (config_keys.txt): its configs refuse any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from os.path import dirname, join

from vram.vllm.versions import Version, parse_version

#: since then every config is a class that takes nothing but its fields
REFUSED_SINCE: Version = (0, 9, 0)
#: read here under the config although vLLM has it elsewhere: `--cuda-graph-sizes` to 0.12
_OWN = {"compilation_config": {"cuda_graph_sizes"}}


def unknown_keys(argument: str, given: Mapping[str, object], version: Version) -> Iterator[tuple[str, str]]:
    """Each key that the release's config does not have, with what vLLM says of it and what may be meant."""
    known = {key for key, since, gone in _keys().get(argument, ()) if since <= version and (not gone or version < gone)}
    if not known or version < REFUSED_SINCE:
        return
    for key in given:
        if key not in known | _OWN.get(argument, set()):
            from difflib import get_close_matches  # for those who mistype alone

            near = get_close_matches(str(key), known, n=1)
            yield str(key), "is an unexpected keyword argument" + (f"; did you mean {near[0]}?" if near else "")


@lru_cache(maxsize=1)
def _keys() -> Mapping[str, list[tuple[str, Version, Version | None]]]:
    found: dict[str, list[tuple[str, Version, Version | None]]] = {}
    with open(join(dirname(__file__), "config_keys.txt"), encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                argument, key, since, gone = line.split()
                first = (0, 0, 0) if since == "-" else parse_version(since)
                without = None if gone == "-" else parse_version(gone)
                found.setdefault(argument, []).append((key, first, without))
    return found
