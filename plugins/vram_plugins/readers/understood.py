"""What words behind `vllm serve` say: the command, the release whose flags they are, or why they are not enough."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from vram.errors import InputError
from vram.models.record import frozen
from vram.models.serve_flags import Release, serve_flags
from vram.serving import parse_words
from vram.serving.command import ServeCommand
from vram_plugins.readers.expand import plain, unset_in

#: the problem of words that have none
NO_MODEL = "names no model"
_IMAGE_MODEL = re.compile(r"(?:[\w.-]+(?::\d+)?/)*vllm-openai[\w.-]*(?:[:@].*)?")
#: the first release whose flags are in the table
_FIRST: Release = (0, 6, 6)
#: a blank to be filled in, in the way that variables are spelt ("MODEL_ID")
_BLANK_MODEL = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|MODEL|(__|@@?|%)[A-Z][A-Z0-9_]*?\1")
_PROGRAM_MODEL = re.compile(r"(?:/usr)?(?:/local)?/s?bin/.*|(?:ba|da|z)?sh|python3?|vllm|serve")
_ASIDE = {"--port", "--host", "--api-key", "--served-model-name"}
#: vLLM's own image without a release in its tag: the newest one
_NEWEST_IMAGE = re.compile(r"(?:[\w.-]+/)*vllm-openai(?::(?:latest|nightly|main)[\w.-]*)?")


@frozen(kw_only=True)
class Understood:
    """A command, or the problem with its words; `version` is the release that was chosen for them where none is said."""

    command: ServeCommand | None = None
    problem: str | None = None
    version: str | None = None


def understood(words: Sequence[str], *, image: str | None, version: str | None, newest: bool) -> Understood:
    """What words mean in the release that the image or the file says; `newest` where the file installs whatever that is.

    Where neither tells the release and the newest one would refuse the words, it is an older one that runs.
    """
    chosen = None
    try:
        command = parse_words((*((image,) if image else ()), "vllm", "serve", *words), version=version)
        told = version or command.vllm_version
        if command.refusals and not told and not (newest if image is None else _NEWEST_IMAGE.fullmatch(image)):
            chosen = _older(tuple(words))
    except InputError as error:
        about_words = error.data.get("name") != "vllm_version"
        unset = next((found for word in _deciding(words) if about_words and (found := unset_in(word))), None)
        if NO_MODEL in str(error):
            return Understood(problem=NO_MODEL)
        return Understood(problem=f"needs {plain(unset)}, which nothing here sets" if unset else plain(str(error)))
    problem = _problem(command)
    return Understood(problem=problem) if problem else Understood(command=command, version=chosen)


def _deciding(words: Sequence[str]) -> list[str]:
    """Words with those last whose value decides nothing: a sentence is about what matters."""
    aside = [index for index, word in enumerate(words) if index and words[index - 1] in _ASIDE]
    return [word for index, word in enumerate(words) if index not in aside] + [words[index] for index in aside]


def _problem(command: ServeCommand) -> str | None:
    model = command.model
    unset = unset_in(model) or next((found for v in _values(command.engine_args) if (found := unset_in(v))), None)
    if unset:
        return f"needs {plain(unset)}, which nothing here sets"
    if _BLANK_MODEL.fullmatch(model):
        return f"needs {model}, which nothing here sets"
    if not model.strip() or _IMAGE_MODEL.fullmatch(model) or _PROGRAM_MODEL.fullmatch(model):
        return NO_MODEL
    return "has a model with a blank in its name" if re.search(r"\s", model) and "/" not in model[:1] else None


@lru_cache(maxsize=256)
def _older(words: tuple[str, ...]) -> str | None:
    """The newest release whose parser takes all words; None for words that none takes."""
    for release in _releases():
        version = ".".join(map(str, release))
        try:
            if not parse_words(("vllm", "serve", *words), version=version).refusals:
                return version
        except InputError:
            continue
    return None


@lru_cache(maxsize=1)
def _releases() -> tuple[Release, ...]:
    """The releases in which flags came, and the first of which they are known, newest first."""
    flags = serve_flags().values()
    return tuple(sorted({flag.since for flag in flags} - {(0, 0, 0)} | {_FIRST}, reverse=True))


def _values(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner)
    elif isinstance(value, str):
        yield value
