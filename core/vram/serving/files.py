"""`vllm serve` in files: a shell script, a compose file, a Kubernetes manifest (or what helm template prints).

Only keys are read that compose and Kubernetes define; YAML is loaded with the safe loader and a size limit.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vram.errors import CheckpointError, InputError
from vram.models.record import evolve
from vram.serving.command import ServeCommand, parse_text, parse_words
from vram.serving.config_file import text_at

_MAX_BYTES = 1 << 19  # YAML of this size can take 5 s to read; manifests of hundreds of objects are smaller
_GPU = "nvidia.com/gpu"
_MAX_DEPTH = 12


def parse_file(path: str | Path) -> ServeCommand:
    """The first vLLM server in a file, with the number of GPUs it asks for. Raises InputError, CheckpointError."""
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointError(path=str(path), problem="is larger than any manifest")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CheckpointError(path=str(path), problem=f"cannot be read ({error.strerror or error})") from None
    if path.suffix not in {".yaml", ".yml", ".json"}:
        return parse_text(text, beside=lambda name: text_at(str(path.parent / name)))
    for document in _documents(path, text):
        for words, gpus in _containers(document, 0, set()):
            try:
                return evolve(parse_words(words), gpus=gpus)
            except InputError as error:
                if "names no model" not in str(error):
                    raise
    raise InputError(name="from-file", value=str(path), problem="has no container that runs vLLM with a model")


def _documents(path: Path, text: str) -> list[Any]:
    import yaml  # slow to import, needed here alone

    try:
        return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" in line {line + 1}" if line is not None else ""
        raise CheckpointError(path=str(path), problem=f"is not valid YAML{where}") from None


def _containers(node: Any, depth: int, seen: set[int]) -> Iterator[tuple[list[str], int | None]]:
    """The words and GPUs of every container below a node that looks as if it ran vLLM.

    `seen` are the nodes visited: with aliases a few lines of YAML stand for any number of nodes.
    """
    if depth > _MAX_DEPTH or id(node) in seen:
        return
    if isinstance(node, list | Mapping):
        seen.add(id(node))
    if isinstance(node, list):
        for item in node:
            yield from _containers(item, depth + 1, seen)
    if not isinstance(node, Mapping):
        return
    words = _words_of(node)
    if words and any("vllm" in word for word in words):
        yield words, _gpus_of(node)
    for key, child in node.items():
        if key not in {"env", "environment", "labels", "annotations"}:
            yield from _containers(child, depth + 1, seen)


def _words_of(node: Mapping[Any, Any]) -> list[str]:
    """Image, command and arguments of a compose service or a container, as one list of words."""
    if not isinstance(node.get("image"), str) and not isinstance(node.get("command"), str | list):
        return []
    words = [node["image"]] if isinstance(node.get("image"), str) else []
    for key in ("entrypoint", "command", "args"):
        value = node.get(key)
        if isinstance(value, str):
            words += _split(_literal(value))
        elif isinstance(value, list):
            parts = [_literal(str(item)) for item in value if not isinstance(item, list | Mapping)]
            # `sh -c "vllm serve ..."` holds the command in one word
            words += [w for part in parts for w in (_split(part) if _is_command(part, [*words, *parts]) else [part])]
    return words


def _is_command(word: str, words: list[str]) -> bool:
    """Whether one word holds a whole command: a shell's, and not a path with a blank in it."""
    shelled = any(other.rsplit("/", 1)[-1] in {"sh", "bash"} for other in words)
    return " " in word and "vllm" in word and (shelled or word.lstrip().startswith(("vllm ", "python")))


def _literal(text: str) -> str:
    """`$$` is a dollar sign in compose and in Kubernetes, because both replace variables in commands."""
    return text.replace("$$", "$")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError:
        return text.split()


def _gpus_of(node: Mapping[Any, Any]) -> int | None:
    """GPUs a container asks for: Kubernetes limits, or compose device reservations."""
    resources = node.get("resources")
    if isinstance(resources, Mapping):
        for section in ("limits", "requests"):
            value = resources.get(section)
            count = value.get(_GPU) if isinstance(value, Mapping) else None
            if isinstance(count, int) or (isinstance(count, str) and len(count) < 12 and count.isdecimal()):
                return int(count)
    deploy: Any = node.get("deploy")
    for key in ("resources", "reservations", "devices"):
        deploy = deploy.get(key) if isinstance(deploy, Mapping) else None
    if isinstance(deploy, list):
        for device in deploy:
            if isinstance(device, Mapping) and isinstance(device.get("count"), int):
                return int(device["count"])
            if isinstance(device, Mapping) and isinstance(device.get("device_ids"), list):
                return len(device["device_ids"])
    return None
