"""Dockerfiles: what the last stage's ENTRYPOINT and CMD start, with ARG and ENV put in (Docker's Dockerfile reference)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen
from vram_plugins.readers.documents import Text, text_at
from vram_plugins.readers.engines import is_vllm_image, on_named_device
from vram_plugins.readers.expand import in_shell
from vram_plugins.readers.launch import Process, pinned, servers, unpinned

_NAMED = re.compile(r"(?:.*[./_-])?(?:Dockerfile|Containerfile)(?:[._-].*)?", re.IGNORECASE)
_FROM = re.compile(r"^[ \t]*FROM[ \t]+\S", re.IGNORECASE | re.MULTILINE)
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
_DOCUMENT = re.compile(r"<<-?[\"']?([A-Za-z_]\w*)[\"']?")
_PAIR = re.compile(r"([A-Za-z_][\w.-]*)=((?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\\.|[^\s\"'\\])*)", re.DOTALL)


@frozen(kw_only=True)
class _Line:
    """One instruction; `text` keeps its continuations, so that lines in it count on. `document` is the here-document behind it."""

    word: str
    text: str
    line: int
    document: Text | None = None


@frozen(kw_only=True)
class _Stage:
    """A stage as far as it is read. Words are None where the image's own stand."""

    image: str
    name: str = ""
    line: int = 1
    environment: dict[str, str] = field(factory=dict)
    arguments: dict[str, str] = field(factory=dict)
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    copied: tuple[tuple[str, str], ...] = ()
    written: tuple[tuple[str, Text], ...] = ()  # files that stand in the Dockerfile itself


class Dockerfile(DeploymentReader):
    """The server that a built image starts."""

    name = "dockerfile"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return _NAMED.fullmatch(text.path.rsplit("/", 1)[-1]) is not None and _FROM.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(on_named_device(text.path, _servers(text)))


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    stage = _last_stage(text.text)
    if stage is None:
        return
    entrypoint, command = stage.entrypoint, stage.command
    if entrypoint is not None and entrypoint[:2] == ("/bin/sh", "-c") and len(entrypoint) > 2:
        command = None  # a shell's text takes no further words
    argv = (*(entrypoint or ()), *(command or ()))
    line = next((getattr(w, "line", None) for w in argv if hasattr(w, "line")), None) or stage.line
    from_beside: list[str] = []

    def mounted(name: str) -> Text | None:
        for target, content in reversed(stage.written):
            if target.rsplit("/", 1)[-1] == name.rsplit("/", 1)[-1]:
                return content
        for source, target in stage.copied:
            place = target + source.rsplit("/", 1)[-1] if target.endswith(("/", "/.")) or target == "." else target
            if place.rsplit("/", 1)[-1] == name.rsplit("/", 1)[-1]:
                beside = text.beside(source)
                if beside is not None:
                    from_beside.append(name)
                    return text_at(beside, line)
        return None

    process = Process(
        line=line,
        kind="dockerfile",
        name=stage.name,
        argv=argv,
        replaces=entrypoint is not None,
        image=stage.image,
        vllm_version=pinned(in_shell(text.text, {**stage.arguments, **stage.environment})),
        newest=unpinned(text.text) and not is_vllm_image(stage.image),
        environment=stage.environment,
        mounted=mounted,
    )
    for server in servers(text, process):
        yield evolve(server, line=line) if from_beside else server


def _last_stage(text: str) -> _Stage | None:
    """The stage that a build gives without `--target`."""
    outside: dict[str, str] = {}
    stages: dict[str, _Stage] = {}
    stage: _Stage | None = None
    for at in _instructions(text):
        if at.word == "FROM":
            stage = _begun(at, outside, stages)
        elif stage is None:
            outside |= _arguments(at, outside) if at.word == "ARG" else {}
        else:
            stage = _with(stage, at, outside)
        if stage is not None:
            stages[stage.name or f"\0{len(stages)}"] = stage
    return stage


def _begun(at: _Line, outside: dict[str, str], stages: dict[str, _Stage]) -> _Stage:
    words = [word for word in _flat(at.text).split() if not word.startswith("--")]
    image = in_shell(words[0], outside) if words else ""
    name = words[2] if len(words) > 2 and words[1].lower() == "as" else ""
    base = stages.get(image)
    if base is not None:
        return evolve(base, name=name, line=at.line, arguments={})
    return _Stage(image=image, name=name, line=at.line)


