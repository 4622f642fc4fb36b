"""Nix: containers of `virtualisation.oci-containers` and services whose words are plain strings; others are said not to be understood.

Nix is a language: what a value is worth, only its evaluation tells. What stands there as it is: strings, and names in them that the file
binds once, to a string or a number (NixOS's options: oci-containers.containers.<name>.image, cmd, entrypoint, environment, extraOptions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.engines import is_vllm_image
from vram_plugins.readers.launch import Process, servers

_COMMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|#[^\n]*|/\*.*?\*/", re.DOTALL)
_IMAGE = re.compile(r"\bimage\s*=\s*\"([^\"\n$]+)\"\s*;")
_LIST = re.compile(r"\b(cmd|extraOptions|devices)\s*=\s*\[((?:\s*\"(?:[^\"\\\n]|\\.)*\")*)\s*\]\s*;")
#: a name that is bound to a string or a number, and such a name in a string
_BOUND = re.compile(r"(?<![\w.'-])([A-Za-z_][\w'-]*)\s*=\s*(?:\"((?:[^\"\\$\n]|\\.)*)\"|(\d+(?:\.\d+)?))\s*;")
_PUT = re.compile(r"\$\{\s*(?:(?:builtins\.)?toString\s+)?([A-Za-z_][\w'-]*)\s*\}")
_EXEC = re.compile(r"\bExecStart\s*=\s*\"((?:[^\"\\\n]|\\.)*)\"\s*;")
#: a string of several lines: a script
_INDENTED = re.compile(r"''((?:[^']|'(?!')|''[$'\\])*)''")
_PACKAGE = re.compile(r"\$\{[\w.'-]+\}/bin/")
_ANY = re.compile(r"\b(?:cmd|entrypoint)\s*=")
_STRING = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"")
_PAIRS = re.compile(r"\benvironment\s*=\s*\{([^{}]*)\}\s*;")
_PAIR = re.compile(r"([A-Za-z_]\w*)\s*=\s*\"([^\"\n$]*)\"\s*;")
_NAME = re.compile(r"([\w-]+|\"[\w.-]+\")\s*=\s*\{\s*\Z")
#: what is a server, and where the model of some module's own options stands
_STARTS = re.compile(
    r"\bvllm[\"']?\s+serve\b|vllm\.entrypoints|\bvllm\s*=\s*\{|\bservices\.vllm\b|oci-containers\.containers\.\"?vllm"
)
_MODEL = re.compile(r"\bmodel\s*=|--model\b|\bserve\b|\bcmd\s*=")
_MOST = 64  # containers of a file
_PROBLEM = "is Nix, of which only its evaluation tells what runs"


class Nix(DeploymentReader):
    """One server for each container of vLLM's, and one that is not understood for each other place that starts one."""

    name = "nix"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return text.path.lower().endswith(".nix") and "vllm" in text.text.lower()

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(_servers(text))


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    held = _filled(_COMMENT.sub(_blank, text.text))
    services = list(_services(text, held))
    yield from services
    found = [match for match in list(_IMAGE.finditer(held))[:_MOST] if is_vllm_image(match[1])]
    for match in found:
        start, end = _around(held, match.start())
        yield from _container(text, held, start, end, match[1])
    place = _STARTS.search(held) if not found and not services and _MODEL.search(held) else None
    if place is not None:
        line = held.count("\n", 0, place.start()) + 1
        yield FoundServer(line=line, kind="nix", status="not_understood", problem=_PROBLEM)


def _blank(match: re.Match[str]) -> str:
    """A comment as blanks, its lines where they were; a string with `#` in it is none."""
    return match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0])


def _filled(held: str) -> str:
    """The text with names put into strings that it binds once, to what stands there."""
    bound: dict[str, str | None] = {}
    for match in _BOUND.finditer(held):
        value = match[2] if match[3] is None else match[3]
        bound[match[1]] = value if bound.get(match[1], value) == value else None
    return _PUT.sub(lambda match: match[0] if (value := bound.get(match[1])) is None else value, held)


def _services(text: DeploymentText, held: str) -> Iterator[FoundServer]:
    """Services of systemd that are started by a string: a program of a package, and its words."""
    for match in islice(_EXEC.finditer(held), _MOST):
        words = _PACKAGE.sub("", _plain(match[1]))
        if re.search(r"\bvllm\b", words) and "${" not in words:
            line = held.count("\n", 0, match.start()) + 1
            yield from (
                evolve(server, line=line, kind="nix") for server in text.within("script.sh", f"{words}\n", line)
            )
    for match in islice(_INDENTED.finditer(held), _MOST):
        if _STARTS.search(match[1]):
            script = _PACKAGE.sub("", match[1]).replace("''${", "${")
            line = held.count("\n", 0, match.start(1)) + 1
            yield from (evolve(server, kind="nix") for server in text.within("script.sh", f"{script}\n", line))


def _around(held: str, at: int) -> tuple[int, int]:
    """The braces around a place."""
    depth, start = 0, at
    for start in range(at, max(at - 20_000, -1), -1):
        depth += {"}": 1, "{": -1}.get(held[start], 0)
        if depth < 0:
            break
    depth, end = 0, at
    for end in range(at, min(at + 20_000, len(held))):
        depth += {"{": 1, "}": -1}.get(held[end], 0)
        if depth < 0:
            break
    return start, end


def _container(text: DeploymentText, held: str, start: int, end: int, image: str) -> Iterator[FoundServer]:
    body = held[start:end]
    line = held.count("\n", 0, start) + 1
    named = _NAME.search(held[: start + 1][-200:])
    name = named[1].strip('"') if named else ""
    lists = {match[1]: tuple(_plain(one) for one in _STRING.findall(match[2])) for match in _LIST.finditer(body)}
    if "entrypoint" in body or len(_ANY.findall(body)) != ("cmd" in lists):
        yield FoundServer(line=line, kind="nix", name=name, image=image, status="not_understood", problem=_PROBLEM)
        return
    options = lists.get("extraOptions", ())
    devices = tuple(word.split("=", 1)[-1] for word in options if "gpu" in word or "/dev/" in word)
    devices += lists.get("devices", ())
    pairs = _PAIRS.search(body)
    process = Process(
        line=line,
        kind="nix",
        name=name,
        argv=lists.get("cmd", ()),
        image=image,
        environment=dict(_PAIR.findall(pairs[1])) if pairs else {},
        devices=(*devices, *(("nvidia",) if "nvidia" in options else ())),
    )
    yield from servers(text, process)


def _plain(string: str) -> str:
    return re.sub(r"\\(.)", r"\1", string)


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Nix()
