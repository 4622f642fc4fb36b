"""vLLM's `--config FILE`: YAML whose keys are flags (`utils/argparse_utils.py`, `load_config_file`, 0.33.0)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from vram.errors import VramError
from vram.serving import parse_words
from vram_plugins.readers.documents import Block, Items, Text, documents, truth

#: flags of vLLM's that files of other programs have as well
_ANYBODYS = {
    "model",
    "model_tag",
    "seed",
    "dtype",
    "device",
    "task",
    "port",
    "host",
    "revision",
    "tokenizer",
    "api_key",
    "api-key",
}
_FEWEST_TELLING = 3  # flags that no other program's file has by chance
_JSON_PLAIN = {"true": True, "false": False, "null": None}


def flags_of(config: Block) -> tuple[str, ...]:
    """The words vLLM makes of a file's keys: true is a switch, false its `--no-` if any, lists are several words, mappings JSON."""
    return tuple(word for key, value in config.items() for word in flag_words(key, value))


def flag_words(key: str, value: Any) -> Iterator[str]:
    """One key of a file or of keyword arguments as words of a command."""
    flag = "--" + key.replace("_", "-")
    if value is None:
        return
    if isinstance(value, Block):
        yield from (flag, json.dumps(as_json(value)))
    elif isinstance(value, Items):
        yield flag
        yield from (str(item) if isinstance(item, Text) else json.dumps(as_json(item)) for item in value)
    elif truth(value) is not None and value.lower() in _JSON_PLAIN:
        negated = f"--no-{flag[2:]}"
        if truth(value):
            yield flag
        elif is_flag(negated):
            yield negated
    else:
        yield from (flag, str(value))


def as_json(value: Any) -> Any:
    """A value as JSON has it: numbers and truths where the text is one."""
    if isinstance(value, Block):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, Items):
        return [as_json(inner) for inner in value]
    if value is None or value.lower() in _JSON_PLAIN:
        return None if value is None else _JSON_PLAIN[value.lower()]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return str(value)


def with_config(words: Sequence[str], mounted: Callable[[str], Text | None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words with the flags of `--config FILE` put where vLLM puts them, and what was left out because the file is not at hand."""
    for index, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag != "--config":
            continue
        path = value or (words[index + 1] if index + 1 < len(words) else "")
        rest = [*words[:index], *words[index + (1 if value else 2) :]]
        content = mounted(path) if path else None
        config = _config(path, content) if content is not None else None
        if config is None:
            return tuple(words), ("the flags in the file of --config, which is not at hand",)
        named = bool(rest) and not rest[0].startswith("-")
        flags = [w for k, v in config.items() if not (named and k == "model") for w in flag_words(k, v)]
        return ((*rest[:1], *flags, *rest[1:]) if named else (*flags, *rest)), ()
    return tuple(words), ()


def _config(path: str, content: Text) -> Block | None:
    try:
        found = documents(path, content)
    except VramError:
        return None
    return found[0] if len(found) == 1 else None


def is_config(config: Block) -> bool:
    """Whether every key is a flag of vLLM's and a model is among them: then it is a file for `--config`, or nobody's."""
    named = any(isinstance(config.get(key), Text) for key in ("model", "model_tag", "model-tag"))
    return named and not (config.keys() <= _ANYBODYS) and all(is_flag("--" + key.replace("_", "-")) for key in config)


def are_flags(config: Block) -> bool:
    """Whether every key is a flag of vLLM's, none of them names a model, and enough of them are nobody else's."""
    keys = [key.replace("_", "-") for key in config]
    named = {"model", "model-tag"} & set(keys)
    return not named and len(set(config) - _ANYBODYS) >= _FEWEST_TELLING and all(is_flag(f"--{key}") for key in keys)


def foreign_keys(config: Block) -> tuple[str, ...]:
    """Keys that are none of vLLM's in a file that has a model and several of its flags: somebody's own program reads it."""
    if not isinstance(config.get("model"), Text):
        return ()
    flags = [key for key in config if is_flag("--" + key.replace("_", "-"))]
    telling = set(flags) - _ANYBODYS
    return tuple(key for key in config if key not in flags) if len(telling) >= _FEWEST_TELLING else ()


@lru_cache(maxsize=512)
def is_flag(flag: str) -> bool:
    """Whether vLLM's server has a flag."""
    try:
        return not parse_words(("model", flag, "1")).unknown
    except VramError:
        return True  # one whose value is not "1"
