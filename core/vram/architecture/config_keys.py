"""Keys that the JSON of vLLM's arguments may have by release, and what their values are (config_keys.txt)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from os.path import dirname, join

from vram.models.record import frozen
from vram.vllm.versions import Version, parse_version

#: since then every config is a class that takes nothing but its fields
REFUSED_SINCE: Version = (0, 9, 0)
#: read here under the config although vLLM has it elsewhere: `--cuda-graph-sizes` to 0.12
_OWN = {"compilation_config": {"cuda_graph_sizes"}}
_SAID = {
    "bool": "must be true or false", "int": "must be a whole number", "float": "must be a number", "str": "must be text",
    "list": "must be a list", "dict": "must be a mapping",
}  # fmt: skip
#: words that pydantic takes for true and false
_SWITCHES = frozenset(["0", "1", "off", "on", "f", "t", "false", "true", "n", "y", "no", "yes"])


@frozen(kw_only=True)
class _Key:
    name: str
    since: Version
    gone: Version | None
    kind: str

    def in_release(self, version: Version) -> bool:
        return self.since <= version and (self.gone is None or version < self.gone)


def refused_keys(argument: str, given: Mapping[str, object], version: Version) -> Iterator[tuple[str, str]]:
    """Each key that the release's config does not have, or not with such a value, with what vLLM says of it and what may be meant."""
    if not given or version < REFUSED_SINCE:
        return
    known = {key.name: key for key in _keys().get(argument, ()) if key.in_release(version)}
    if not known:
        return
    for key, value in given.items():
        if key in known:
            kind = known[key].kind
            if not (value is None and kind.endswith("?")) and not _is(kind.rstrip("?"), value):
                yield key, _SAID[kind.rstrip("?")]
        elif key not in _OWN.get(argument, set()):
            from difflib import get_close_matches  # for those who mistype alone

            near = get_close_matches(str(key), known, n=1)
            yield str(key), "is an unexpected keyword argument" + (f"; did you mean {near[0]}?" if near else "")


def _is(kind: str, value: object) -> bool:
    """Whether pydantic takes the value for one of that kind: numbers in text, and words and numbers for switches, among them."""
    match kind:
        case "bool":
            return (
                isinstance(value, bool)
                or (isinstance(value, int | float) and value in (0, 1))
                or str(value).lower() in _SWITCHES
            )
        case "int":
            number = _number(value)
            return number is not None and number.is_integer()
        case "float":
            return _number(value) is not None
        case "str":
            return isinstance(value, str)
        case "list":
            return isinstance(value, Sequence) and not isinstance(value, str)
        case "dict":
            return isinstance(value, Mapping)
    return True


def _number(value: object) -> float | None:
    """A finite number, also one in text; None for what is none."""
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number - number == 0 else None


@lru_cache(maxsize=1)
def _keys() -> Mapping[str, list[_Key]]:
    found: dict[str, list[_Key]] = {}
    with open(join(dirname(__file__), "config_keys.txt"), encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                argument, name, since, gone, kind = line.split()
                first = (0, 0, 0) if since == "-" else parse_version(since)
                without = None if gone == "-" else parse_version(gone)
                found.setdefault(argument, []).append(_Key(name=name, since=first, gone=without, kind=kind))
    return found