def _with(stage: _Stage, at: _Line, outside: dict[str, str]) -> _Stage:
    """A stage and one more instruction."""
    known = {**stage.arguments, **stage.environment}
    match at.word:
        case "ARG":
            return evolve(stage, arguments={**stage.arguments, **_arguments(at, {**outside, **known}, outside)})
        case "ENV":
            return evolve(stage, environment={**stage.environment, **_environment(_flat(at.text), known)})
        case "ENTRYPOINT":
            return evolve(stage, entrypoint=_words(at), command=None)
        case "CMD":
            return evolve(stage, command=_words(at))
        case "COPY" | "ADD" | "RUN" if at.document is not None:
            target = (
                re.search(r">\s*(\S+)|\btee\s+(\S+)", at.text) if at.word == "RUN" else re.search(r"(\S+)\s*$", at.text)
            )
            name = next((group for group in target.groups() if group), "") if target else ""
            return evolve(stage, written=(*stage.written, (in_shell(name, known), at.document))) if name else stage
        case "COPY" | "ADD":
            words = _flat(at.text).replace('"', " ").replace(",", " ").strip("[] ").split()
            words = [in_shell(w, known) for w in words if not w.startswith("--")]
            copied = tuple((source, words[-1]) for source in words[:-1][:20])
            return evolve(stage, copied=(*stage.copied, *copied))
    return stage


def _arguments(at: _Line, known: dict[str, str], outside: dict[str, str] | None = None) -> dict[str, str]:
    """`ARG name=default …`; one without a default has the value of the same ARG in front of the first FROM."""
    text = _flat(at.text)
    if "=" not in text:
        name = text.strip()
        return {name: outside[name]} if outside and name in outside else {}
    return _environment(text, known)


def _environment(text: str, known: dict[str, str]) -> dict[str, str]:
    """`NAME=value …`, or the old form `NAME value`."""
    found = {}
    if not re.match(r"\s*[A-Za-z_][\w.-]*=", text):
        name, _, value = text.strip().partition(" ")
        return {name: in_shell(value.strip(), known)}
    for name, raw in _PAIR.findall(text):
        value = raw if "'" in raw else in_shell(raw, known)
        found[name] = re.sub(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|\\(.)", lambda m: m[1] or m[2] or m[3] or "", value)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in found.items()}


def _words(at: _Line) -> tuple[str, ...]:
    """The words of CMD and ENTRYPOINT: a JSON list, or a shell and its text."""
    text = _flat(at.text).strip()
    if text.startswith("["):
        try:
            words = json.loads(text)
        except (ValueError, RecursionError):
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return tuple(text_at(word, at.line) for word in words)
    return (text_at("/bin/sh", at.line), "-c", text_at(at.text, at.line))


def _flat(text: str) -> str:
    return re.sub(r"\\[ \t]*\r?\n", " ", text)


def _instructions(text: str) -> Iterator[_Line]:
    """Each instruction with its continuations; comments among them stay as empty continuations, here-documents are left out."""
    escape = "`" if re.match(r"\s*#\s*escape\s*=\s*`", text) else "\\"
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        start = index
        pieces: list[str] = []
        while index < len(lines):
            line = lines[index]
            index += 1
            if line.lstrip().startswith("#") or (pieces and not line.strip()):
                if not pieces:
                    break
                pieces.append("\\")
                continue
            if line.rstrip().endswith(escape):
                pieces.append(line.rstrip()[:-1] + "\\")
                continue
            pieces.append(line)
            break
        match = _INSTRUCTION.fullmatch("\n".join(pieces))
        if match is None:
            continue
        if match[1].upper() in {"RUN", "COPY", "ADD"} and (document := _DOCUMENT.search(match[2])):
            end = next((i for i in range(index, len(lines)) if lines[i].strip() == document[1]), None)
            body = text_at("\n".join(lines[index:end]), index + 1) if end is not None else None
            index = index if end is None else end + 1
            yield _Line(word=match[1].upper(), text=match[2], line=start + 1, document=body)
            continue
        yield _Line(word=match[1].upper(), text=match[2], line=start + 1)


def reader() -> Dockerfile:
    """The reader of Dockerfiles."""
    return Dockerfile()
