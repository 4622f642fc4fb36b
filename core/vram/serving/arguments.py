"""Flags and their values in the words behind `vllm serve`, as argparse and vLLM's parser take them by release."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from vram.errors import InputError
from vram.models.deployment import JSON_VALUED, EngineArgs, in_own_words
from vram.models.record import field, frozen, record_fields
from vram.models.serve_flags import Flag, Release
from vram.serving.flags import spelt, why_not
from vram.serving.numbers import expand_counts, parse_count

_LEVELS = {"0", "1", "2", "3"}
#: objects that are no config class of vLLM's, inside which a number has no letter
_AS_WRITTEN = {"speculative_config", "limit_mm_per_prompt", "mm_processor_kwargs", "hf_overrides"}
_MOST_SUGGESTIONS = 16  # each is sought among all flags; a command with more mistakes is no command
#: `-O3` is an optimization level since then, and was a level (0.11.1: mode) of the compilation config before
_LEVEL_SINCE: Release = (0, 12, 0)
_MODE_SINCE: Release = (0, 11, 1)
#: the first release without `-O.key` for a key of the compilation config
_NO_DOTTED_LEVEL: Release = (0, 13, 0)


@frozen(kw_only=True)
class Given:
    """One flag as it stands in the command; `value` is None without one, and what a switch is switched to."""

    spelling: str
    flag: Flag
    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    on: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """Its words such that they read the same: a value that looks like a flag stays attached."""
        if len(self.values) == 1 and is_flag(self.values[0]):
            return (f"{self.spelling}={self.values[0]}",)
        return (self.spelling, *self.values)


@frozen(kw_only=True)
class Split:
    """Flags, positional words, spellings that are no flag, and the sentences with which the parser stops."""

    given: tuple[Given, ...]
    positional: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    refusals: tuple[str, ...] = field(default=())


def is_flag(word: str) -> bool:
    """Whether argparse takes the word for an option: a dash, no negative number, no blank but behind its `=`."""
    return len(word) > 1 and word.startswith("-") and not re.fullmatch(r"-\d+(\.\d+)?|[^=]* .*", word, re.DOTALL)


def split(words: Sequence[str], version: Release) -> Split:
    """The words of a command, taken apart as the release's parser does; it goes on where that would stop."""
    given: list[Given] = []
    positional: list[str] = []
    unknown: dict[str, str] = {}
    refusals: list[str] = []
    words = tuple(_levels(words, version))
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if not is_flag(word) or word == "--":
            positional += () if word == "--" else (word,)
            continue
        found = spelt(word, version)
        following = 0
        while index + following < len(words) and not is_flag(words[index + following]):
            following += 1
        flag, attached = found.flag, found.attached
        if flag is None:
            if found.spelling not in unknown:
                unknown[found.spelling] = why_not(found, version, suggest=len(unknown) < _MOST_SUGGESTIONS)
            refusals.append(unknown[found.spelling])
            index += 0 if attached is not None else min(following, 1)
            continue
        if flag.takes == "switch" and not found.keys:
            stored = flag.name == "enable_chunked_prefill" and version < (0, 8, 5)  # true or false may follow
            if stored and attached is None and index < len(words) and words[index].lower() in {"true", "false"}:
                attached, index = words[index], index + 1
            elif attached is not None and not stored:
                refusals.append(f"argument {found.spelling}: ignored explicit argument {attached!r}")
            on = not found.off and (attached or "").lower() not in {"false", "0", "no"}
            given.append(Given(spelling=found.spelling, flag=flag, on=on))
            continue
        if attached is not None:
            values: tuple[str, ...] = (attached,)
        else:  # the value of a dotted key is the next word, whatever it is
            count = 1 if found.keys else following if flag.takes == "many" else min(following, 1)
            values = tuple(words[index : index + count])
            index += len(values)
        if not values and flag.takes != "maybe":
            least = "at least one argument" if flag.takes == "many" else "one argument"
            refusals.append(f"argument {found.spelling}: expected {least}")
        given.append(Given(spelling=found.spelling, flag=flag, keys=found.keys, values=values))
    told = tuple(dict.fromkeys(refusals))
    return Split(given=tuple(given), positional=tuple(positional), unknown=tuple(unknown), refusals=told)


