"""Engine arguments out of the text of a log: Python literals and nothing else, and nothing is evaluated."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping

from vram.errors import VramError
from vram.models.deployment import EngineArgs
from vram.models.record import record_fields

_LONGEST_VALUE = 4096
_DEEPEST = 3
_OPENING, _CLOSING = "([{", ")]}"
_ENGINE_NAMES = frozenset(record_fields(EngineArgs))
_ALIASES = {"max_seq_len": "max_model_len", "kv_cache_memory": "kv_cache_memory_bytes"}
#: resolved by vLLM and not what was asked: the dump names the kernel's format, e.g. awq_marlin for an awq checkpoint
_NOT_FROM_DUMP = frozenset({"quantization", "compilation_config"})
#: what the old engine's parser prints where nobody gave one
_NO_COMPILATION = {"level": 0, "splitting_ops": []}
_CALL = re.compile(r"[A-Za-z_]\w*\((?P<inside>.*)\)\Z", re.DOTALL)
_TORCH_DTYPE = re.compile(r"(?:torch\.)?(float16|bfloat16|float32|half|float)\Z")


def written_values(text: str, *, depth: int = 0) -> dict[str, object]:
    """name → value of "{'a': 1, 'b': [..]}", "Namespace(a=1, b='x')" or "a=1, b='x'".

    What is no plain literal (an object's repr) is left out, but for a call with named values, which becomes a mapping.
    """
    found: dict[str, object] = {}
    for piece in _pieces(text):
        name, value = _pair(piece, depth)
        if name and value is not None and name not in found:
            found[name] = value
    return found


def engine_arguments(written: Mapping[str, object], *, dumped: bool = False) -> dict[str, object]:
    """Those that decide memory, under the library's names and valid; `dumped`: from the dump of vLLM's configuration."""
    found: dict[str, object] = {}
    for written_name, value in written.items():
        name = _ALIASES.get(written_name, written_name)
        if name not in _ENGINE_NAMES or value is None or (dumped and name in _NOT_FROM_DUMP):
            continue
        plain = _plain(name, value)
        if _possible(name, plain):
            found[name] = plain
    return found


def _plain(name: str, value: object) -> object:
    if name == "speculative_config":
        return _speculation(value)
    if name == "compilation_config" and value == _NO_COMPILATION:
        return None
    if name in ("dtype", "kv_cache_dtype") and isinstance(value, str):
        return value.removeprefix("torch.")
    return value


def _possible(name: str, value: object) -> bool:
    if value is None:
        return False
    expected = record_fields(EngineArgs)[name]
    kind = str(expected.type)
    if "bool" in kind and not isinstance(value, bool):
        return False
    if kind.startswith("str") and not isinstance(value, str):
        return False
    if "Mapping" in kind and not isinstance(value, Mapping):
        return False
    try:
        EngineArgs.from_mapping({name: value})
    except VramError:
        return False
    return True


def _speculation(value: object) -> object:
    """A speculative_config as asked; the dump calls the count `num_spec_tokens`."""
    if not isinstance(value, Mapping):
        return None
    plain = {str(k): v for k, v in value.items()}
    if "num_spec_tokens" in plain:
        plain.setdefault("num_speculative_tokens", plain.pop("num_spec_tokens"))
    return plain if "num_speculative_tokens" in plain else None


def _pieces(text: str) -> Iterator[str]:
    """The parts between top-level commas of the first bracketed text, or of the whole."""
    text = text.strip()
    if text[:1] in tuple(_OPENING):
        text = text[1:]
    depth, quote, start, escaped = 0, "", 0, False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif quote:
            if char == "\\":
                escaped = True
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
            if depth < 0:
                yield text[start:index]
                return
        elif char == "," and not depth:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _pair(piece: str, depth: int) -> tuple[str, object]:
    piece = piece.strip()
    match = re.match(r"(?:'(\w{1,80})': ?|\"(\w{1,80})\": ?|(\w{1,80})=)", piece)
    if match is None:
        return "", None
    return match[1] or match[2] or match[3], _value(piece[match.end() :].strip(), depth)


def _value(text: str, depth: int) -> object:
    """A literal, a bare word, or a mapping for `Name(a=1)`; None for anything else."""
    if not text or len(text) > _LONGEST_VALUE:
        return None
    dtype = _TORCH_DTYPE.match(text)
    if dtype:
        return dtype[1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a path with a backslash is no concern of the user
            value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        call = _CALL.match(text) if depth < _DEEPEST else None
        if call:
            return written_values(call["inside"], depth=depth + 1) or None
        return text if re.fullmatch(r"[\w./:@+-]{1,400}", text) else None
    return value
