"""Engine arguments as words of `vllm serve`: the inverse of `vram.serving.command`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vram.errors import InputError
from vram.vllm.versions import Version, format_version

#: the first release with a flag that 0.6 lacks, from the sources of every release (tests/conformance/releases.json)
_SINCE: dict[str, Version] = {
    "enable_sleep_mode": (0, 7, 0),
    "enable_expert_parallel": (0, 8, 0),
    "speculative_config": (0, 8, 2),
    "data_parallel_size": (0, 8, 3),
    "disable_hybrid_kv_cache_manager": (0, 9, 1),
    "async_scheduling": (0, 10, 0),
    "mamba_cache_dtype": (0, 10, 1),
    "mamba_ssm_cache_dtype": (0, 10, 1),
    "runner": (0, 10, 1),
    "skip_mm_profiling": (0, 10, 1),
    "decode_context_parallel_size": (0, 10, 2),
    "kv_cache_memory_bytes": (0, 10, 2),
    "mm_encoder_tp_mode": (0, 10, 2),
    "prefill_context_parallel_size": (0, 12, 0),
    "attention_backend": (0, 13, 0),
    "allow_deprecated_quantization": (0, 14, 0),
    "mamba_cache_mode": (0, 15, 0),
    "language_model_only": (0, 17, 0),
    "moe_backend": (0, 17, 0),
}
#: flags that were taken away, and the first version without them
_GONE_SINCE: dict[str, Version] = {"swap_space": (0, 18, 0)}
#: `--max-model-len auto` is new in 0.14 (`engine/arg_utils.py:human_readable_int_or_auto`)
_AUTO_SINCE: Version = (0, 14, 0)

Flag = tuple[str, ...]  # one flag's words: ("--max-model-len", "8192") or ("--enforce-eager",)


def serve_flags_of(arguments: Mapping[str, object], version: Version) -> tuple[Flag, ...]:
    """Each engine argument as its flag, in their order. None values are left out.

    Raises InputError for one that this version of `vllm serve` does not take.
    """
    flags = {name: value for name, value in arguments.items() if name != "environment" and value is not None}
    return tuple(_flag(name, value, version) for name, value in flags.items())


def _flag(name: str, value: object, version: Version) -> Flag:
    spelling = "--" + name.replace("_", "-")
    if version < _SINCE.get(name, (0, 0, 0)) or version >= _GONE_SINCE.get(name, (999, 0, 0)):
        problem = f"is no flag of vLLM {format_version(version)}"
        raise InputError(name=spelling, value=value, problem=problem)
    if isinstance(value, bool):
        return (spelling,) if value else ("--no-" + spelling[2:],)
    if isinstance(value, Mapping):
        return (spelling, json.dumps(dict(value), separators=(",", ":")))
    if name == "max_model_len" and value == -1:
        if version < _AUTO_SINCE:
            problem = f"cannot be left to vLLM {format_version(version)}; give a length"
            raise InputError(name=spelling, value="auto", problem=problem)
        return (spelling, "auto")
    text = repr(value) if isinstance(value, float) else str(value)
    return (f"{spelling}={text}",) if text.startswith("-") else (spelling, text)


def as_flags(words: tuple[str, ...]) -> tuple[Flag, ...]:
    """Words as given, one tuple per flag."""
    flags: list[list[str]] = []
    for word in words:
        if (word.startswith("-") and len(word) > 1 and not word[1].isdigit()) or not flags:
            flags.append([word])
        else:
            flags[-1].append(word)
    return tuple(tuple(flag) for flag in flags)
