"""Nix: containers of `virtualisation.oci-containers` whose words are all plain strings; any other server is named as not understood.

Nix is a language: what a value is worth, only its evaluation tells. A string without `${…}` in a list is the one thing that stands
there as it is (NixOS's options: oci-containers.containers.<name>.image, cmd, entrypoint, environment, extraOptions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.engines import is_vllm_image
from vram_plugins.readers.launch import Process, servers

_COMMENT = re.compile(r"#[^\n]*|/\*.*?\*/", re.DOTALL)
_IMAGE = re.compile(r"\bimage\s*=\s*\"([^\"\n$]+)\"\s*;")
_LIST = re.compile(r"\b(cmd|extraOptions)\s*=\s*\[((?:\s*\"(?:[^\"\\$\n]|\\.|\$(?!\{))*\")*)\s*\]\s*;")
_ANY = re.compile(r"\b(?:cmd|entrypoint)\s*=")
_STRING = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"")
_PAIRS = re.compile(r"\benvironment\s*=\s*\{([^{}]*)\}\s*;")
_PAIR = re.compile(r"([A-Za-z_]\w*)\s*=\s*\"([^\"\n$]*)\"\s*;")
_NAME = re.compile(r"([\w-]+|\"[\w.-]+\")\s*=\s*\{\s*\Z")
#: what is a server, and where the model of some module's own options stands
_STARTS = re.compile(r"\bvllm[\"']?\s+serve\b|vllm\.entrypoints|\bvllm\s*=\s*\{|\bservices\.vllm\b")
_MODEL = re.compile(r"\bmodel\s*=|--model\b|\bserve\b")
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
    held = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text.text)
    found = [match for match in list(_IMAGE.finditer(held))[:_MOST] if is_vllm_image(match[1])]
    for match in found:
        start, end = _around(held, match.start())
        yield from _container(text, held, start, end, match[1])
    place = _STARTS.search(held) if not found and _MODEL.search(held) else None
    if place is not None:
        line = held.count("\n", 0, place.start()) + 1
        yield FoundServer(line=line, kind="nix", status="not_understood", problem=_PROBLEM)


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
