"""Engine arguments as words of `vllm serve`: the inverse of `vram.serving.command`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vram.errors import InputError
from vram.models.serve_flags import serve_flags
from vram.vllm.versions import Version, format_version

#: `--max-model-len auto` is new in 0.14 (`engine/arg_utils.py:human_readable_int_or_auto`)
_AUTO_SINCE: Version = (0, 14, 0)

Flag = tuple[str, ...]  # one flag's words: ("--max-model-len", "8192") or ("--enforce-eager",)


def serve_flags_of(arguments: Mapping[str, object], version: Version) -> tuple[Flag, ...]:
    """Each engine argument as its flag, in their order. None values are left out.

    Raises InputError for one that this version of `vllm serve` does not take.
    """
    flags = {name: value for name, value in arguments.items() if name != "environment" and value is not None}
    return tuple(_flag(name, value, version) for name, value in flags.items())


def _flag(name: str, value: object, version: Version) -> Flag:
    spelling = "--" + name.replace("_", "-")
    flag = serve_flags().get(name)
    if flag is None or not flag.in_release(version):
        problem = f"is no flag of vLLM {format_version(version)}"
        raise InputError(name=spelling, value=value, problem=problem)
    if isinstance(value, bool):
        return (spelling,) if value else ("--no-" + spelling[2:],)
    if isinstance(value, list | tuple):
        return (spelling, *map(str, value))
    if isinstance(value, Mapping):
        return (spelling, json.dumps(dict(value), separators=(",", ":")))
    if name == "max_model_len" and value == -1:
        if version < _AUTO_SINCE:
            problem = f"cannot be left to vLLM {format_version(version)}; give a length"
            raise InputError(name=spelling, value="auto", problem=problem)
        return (spelling, "auto")
    text = repr(value) if isinstance(value, float) else str(value)
    return (f"{spelling}={text}",) if text.startswith("-") else (spelling, text)


def as_flags(words: tuple[str, ...]) -> tuple[Flag, ...]:
    """Words as given, one tuple per flag."""
    flags: list[list[str]] = []
    for word in words:
        if (word.startswith("-") and len(word) > 1 and not word[1].isdigit()) or not flags:
            flags.append([word])
        else:
            flags[-1].append(word)
    return tuple(tuple(flag) for flag in flags)