def _levels(words: Sequence[str], version: Release) -> Iterator[str]:
    """The words with `-O` in its forms spelt out: -O3, -O=3, -O 3, and -O.mode=3 where it was the compilation config."""
    config, level = "--compilation-config=", "--optimization-level="
    old = version < _LEVEL_SINCE
    if old:
        level = f"--compilation-config.{'mode' if version >= _MODE_SINCE else 'level'}="
    rest = iter(words)
    for word in rest:
        if not word.startswith("-O"):
            yield word
        elif word == "-O":
            value = next(rest, "")
            yield from (level + value,) if value in _LEVELS else (config + value,) if old and value else (word, value)
        elif word.startswith("-O.") and version < _NO_DOTTED_LEVEL:
            yield f"--compilation-config{word[2:]}"
        elif word.startswith("-O{") and old:
            yield config + word[2:]
        else:
            yield level + word[2:].removeprefix("=")


def engine_arguments(given: Sequence[Given]) -> dict[str, Any]:
    """What the flags set, under the library's names; one given twice is what it was last. Raises InputError.

    Dotted keys of one flag make one JSON value, which counts as given last.
    """
    found: dict[str, Any] = {}
    dotted: dict[str, dict[str, Any]] = {}
    for one in given:
        if one.keys and one.values:
            _merge(dotted.setdefault(one.flag.name, {}), _nested(one.keys, one.values[0]))
        elif one.flag.takes == "switch":
            found[one.flag.name] = one.on
        elif one.values:
            found[one.flag.name] = value_of(one.flag, one.values)
    return in_own_words({name: value for name, value in {**found, **dotted}.items() if value is not None})


def value_of(flag: Flag, values: tuple[str, ...]) -> Any:
    """A flag's words in the type of its argument. Raises InputError."""
    name, text = flag.name, values[0]
    attribute = record_fields(EngineArgs).get(name)
    if flag.takes == "many":
        return list(values) if attribute else [_plain(value) for value in values]
    if text in {"", "None"}:
        return None
    kind = str(attribute.type) if attribute else ""
    if name in JSON_VALUED:
        return _json(name, text)
    if "int" in kind:
        return parse_count(name, text)
    if "float" in kind:
        try:
            return float(text)
        except ValueError:
            raise InputError(name=name, value=text, problem="is not a number") from None
    return text if kind else _plain(text)


def _nested(keys: Sequence[str], text: str) -> dict[str, Any]:
    """One value inside a JSON argument; a key that ends in + adds to a list, also several with commas."""
    value = [_plain(one) for one in text.split(",")] if keys[-1].endswith("+") else _plain(text)
    for key in reversed((*keys[:-1], keys[-1].removesuffix("+"))):
        value = {key: value}
    return cast("dict[str, Any]", value)


def _merge(into: dict[str, Any], update: dict[str, Any]) -> None:
    """Objects one into another, lists one behind another; anything else as it was last (`recursive_dict_update` of vLLM's parser)."""
    pending = [(into, update)]
    while pending:
        target, source = pending.pop()
        for key, value in source.items():
            held = target.get(key)
            if isinstance(held, dict) and isinstance(value, dict):
                pending.append((held, value))
            else:
                target[key] = [*held, *value] if isinstance(held, list) and isinstance(value, list) else value


def _plain(text: str) -> Any:
    """A value of JSON, a count, or the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return parse_count("", text)
    except InputError:
        return text


def _json(name: str, text: str) -> dict[str, Any]:
    if name == "limit_mm_per_prompt" and re.fullmatch(r"(\w+=\d+,?)+", text):  # the form to 0.9
        return {k: int(v) for k, v in (pair.split("=") for pair in text.split(",") if pair)}
    problem = "is not a JSON object"
    try:
        value = json.loads(text if name in _AS_WRITTEN else expand_counts(text))
    except (ValueError, RecursionError):
        value, problem = None, "is not JSON"
    if not isinstance(value, dict):
        raise InputError(name=name, value=text[:80], problem=problem)
    return value
