"""What the environment of a vLLM server decides about its memory and its start: `vllm/envs.py` of every release, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from os.path import dirname, join

from vram.errors import InputError
from vram.models.record import frozen, record_fields
from vram.vllm.versions import Version, parse_version


@frozen(kw_only=True, cache_hash=True)
class Environment:
    """What is decided; None is left to vLLM.

    `estimates_graphs`: the pool is charged an estimate of the graphs. `v1_engine`, `v2_runner`: which serves. `any_length`: no
    refusal beyond the model's length. `attention_backend`: a name of 0.14 or before. `chunk_tokens` of experts at once, 0 for all.
    `flashinfer_sampler`: who samples. `score_mib`: a sparse indexer's room.
    """

    estimates_graphs: bool | None = None
    v1_engine: bool | None = None
    v2_runner: bool | None = None
    any_length: bool | None = None
    attention_backend: str | None = None
    chunk_tokens: int | None = None
    flashinfer_sampler: bool | None = None
    score_mib: int | None = None


#: what each variable decides, the first release that reads it, and the first that does so no longer
READ: Mapping[str, tuple[str, Version, Version]] = {
    "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": ("estimates_graphs", (0, 18, 0), (999, 0, 0)),
    "VLLM_USE_V1": ("v1_engine", (0, 8, 0), (0, 11, 0)),
    "VLLM_USE_V2_MODEL_RUNNER": ("v2_runner", (0, 12, 0), (999, 0, 0)),
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": ("any_length", (0, 6, 0), (999, 0, 0)),
    "VLLM_ATTENTION_BACKEND": ("attention_backend", (0, 6, 0), (0, 15, 0)),
    "VLLM_FUSED_MOE_CHUNK_SIZE": ("chunk_tokens", (0, 6, 0), (0, 18, 0)),
    "VLLM_USE_FLASHINFER_SAMPLER": ("flashinfer_sampler", (0, 8, 0), (999, 0, 0)),
    "VLLM_SPARSE_INDEXER_MAX_LOGITS_MB": ("score_mib", (0, 19, 0), (999, 0, 0)),
}


def decided_by(variables: Mapping[str, str] | None, version: Version) -> Environment:
    """What a server's variables decide in a version. Raises InputError for a value that vLLM cannot read."""
    found: dict[str, object] = {}
    for name, (what, since, until) in READ.items():
        text = str((variables or {}).get(name, "")).strip()
        if text and since <= version < until:
            kind = str(record_fields(Environment)[what].type)
            found[what] = text if kind.startswith("str") else _number(name, text, switch=kind.startswith("bool"))
    return Environment(**found)  # type: ignore[arg-type]


def decides(name: str) -> bool:
    """Whether a variable decides memory or a start in some release, read here or not."""
    return name in READ or any(name == one[0] for one in _unread())


def unread(variables: Mapping[str, str] | None, version: Version) -> Iterator[str]:
    """A sentence for each variable given that decides memory and that no rule here reads (variables.txt)."""
    for name, since, gone, direction in _unread() if variables else ():
        if (
            (variables or {}).get(name)
            and not direction.startswith("=")  # a platform's record reads it
            and parse_version(since) <= version
            and (gone == "-" or version < parse_version(gone))
        ):
            yield f"{name} is not modelled: {direction}."


@lru_cache(maxsize=1)
def _unread() -> list[list[str]]:
    with open(join(dirname(__file__), "variables.txt"), encoding="utf-8") as lines:
        return [line.strip().split(maxsplit=3) for line in lines if not line.startswith("#")]


def _number(name: str, text: str, *, switch: bool) -> int | bool:
    if name == "VLLM_ALLOW_LONG_MAX_MODEL_LEN":
        return text.lower() in {"1", "true"}
    if not text.isdecimal() or len(text) > 12:
        raise InputError(name=name, value=text, problem="must be a whole number, as vLLM reads it")
    return bool(int(text)) if switch else int(text)
