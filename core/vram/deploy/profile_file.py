"""The profile file: a request in YAML that `estimate`, `plan` and `generate` read back with -p.

    profile_version: 1
    model: {id: Qwen/Qwen3-8B, max_model_len: 32768}
    hardware: {gpu: H100, gpus: 2}
    workload: {prompt_tokens: 2000, gen_tokens: 500, concurrency: 16, batching_mode: balanced}
    policy: {gpu_memory_utilization: 0.9, headroom_gib: 1.0}
    outputs: {emit: [command, profile], vllm_args: {enforce_eager: true}}

`vram generate --emit profile` writes it; reading that gives the same request. Sections and keys may be left out; an
unknown key is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import fields

from vram.checkpoint.yaml_text import read_yaml
from vram.errors import CheckpointError, InputError, UnknownNameError
from vram.models.saved_request import SavedRequest, Serving

VERSION = 1
SECTIONS = ("model", "hardware", "workload", "policy", "outputs")
OTHERS = "vllm_args"

#: where each field of a request stands: section, key
PLACES: dict[str, tuple[str, str]] = {
    "model": ("model", "id"),
    **{name: ("model", name) for name in ("revision", "trust_remote_code", "params_billion", "layers", "kv_heads")},
    **{name: ("model", name) for name in ("head_dim", "hidden_size", "vocab_size", "vision_gib")},
    "gpu": ("hardware", "gpu"),
    "gpus": ("hardware", "gpus"),
    "gpu_memory_gib": ("hardware", "vram_gib"),
    "used_gib": ("hardware", "used_gib"),
    "interconnect": ("hardware", "interconnect"),
    "profile": ("hardware", "overhead_profile"),
    **{name: ("workload", name) for name in ("prompt_tokens", "gen_tokens", "concurrency", "batching_mode")},
    **{
        name: ("workload", name)
        for name in ("ttft_ms", "tpot_ms", "requests_per_second", "percentile", "goal", "lengths")
    },
    **{name: ("policy", name) for name in ("headroom_gib", "fragmentation_factor", "overhead_gib")},
    "emit": ("outputs", "emit"),
    "vllm_version": ("outputs", "vllm_version"),
}
#: engine arguments that people look for in another section than `outputs.vllm_args`
ENGINE_PLACES: dict[str, str] = {
    **dict.fromkeys(("dtype", "quantization", "kv_cache_dtype", "max_model_len"), "model"),
    **dict.fromkeys(("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"), "hardware"),
    "gpu_memory_utilization": "policy",
}
#: keys of similar tools, read and never written
_ALIASES: dict[tuple[str, str], str] = {
    ("model", "params_b"): "params_billion",
    ("model", "max_seq_len"): "max_model_len",
    ("hardware", "gpu_name"): "gpu",
    ("hardware", "vram_gb"): "vram_gib",
    ("policy", "headroom_gb"): "headroom_gib",
    ("policy", "overhead_gb"): "overhead_gib",
}


def read_profile(path: str | Path) -> SavedRequest:
    """The request in a file. Raises CheckpointError (not YAML, too large), InputError (an unknown key, a wrong type)."""
    document = read_yaml(path)
    if not isinstance(document, Mapping):
        raise CheckpointError(path=str(path), problem="is not a profile (no `profile_version: 1` in it)")
    version = document.get("profile_version")
    if version != VERSION or isinstance(version, bool):
        raise CheckpointError(path=str(path), problem=f"has no `profile_version: {VERSION}`, the only one known")
    values: dict[str, Any] = {}
    engine: dict[str, Any] = {}
    serving: dict[str, Any] = {}
    for section, key, value in _entries(document):
        _place(section, key, value, values=values, engine=engine, serving=serving)
    return SavedRequest(**values, engine_args=engine, serving=Serving(**serving))


def _entries(document: Mapping[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    """Section, key and value of everything that says something. Raises InputError."""
    for section, content in document.items():
        if section == "profile_version":
            continue
        if section not in SECTIONS:
            raise UnknownNameError(kind="section of a profile", name=str(section)[:80], known=SECTIONS)
        if content is None:
            continue
        if not isinstance(content, Mapping):
            raise InputError(name=section, value=type(content).__name__, problem="must be a section of keys and values")
        for key, value in content.items():
            if value is not None:
                yield section, _ALIASES.get((section, key), str(key)), value


def _place(
    section: str, key: str, value: Any, *, values: dict[str, Any], engine: dict[str, Any], serving: dict[str, Any]
) -> None:
    """Put one value where its key belongs. Raises UnknownNameError, InputError."""
    if isinstance(value, list):
        value = tuple(value)
    owner = next((field for field, place in PLACES.items() if place == (section, key)), None)
    if owner is not None:
        values[owner] = value
    elif ENGINE_PLACES.get(key) == section:
        engine[key] = value
    elif (section, key) == ("outputs", OTHERS):
        if not isinstance(value, Mapping):
            raise InputError(name=OTHERS, value=type(value).__name__, problem="must be vLLM's names with values")
        engine.update({str(name).replace("-", "_"): one for name, one in value.items() if one is not None})
    elif section == "outputs" and key in {a.name for a in fields(Serving)}:
        serving[key] = value
    else:
        raise UnknownNameError(kind=f"key of a profile's {section}", name=key[:80], known=_keys(section))


def _keys(section: str) -> tuple[str, ...]:
    found = [key for place, key in PLACES.values() if place == section]
    found += [name for name, place in ENGINE_PLACES.items() if place == section]
    if section == "outputs":
        found += [OTHERS, *(a.name for a in fields(Serving))]
    return tuple(found)
