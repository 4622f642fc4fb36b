"""From words or text to the engine arguments of a `vllm serve` command. Nothing is executed or expanded."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from vram.errors import InputError
from vram.models.deployment import JSON_VALUED, EngineArgs
from vram.models.record import evolve, field, frozen, record_fields
from vram.serving.flags import find_flag
from vram.serving.numbers import expand_counts, parse_count

_MAX_TEXT = 1 << 20  # longer commands are no commands
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_WRAPPERS = {"sudo", "exec", "nohup", "time", "env", "command", "then", "do"}
_ALIASES = {"kv_cache_memory": "kv_cache_memory_bytes", "spec_method": "speculative_config.method",
            "spec_model": "speculative_config.model", "spec_tokens": "speculative_config.num_speculative_tokens"}  # fmt: skip
_IMAGE = re.compile(r"(?:[\w.-]+/)*vllm-openai(?::[\w.-]+)?(?:@[\w:]+)?")
_IMAGE_TAG = re.compile(r"(?:[\w.-]+/)*vllm-openai:v(\d+\.\d+\.\d+)\S*")
_SEPARATORS = {"&&", "||", ";", "|", "&"}


@frozen(kw_only=True)
class ServeCommand:
    """What a command asks for.

    `engine_args` are those that decide memory, under the library's names; `ignored` are flags of vLLM that do not, and `extra` the
    same with their values (which may be secrets);
    `unknown` are flags this program has not heard of. `gpu` and `gpus` are the GPU and the number that the surroundings state,
    `vllm_version` what the image's tag says.
    """

    model: str
    engine_args: Mapping[str, Any] = field(factory=dict)
    ignored: tuple[str, ...] = ()
    extra: tuple[str, ...] = field(default=(), repr=False)
    unknown: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict, repr=False)  # may hold tokens
    revision: str | None = None
    trust_remote_code: bool = False
    gpus: int | None = None
    vllm_version: str | None = None
    gpu: str | None = None


def parse_text(text: str) -> ServeCommand:
    """The last `vllm serve` (or api_server) command in a script's text. Raises InputError."""
    if len(text) > _MAX_TEXT:
        raise InputError(name="command", value=text[:40], problem="is longer than any command")
    joined = re.sub(r"\\\r?\n", " ", text)
    found = None
    for line in _statements(joined):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            if "vllm" in line:
                raise InputError(name="command", value=line.strip()[:80], problem=f"has {error}".lower()) from None
            continue
        if _start(words) is not None:
            found = words
    if found is None:
        raise InputError(name="command", value=text.strip()[:80], problem="has no `vllm serve` in it")
    return parse_words(found)


def _statements(text: str) -> list[str]:
    """Lines, with those inside an open quote kept together."""
    statements, current = [], ""
    for line in text.splitlines():
        current = f"{current}\n{line}" if current else line
        try:
            shlex.split(current, comments=True)
        except ValueError:
            continue  # an open quote: the statement goes on in the next line
        statements.append(current)
        current = ""
    return [*statements, current] if current.strip() else statements


def parse_words(words: Sequence[str]) -> ServeCommand:
    """A command given as words, as behind `vram estimate --`. Raises InputError."""
    words = [str(word) for word in words]
    start = _start(words)
    environment = _environment(words[: start if start is not None else 0])
    rest = words[start:] if start is not None else words
    stop = next((i for i, word in enumerate(rest) if word in _SEPARATORS or word.startswith((">", "2>"))), len(rest))
    command = _read(rest[:stop], environment)
    tag = next((m[1] for word in words[:start] if (m := _IMAGE_TAG.fullmatch(word))), None)
    return evolve(command, vllm_version=tag) if tag else command


def _start(words: Sequence[str]) -> int | None:
    """The position behind `vllm serve`, or behind an api_server module or image that takes the flags directly."""
    for index, word in enumerate(words):
        name = word.rsplit("/", 1)[-1]
        if name == "vllm" and index + 1 < len(words) and words[index + 1] == "serve":
            return index + 2
        if word.startswith("vllm.entrypoints.") and "api_server" in word:
            return index + 1
    for index, word in enumerate(words):
        if _IMAGE.fullmatch(word):
            return index + 1
    return None


