"""Engine arguments as words of `vllm serve` of a release."""

from __future__ import annotations

from typing import Any

import pytest

from vram.errors import InputError
from vram.serving.words import as_flags, serve_flags_of
from vram.vllm.versions import NEWEST, Version


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ({"enforce_eager": True}, [("--enforce-eager",)]),
        ({"enable_prefix_caching": False}, [("--no-enable-prefix-caching",)]),
        ({"max_model_len": 8192, "dtype": "half"}, [("--max-model-len", "8192"), ("--dtype", "half")]),
        ({"max_model_len": -1}, [("--max-model-len", "auto")]),
        ({"quantization": "-x"}, [("--quantization=-x",)]),
        ({"gpu_memory_utilization": 0.9, "cpu_offload_gb": 1e-05}, [("--gpu-memory-utilization", "0.9"), ("--cpu-offload-gb", "1e-05")]),
        ({"kv_cache_dtype_skip_layers": ("0", "1")}, [("--kv-cache-dtype-skip-layers", "0", "1")]),
        ({"hf_overrides": {"a": {"b": [1, None]}}}, [("--hf-overrides", '{"a":{"b":[1,null]}}')]),
        ({"environment": {"A": "1"}, "quantization": None}, []),
    ],
)  # fmt: skip
def test_each_argument_is_its_flag(arguments: dict[str, Any], flags: list[tuple[str, ...]]) -> None:
    assert list(serve_flags_of(arguments, NEWEST)) == flags


@pytest.mark.parametrize(
    ("arguments", "version", "problem"),
    [
        ({"swap_space": 4.0}, (0, 18, 0), "is no flag of vLLM 0.18.0"),
        ({"frobnicate": 1}, (0, 33, 0), "is no flag of vLLM 0.33.0"),
        ({"max_model_len": -1}, (0, 13, 9), "cannot be left to vLLM 0.13.9; give a length"),
    ],
)
def test_what_a_release_does_not_take_is_refused(arguments: dict[str, Any], version: Version, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        serve_flags_of(arguments, version)


def test_a_release_takes_what_it_has() -> None:
    assert serve_flags_of({"swap_space": 4.0}, (0, 17, 0)) == (("--swap-space", "4.0"),)
    assert serve_flags_of({"max_model_len": -1}, (0, 14, 0)) == (("--max-model-len", "auto"),)


def test_words_are_put_together_by_flag() -> None:
    words = ("--a", "1", "2", "-b", "-5", "-", "--c=3", "d")
    assert as_flags(words) == (("--a", "1", "2"), ("-b", "-5", "-"), ("--c=3", "d"))
    assert as_flags(("x", "--a", "1")) == (("x",), ("--a", "1"))
    assert as_flags(()) == ()
