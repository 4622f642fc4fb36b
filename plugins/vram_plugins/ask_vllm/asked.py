"""What the child is asked: a folder with the model's small files, the GPU's facts, and the arguments that decide."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vram.architecture.engine import EngineRequest
from vram.errors import InputError
from vram.models.deployment import ENGINE_DEFAULTS
from vram_plugins.ask_vllm.errors import AskError

#: how much of the GPU is used, and what the pool is, is told after the model is built
_TOLD_LATER = frozenset({"gpu_memory_utilization", "kv_cache_memory_bytes", "cpu_offload_gb", "swap_space"})
#: what vLLM builds beside the model, by other code than the child runs
_BUILT_BESIDE = ("speculative_config", "enable_lora")
_LONGEST_READ = 2**20
_MOST_FILES = 2000


def facts_of(request: EngineRequest) -> dict[str, Any]:
    """The request but for its folder. Raises AskError, InputError where the engine cannot be asked that."""
    checkpoint, args, gpu = request.checkpoint, request.args, request.gpu
    if checkpoint.manual is not None or checkpoint.source == "gguf":
        what = "dimensions by hand" if checkpoint.manual is not None else "a GGUF file"
        raise AskError(problem=f"it builds a model from a config.json, not from {what}")
    for name in _BUILT_BESIDE:
        if getattr(args, name) != ENGINE_DEFAULTS[name]:
            raise InputError(name=name, value=None, problem="cannot be asked of vLLM; leave it out, or --ask-vllm")
    given = {name: getattr(args, name) for name in ENGINE_DEFAULTS if name not in (*_TOLD_LATER, "environment")}
    return {
        "gpu": {
            "name": next(iter(gpu.driver_names), gpu.name),
            "capability": list(gpu.compute_capability),
            "memory_bytes": request.gpu_memory_bytes,
            "sm_count": gpu.sm_count,
        },
        "args": {name: _plain(value) for name, value in given.items() if value != ENGINE_DEFAULTS[name]},
        "trust_remote_code": request.trust_remote_code,
        "environment": dict(args.environment or {}),
    }


def contents_of(request: EngineRequest) -> list[tuple[str, str | int | float]]:
    """What the answer depends on of the model's files: small ones by their text, others by size and time."""
    found: list[tuple[str, str | int | float]] = [
        ("config.json", json.dumps(_config(request), sort_keys=True, default=str))
    ]
    for path in _files_beside(request):
        facts = path.stat()
        small = path.suffix in (".json", ".py") and facts.st_size <= _LONGEST_READ
        found.append((path.name, path.read_text(errors="replace") if small else facts.st_size))
        found.append((path.name, 0 if small else facts.st_mtime))
    return found


@contextmanager
def model_folder(request: EngineRequest) -> Iterator[str]:
    """A folder with the config, and links to whatever else lies beside it; code only where it is trusted."""
    with tempfile.TemporaryDirectory(prefix="vram-ask-", ignore_cleanup_errors=True) as folder:
        Path(folder, "config.json").write_text(json.dumps(_config(request), default=str), encoding="utf-8")
        for path in _files_beside(request):
            Path(folder, path.name).symlink_to(path.resolve())
        yield folder


def _config(request: EngineRequest) -> dict[str, Any]:
    checkpoint = request.checkpoint
    config = {name: _plain(value) for name, value in checkpoint.config.raw.items()}
    if not request.trust_remote_code:
        config.pop("auto_map", None)  # vLLM's own class of that name is built, if it has one
    if checkpoint.quantization and not checkpoint.config.has("quantization_config") and checkpoint.source == "catalog":
        config["quantization_config"] = _plain(checkpoint.quantization)
    return config


def _files_beside(request: EngineRequest) -> list[Path]:
    """Files in the model's folder, where it has one."""
    path = Path(request.checkpoint.config.path)
    if request.checkpoint.source not in ("local", "cache", "graph") or not path.is_file():
        return []
    beside = [one for one in sorted(path.parent.iterdir()) if one.is_file() and one.name != "config.json"]
    allowed = [one for one in beside if request.trust_remote_code or one.suffix != ".py"]
    return allowed[:_MOST_FILES] if os.path.basename(path) == "config.json" else []


def _plain(value: Any) -> Any:
    """Mappings and sequences of records as JSON has them."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
