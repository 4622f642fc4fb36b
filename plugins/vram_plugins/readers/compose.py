"""Compose files: services with variables put in from `.env`, `env_file` and defaults, `extends`, GPUs reserved or asked for."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.compose_gpus import gpus_of
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, text_at
from vram_plugins.readers.expand import in_shell
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.merging import plain

_SERVICES = re.compile(r"""^[ \t{"']*services["']?[ \t]*:""", re.MULTILINE)
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
#: a secret that is empty unless somebody gives it, as nobody's file does
_SECRET = re.compile(r"\$\{([A-Za-z_]\w*(?:KEY|TOKEN|SECRET|PASSWORD)):?-\}")
_MAX_EXTENDS = 8
_ASKING = re.compile(r"bench|client|test|proxy|router|monitor|exporter|download|webui|frontend")
_ENV_FILES = (".env", ".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", "example.env")
_FROM = re.compile(r"^[^\S\n]*FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE | re.MULTILINE)


class Compose(DeploymentReader):
    """One server a service, where it runs an engine."""

    name = "compose"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return _SERVICES.search(text.text) is not None and "apiVersion:" not in text.text

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(_servers(text))


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    named, outside = _outside(text)
    for document in documents(text.path, text.text):
        services = document.block("services")
        for name, service in services.items():
            if isinstance(service, Block):
                whole = _extended(text, document, service, 0)
                process = _process(text, name, services.line_of(name), whole, outside)
                if named != ".env" and _uses(whole, outside):
                    process = evolve(
                        process, assumed=(*process.assumed, f"variables as {named} has them (there is no .env)")
                    )
                yield from list(servers(text, process)) or _built_elsewhere(process, whole)


def _built_elsewhere(process: Process, service: Block) -> Iterator[FoundServer]:
    """A service by vLLM's name whose image a Dockerfile makes that is not here, and that gets GPUs."""
    build = service.get("build")
    tags = service.at("build", "tags") if isinstance(build, Block) else None
    made = [service.at("build", key) for key in ("dockerfile", "context")] if isinstance(build, Block) else [build]
    names = [process.name, process.image or "", *(tags.texts() if isinstance(tags, Items) else ())]
    told = " ".join([*names, *(one for one in made if isinstance(one, Text))]).lower()
    runs = bool(process.argv) and not process.argv[0].startswith("-")  # a program; flags are for the image's own
    if build is None or runs or "vllm" not in told or _ASKING.search(process.name.lower()):
        return
    if process.gpus is not None or process.devices or service.get("gpus") is not None:
        problem = "runs an image of its own, and what that starts is not in this file"
        yield FoundServer(
            line=process.line,
            kind="compose",
            name=process.name,
            status="not_understood",
            problem=problem,
            gpus=process.gpus,
        )


def _outside(text: DeploymentText) -> tuple[str, dict[str, str]]:
    """The variables that compose puts in: those of `.env`, of which repositories keep an example alone."""
    for name in _ENV_FILES:
        content = text.beside(name)
        if content is not None:
            return name, variables(content)
    return ".env", {}


def _uses(service: Block, outside: Mapping[str, str]) -> bool:
    held = json.dumps(plain(service))
    return any(match[1] in outside for match in re.finditer(r"\$\{?([A-Za-z_]\w*)", held))


def variables(text: str | None) -> dict[str, str]:
    """The variables of a `.env` file: quotes off, comments away."""
    found: dict[str, str] = {}
    for line in (text or "").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        value = match[2].strip()
        if value[:1] in "'\"" and len(value) > 1 and value[0] in value[1:]:
            value = value[1 : value.index(value[0], 1)]
        else:
            value = re.sub(r"(?:^|\s+)#.*", "", value)
        found[match[1]] = in_shell(value, found)
    return found


def _extended(text: DeploymentText, document: Block, service: Block, depth: int) -> Block:
    """A service with what it extends under it (compose specification, extends)."""
    extends = service.get("extends")
    if extends is None or depth > _MAX_EXTENDS:
        return service
    name = extends if isinstance(extends, Text) else extends.text("service") if isinstance(extends, Block) else None
    file = extends.text("file") if isinstance(extends, Block) else None
    other: Block | None = document
    if file is not None:
        content = text.beside(file)
        other = next(iter(documents(file, content)), None) if content is not None else None
    base = other.at("services", name or "") if other is not None else None
    if other is None or not isinstance(base, Block):
        return service
    return _over(_extended(text, other, base, depth + 1), service)


def _over(base: Block, above: Block) -> Block:
    """A service over the one it extends: mappings merge, commands and images are replaced."""
    merged = empty(above.line)
    for block in (base, above):
        for key, value in block.items():
            old = merged.get(key)
            if key == "environment" and old is not None:
                value = _as_block(old, value)  # noqa: PLW2901
            elif isinstance(old, Block) and isinstance(value, Block):
                value = _over(old, value)  # noqa: PLW2901
            merged[key] = value
            merged.lines[key] = block.line_of(key)
    return merged


def _as_block(*many: Any) -> Block:
    merged = empty(1)
    for one in many:
        for key, value in environment_pairs(one):
            merged[key] = value
    return merged


def environment_pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Variables of a mapping or of a list of `A=b`."""
    if isinstance(value, Block):
        yield from value.items()
    elif isinstance(value, Items):
        for item in value.texts():
            name, equals, rest = item.partition("=")
            yield name.strip(), text_at(rest, getattr(item, "line", 1)) if equals else None


def _process(text: DeploymentText, name: str, line: int, service: Block, outside: Mapping[str, str]) -> Process:
    environment = _environment(text, service, outside)
    entrypoint = _words(service.get("entrypoint"), outside)
    argv = [*entrypoint, *_words(service.get("command"), outside)]
    image = in_shell(service.text("image") or "", outside, doubled=True) or _built_from(text, service)
    gpus, devices, left_out = gpus_of(service, environment, outside)
    return Process(
        line=line,
        kind="compose",
        name=name,
        argv=tuple(argv),
        replaces=bool(entrypoint),
        image=image or None,
        environment=environment,
        devices=devices,
        gpus=gpus,
        left_out=left_out,
        mounted=lambda path: _mounted(text, service, outside, path),
    )


def _environment(text: DeploymentText, service: Block, outside: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    files = service.get("env_file")
    for entry in files if isinstance(files, Items) else [files]:
        path = entry.text("path") if isinstance(entry, Block) else entry
        if isinstance(path, Text):
            found |= variables(text.beside(in_shell(path, outside)))
    for key, value in environment_pairs(service.get("environment")):
        if isinstance(value, Text):
            found[key] = in_shell(value, outside, doubled=True)
        elif key in outside:  # no value: that of where compose runs
            found[key] = outside[key]
    return found


def _words(value: Any, outside: Mapping[str, str]) -> list[str]:
    if isinstance(value, Items):
        return [text_at(_filled(w, outside), getattr(w, "line", value.line)) for w in value.texts()]
    if not isinstance(value, Text):
        return []
    # compose puts variables in before it splits the words
    whole = _filled(value, outside)
    try:
        words = shlex.split(whole.replace("\\\n", " "))
    except ValueError:
        words = whole.split()
    return [text_at(word, value.line) for word in words]


def _filled(word: str, outside: Mapping[str, str]) -> str:
    secrets = {name: f"${{{name}}}" for name in _SECRET.findall(word) if not outside.get(name)}
    return in_shell(word, {**outside, **secrets}, doubled=True)


def _built_from(text: DeploymentText, service: Block) -> str:
    """The image that a service's Dockerfile starts from, where that adds no entrypoint of its own."""
    build = service.get("build")
    if build is None:
        return ""
    folder = build if isinstance(build, Text) else build.text("context") if isinstance(build, Block) else None
    file = (build.text("dockerfile") if isinstance(build, Block) else None) or "Dockerfile"
    content = text.beside(f"{folder or '.'}/{file}")
    bases = _FROM.findall(content or "")
    plain = content is not None and not re.search(
        r"^[^\S\n]*(?:ENTRYPOINT|CMD)\b", content, re.IGNORECASE | re.MULTILINE
    )
    return str(bases[-1]) if bases and plain else ""


def _mounted(text: DeploymentText, service: Block, outside: Mapping[str, str], path: str) -> Text | None:
    """A file that a service mounts from beside the compose file."""
    for volume in service.at("volumes") or ():
        if isinstance(volume, Block):
            source, target = volume.text("source") or "", volume.text("target") or ""
        else:
            source, _, target = in_shell(str(volume or ""), outside).partition(":")
            target = target.split(":")[0]
        if not target or not source.startswith("."):
            continue
        below = path.removeprefix(target.rstrip("/"))
        if path == target or (path.startswith(target) and below.startswith("/")):
            content = text.beside(source + ("" if path == target else below))
            if content is not None:
                return text_at(content, 1)
    return None


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Compose()