def _environment(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for previous, word in zip(["", *words], words, strict=False):
        if _ENVIRONMENT.fullmatch(word) and (previous in {"", "-e", "--env", "export", *_WRAPPERS} or "=" in previous):
            name, value = word.split("=", 1)
            found[name] = value
    return found


@frozen(kw_only=True)
class _Given:
    """One flag as it stands in the command."""

    spelling: str
    name: str
    values: tuple[str, ...]
    switch: bool = False


def _read(words: Sequence[str], environment: Mapping[str, str]) -> ServeCommand:
    given, positional, unknown = _split(words)
    engine: dict[str, Any] = {}
    known = record_fields(EngineArgs)
    ignored: list[str] = []
    extra: list[str] = []
    model, revision, trust = None, None, False
    for flag in given:
        name = _ALIASES.get(flag.name, flag.name)
        if name in {"model", "model_tag"} and flag.values:
            model = flag.values[0]
        elif name == "revision" and flag.values:
            revision = flag.values[0]
        elif name == "trust_remote_code":
            trust = flag.switch
        elif name in known:
            _store(engine, name, flag)
        elif name.split(".")[0] in JSON_VALUED and flag.values:
            _nest(engine, name.split("."), flag.values[0])
        else:
            ignored.append(flag.spelling)
            extra += _words_again(flag)
    model = positional[0] if positional else model
    if model is None:
        raise InputError(name="command", value=" ".join(words)[:80], problem="names no model")
    return ServeCommand(
        model=model,
        engine_args=engine,
        ignored=tuple(ignored),
        extra=tuple(extra),
        unknown=tuple(unknown),
        environment=environment,
        revision=revision,
        trust_remote_code=trust,
    )


def _split(words: Sequence[str]) -> tuple[list[_Given], list[str], list[str]]:
    """Flags with their words, positional words, and unknown flags."""
    given: list[_Given] = []
    positional: list[str] = []
    unknown: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("-") or word in {"-", "--"}:
            positional.append(word)
            continue
        flag = find_flag(word)
        attached = word.split("=", 1)[1:]
        following = 0
        while index + following < len(words) and not _is_flag(words[index + following]):
            following += 1
        spelling = word.split("=", 1)[0]
        if flag is None:
            unknown.append(spelling)
            index += 0 if attached else min(following, 1)
            continue
        name = flag.name
        if "." in spelling:
            name += spelling[spelling.index(".") :]
        if flag.takes == "switch":
            given.append(_Given(spelling=spelling, name=name, values=(), switch=not _negated(spelling, flag.name)))
            continue
        count = 0 if attached else following if flag.takes == "many" else min(following, 1)
        values = tuple(attached) or tuple(words[index : index + count])
        index += count
        given.append(_Given(spelling=spelling, name=name, values=values))
    return given, positional, unknown


def _words_again(flag: _Given) -> list[str]:
    """A flag's words such that they read the same: a value that looks like a flag stays attached."""
    if len(flag.values) == 1 and _is_flag(flag.values[0]):
        return [f"{flag.spelling}={flag.values[0]}"]
    return [flag.spelling, *flag.values]


def _is_flag(word: str) -> bool:
    return word.startswith("-") and not re.fullmatch(r"-\d+(\.\d+)?", word)


def _negated(spelling: str, name: str) -> bool:
    return spelling.replace("_", "-").startswith("--no-") and not name.startswith("no_")


def _store(engine: dict[str, Any], name: str, flag: _Given) -> None:
    """Put one value into the engine arguments, in its type. Raises InputError."""
    attribute = record_fields(EngineArgs)[name]
    if not flag.values:
        engine[name] = flag.switch
        return
    text = flag.values[0]
    kind = str(attribute.type)
    if name in JSON_VALUED:
        engine[name] = _json(name, text)
    elif "int" in kind:
        engine[name] = parse_count(name, text)
    elif "float" in kind:
        try:
            engine[name] = float(text)
        except ValueError:
            raise InputError(name=name, value=text, problem="is not a number") from None
    elif "bool" in kind:
        engine[name] = text.lower() not in {"false", "0", "no"}
    else:
        engine[name] = text


def _nest(engine: dict[str, Any], keys: list[str], text: str) -> None:
    """One value inside a JSON argument, as in `--speculative-config.method mtp`."""
    for key in keys[:-1]:
        engine[key] = engine = {**engine.get(key, {})}
    try:
        engine[keys[-1]] = json.loads(text)
    except ValueError:
        engine[keys[-1]] = text


def _json(name: str, text: str) -> Any:
    try:
        value = json.loads(expand_counts(text))
    except (ValueError, RecursionError):
        if name == "limit_mm_per_prompt" and re.fullmatch(r"(\w+=\d+,?)+", text):
            return {k: int(v) for k, v in (pair.split("=") for pair in text.split(",") if pair)}
        raise InputError(name=name, value=text[:80], problem="is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(name=name, value=text[:80], problem="is not a JSON object")
    return value
