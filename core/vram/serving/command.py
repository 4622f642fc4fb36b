"""From words or text to the engine arguments of a `vllm serve` command. Nothing is executed or expanded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vram.errors import InputError
from vram.models.deployment import ENGINE_DEFAULTS
from vram.models.record import evolve, field, frozen
from vram.serving.arguments import Given, engine_arguments, split
from vram.serving.config_file import with_config
from vram.vllm.versions import NEWEST, Version, assumed_of, parse_version

_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_WRAPPERS = {"sudo", "exec", "nohup", "time", "env", "command", "then", "do"}
_IMAGE = re.compile(r"(?:[\w.-]+/)*vllm-openai(?:-rocm)?(?::[\w.-]+)?(?:@[\w:]+)?")
#: mirrors keep the tag under vLLM's name or at the top of a registry; another's image of the same name has versions of its own
_IMAGE_TAG = re.compile(
    r"(?:(?:[\w.-]+(?::\d+)?/)*vllm/|[\w-]*[.:][\w.:-]*/)?vllm-openai(?:-rocm)?:v(\d+\.\d+\.\d+)\S*"
)
#: tags of builds: of vLLM's own image, and of AMD's, which state vLLM's release or the day ("rocm7.0.0_vllm_0.11.2_20251210")
_BUILD_TAG = re.compile(
    r"(?:[\w-]+[.:][\w.:-]*/)?(?:(?:[\w-]+/)*vllm/)?vllm-openai(?:-rocm)?:((?:nightly|main|latest)\b[\w.-]*)"
    r"|(?:[\w.-]+(?::\d+)?/)*rocm/vllm(?:-dev)?:(?:[\w.-]*?(?=nightly|main|latest))?([\w.-]+)"
)
_RELEASE_IN_TAG = re.compile(r"(?:vllm[_-]?v?|^v)(\d+\.\d+\.\d+)")
_SEPARATORS = {"&&", "||", ";", "|", "&"}


@frozen(kw_only=True)
class ServeCommand:
    """What a command asks for.

    `engine_args` are those that decide memory, under the library's names; `ignored` are flags of vLLM that do not, and `extra` the
    same with their values (which may be secrets);
    `refusals` are the sentences with which vLLM's parser stops at it, `unknown` the words that are no flag of the release;
    `left_out` says what could not be read, `assumed` what its surroundings do not say. `gpu` and `gpus` are the GPU and the number
    that they state, `vllm_version` what the image's tag says.
    """

    model: str
    engine_args: Mapping[str, Any] = field(factory=dict)
    ignored: tuple[str, ...] = ()
    extra: tuple[str, ...] = field(default=(), repr=False)
    unknown: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict, repr=False)  # may hold tokens
    revision: str | None = None
    trust_remote_code: bool = False
    gpus: int | None = None
    vllm_version: str | None = None
    gpu: str | None = None


def parse_words(
    words: Sequence[str], *, version: str | None = None, beside: Callable[[str], str | None] = lambda _: None
) -> ServeCommand:
    """A command given as words, as behind `vram estimate --`. Raises InputError.

    The flags are those of `version` ("0.19.1"), else of the image's tag, else of the newest release. `beside` gives the text of the
    file that `--config` names, None where it is not at hand.
    """
    words = [str(word) for word in words]
    start = _start(words)
    environment = _environment(words[: start if start is not None else 0])
    rest = words[start:] if start is not None else words
    stop = next((i for i, word in enumerate(rest) if word in _SEPARATORS or word.startswith((">", "2>"))), len(rest))
    tag = next(filter(None, map(_release_of, words[:start])), None)
    release = version or tag
    command = _read(rest[:stop], environment, parse_version(release) if release else NEWEST, beside)
    return evolve(command, vllm_version=tag) if tag else command


def _release_of(image: str) -> str | None:
    """What an image's tag says of vLLM's version: a release, or a build of main."""
    if own := _IMAGE_TAG.fullmatch(image):
        return own[1]
    build = _BUILD_TAG.fullmatch(image)
    tag = (build[1] or build[2]) if build else ""
    stated = _RELEASE_IN_TAG.search(tag)
    if stated:
        return stated[1]
    return tag if assumed_of(tag) and not tag.startswith("latest") else None


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


def _read(
    words: Sequence[str], environment: Mapping[str, str], version: Version, beside: Callable[[str], str | None]
) -> ServeCommand:
    words, missing = with_config(words, beside)
    found = split(words, version)
    model, revision, trust = None, None, False
    engine: list[Given] = []
    others: list[Given] = []
    for one in found.given:
        name = one.flag.name
        if name == "model" and one.values:
            model = one.values[0]
        elif name == "revision" and one.values:
            revision = one.values[0]
        elif name == "trust_remote_code":
            trust = one.on
        elif name in ENGINE_DEFAULTS or one.flag.effect in {"same", "decides"}:
            engine.append(one)
        else:
            others.append(one)
    named = (*found.positional, *((model,) if model is not None else ()))
    model = next((word for word in named if not word.startswith("$")), named[0] if named else None)
    more = [word for word in found.positional if word != model]
    if model is None:
        raise InputError(name="command", value=None, problem="names no model")
    return ServeCommand(
        model=model,
        engine_args=engine_arguments(engine),
        ignored=tuple(one.spelling for one in others),
        extra=tuple(word for one in others for word in one.words),
        unknown=found.unknown,
        refusals=(*found.refusals, *(f"unrecognized arguments: {word}" for word in more if not word.startswith("$"))),
        left_out=(*missing, *(f"{word} is not known here." for word in more if word.startswith("$"))),
        environment=environment,
        revision=revision,
        trust_remote_code=trust,
    )
