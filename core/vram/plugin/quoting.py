"""Whether a file that a plugin wrote has a stranger's text as text: read back as whoever uses the file would read it."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

from vram.models.artifact import ArtifactRequest, GeneratedFile

#: what means nothing to a shell, to YAML, to JSON or to TOML
_PLAIN = re.compile(r"[\w./@:-]*")
#: shorter texts are in files for other reasons
_SHORTEST = 8


def render_problems(_: object, request: ArtifactRequest, *, given: tuple[GeneratedFile, ...]) -> Iterator[str]:
    """One file for each path, and no word of the request that breaks out of its quotes."""
    paths = [file.path for file in given]
    yield from (f"writes {path!r} twice" for path in sorted({path for path in paths if paths.count(path) > 1}))
    strangers = {word for word in (request.model, *request.words) if word and not _PLAIN.fullmatch(word)}
    for word in sorted(strangers):
        for file in given:
            yield from (f"writes {file.path!r}, which {problem}" for problem in _quoting(file, word))


def _quoting(file: GeneratedFile, stranger: str) -> Iterator[str]:
    """What is wrong with a file that has the stranger's text outside its comments."""
    said = "\n".join(line for line in file.text.splitlines() if not line.lstrip().startswith("#"))
    if stranger not in said or len(stranger) < _SHORTEST:
        return  # escaped, left out, or too short to tell from other words
    try:
        texts = list(_texts(file))
    except NotImplementedError:
        return  # a kind of file that nobody here reads
    except Exception as error:  # noqa: BLE001  of four parsers
        yield f"cannot be read with {stranger[:40]!r} in it ({type(error).__name__})"
        return
    words = {word for text in texts for word in (text, *_words(text))}
    if not any(
        stranger in word or stranger in word.replace("$$", "$") for word in words
    ):  # compose and Kubernetes double it
        yield f"holds {stranger[:40]!r} unquoted"


def _texts(file: GeneratedFile) -> Iterator[str]:
    """Every text that a reader of this kind of file finds in it. Raises what the reader raises, NotImplementedError."""
    kind = file.path.rpartition(".")[2].lower()
    if kind == "json":
        yield from _leaves(json.loads(file.text))
    elif kind in ("yaml", "yml") and "{{" not in file.text.replace("{{x}}", ""):
        import yaml

        for document in yaml.safe_load_all(file.text):
            yield from _leaves(document)
    elif kind == "toml":
        yield from _leaves(tomllib.loads(file.text))
    elif kind in ("sh", "bash") or file.executable or file.text.startswith("#!"):
        yield from shlex.split(file.text, comments=True)
    else:
        raise NotImplementedError


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value


def _words(text: str) -> list[str]:
    """A text as a shell's words, where it is a command."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return []
