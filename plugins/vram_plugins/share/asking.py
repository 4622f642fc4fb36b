"""What is to share, and what with: models as words with options or as mappings, GPUs as names with a number before them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from vram.errors import InputError
from vram.gpus import choose_hardware
from vram.models.deployment import EngineArgs
from vram.models.profile import Hardware
from vram.models.record import evolve, record_fields
from vram.plugin import Plugins
from vram.serving import parse_count, parse_words
from vram_plugins.readers.gpu_counts import kind_of

MOST_GPUS, MOST_MODELS = 64, 16
#: short flags that every command here takes, with vLLM's own
_SHORT = {
    short: "--" + one.name.replace("_", "-")
    for one in record_fields(EngineArgs).values()
    for short in one.metadata.get("short", ())
}
#: options of a model's words that are not vLLM's, with the argument of `vram.estimate` that each is
_BESIDES = {"--concurrency": "concurrency", "--vllm-version": "vllm_version", "--revision": "revision"}


def asked_models(models: Sequence[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Arguments of `vram.estimate` for each. Raises InputError."""
    if not 1 <= len(models) <= MOST_MODELS:
        raise InputError(name="models", value=len(models), problem=f"must be from 1 to {MOST_MODELS}")
    return [_from_words(one) if isinstance(one, str) else _checked(dict(one)) for one in models]


def _checked(arguments: dict[str, Any]) -> dict[str, Any]:
    if not arguments.get("model"):
        raise InputError(name="models", value=sorted(arguments), problem="each needs a model")
    taken = {"gpu", "gpu_memory_gib", "used_gib"} & {name for name, value in arguments.items() if value is not None}
    if taken:
        raise InputError(name=min(taken), value=arguments[min(taken)], problem="belongs to all models, not to one")
    return arguments


def _from_words(text: str) -> dict[str, Any]:
    """'Qwen/Qwen3-8B -c 16384 --concurrency 8': the words behind `vllm serve`, and how it is used. Raises InputError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(name="models", value=text[:80], problem=f"has {error}".lower()) from None
    found: dict[str, Any] = {}
    rest: list[str] = []
    words = words[2:] if words[:2] == ["vllm", "serve"] else words
    at = 0
    while at < len(words):
        flag, mark, value = words[at].partition("=")
        if flag not in _BESIDES:
            rest.append(_SHORT.get(flag, flag) + mark + value)
        else:
            at += 0 if mark else 1
            value = value if mark else words[at] if at < len(words) else ""
            found[_BESIDES[flag]] = parse_count("concurrency", value) if flag == "--concurrency" else value
        at += 1
    command = parse_words(["vllm", "serve", *rest])
    if command.unknown:
        raise InputError(name="models", value=command.unknown[0], problem="is no flag of vLLM")
    if not command.model:
        raise InputError(name="models", value=text[:80], problem="names no model")
    found.setdefault("revision", command.revision)
    return {"model": command.model, "trust_remote_code": command.trust_remote_code, **command.engine_args, **found}


def asked_gpus(
    registry: Plugins, gpus: str | Sequence[str], *, used_gib: float | Sequence[float] | None, profile: str | None
) -> list[Hardware]:
    """Each GPU, with what others hold of it already. Raises InputError, UnknownNameError."""
    names: list[str] = []
    for text in [gpus] if isinstance(gpus, str) else gpus:
        for part in filter(None, (one.strip() for one in text.split(","))):
            kind = kind_of(part)
            names += [str(kind.gpu)] * (kind.count or 1)
    if not 1 <= len(names) <= MOST_GPUS:
        raise InputError(name="gpu", value=len(names), problem=f"must be from 1 to {MOST_GPUS} GPUs")
    several = isinstance(used_gib, Sequence) and len(used_gib) > 1
    if isinstance(used_gib, Sequence) and several and len(used_gib) != len(names):
        problem = f"must be one figure, or one for each of the {len(names)} GPUs"
        raise InputError(name="used_gib", value=list(used_gib), problem=problem)
    held = list(used_gib or [0.0]) if isinstance(used_gib, Sequence) else [used_gib or 0.0]
    figures = held if several else held * len(names)
    known: dict[tuple[str, float], Hardware] = {}
    for name, used in zip(names, figures, strict=True):
        if (name, used) not in known:
            known[name, used] = choose_hardware(registry, gpu=name, profile=profile, used_gib=used)
    return [evolve(known[pair]) for pair in zip(names, figures, strict=True)]
