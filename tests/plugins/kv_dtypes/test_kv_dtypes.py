"""The built-in KV cache dtypes: vLLM's names, and its bytes for heads of 128."""

from __future__ import annotations

import pytest

import vram
from vram.models.kv_dtype import KVCacheDtype
from vram_plugins.kv_dtypes import fp8, nvfp4, per_token_head, rocm, turboquant, unquantized

PLUGINS = (unquantized, fp8, nvfp4, per_token_head, rocm, turboquant)
DTYPES = {dtype.name: dtype for plugin in PLUGINS for dtype in plugin.dtypes()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auto", 512),
        ("bfloat16", 512),
        ("fp8", 256),
        ("fp8_e5m2", 256),
        ("nvfp4", 2 * (64 + 8)),  # half a byte a number and a scale byte per 16
        ("int8_per_token_head", 256 + 8),
        ("fp8_per_token_head", 256 + 8),
        ("int4_per_token_head", 128 + 8),
        ("turboquant_k8v4", 196),  # 128 + 64 + 4
        ("turboquant_4bit_nc", 134),  # 64 + 2 + 64 + 4
        ("turboquant_k3v4_nc", 118),
        ("turboquant_3bit_nc", 102),
    ],
)
def test_a_head_of_128_takes_vllms_bytes(name: str, expected: int) -> None:
    assert DTYPES[name].head_bytes(128, 128, dtype="bfloat16") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("octave_k3v4", 248),  # 32 + 72 + 128 + 5 scales of 2, to 8
        ("octave_k3v3", 216),  # 32 + 72 + 96 + 10, to 8
        ("octave_k3v3_compact", 196),  # 96 + 96 + 4
        ("ultraquant_4bit", 272),  # 2 × (128 + 8)
    ],
)
def test_amds_formats_take_vllms_slot_of_a_head_of_256_and_no_nvidia_gpu(name: str, expected: int) -> None:
    assert DTYPES[name].head_bytes(256, 256, dtype="bfloat16") == expected
    checks = vram.estimate("Qwen/Qwen3-8B", gpu="H100", kv_cache_dtype=name).verdict.checks
    assert [check.message for check in checks if not check.passed] == [f"KV cache dtype {name} runs on rocm alone"]


@pytest.mark.parametrize(
    ("version", "gpu", "runs"),
    [("0.31.0", "H100", False), ("0.32.0", "H100", True), ("0.33.0", "A100", True), ("0.33.0", "T4", False), ("0.20.0", "B200", True)],
)  # fmt: skip
def test_nvfp4_runs_on_older_gpus_since_0_32(version: str, gpu: str, runs: bool) -> None:
    checks = vram.estimate("Qwen/Qwen3-8B", gpu=gpu, kv_cache_dtype="nvfp4", vllm_version=version).verdict.checks
    # since 0.28 the attention backends are asked
    assert all(check.passed for check in checks if check.name in ("kv_cache_dtype", "attention_backend")) is runs


def test_packed_latent_formats_have_fixed_sizes() -> None:
    assert DTYPES["fp8_ds_mla"].latent_bytes(576, dtype="bfloat16") == 656
    assert DTYPES["nvfp4_ds_mla"].latent_bytes(576, dtype="bfloat16") == 352


def test_names_and_aliases_are_unique() -> None:
    names = [name for dtype in DTYPES.values() for name in (dtype.name, *dtype.aliases)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=lambda dtype: dtype.name)
def test_no_dtype_is_wider_than_float32_or_free(dtype: KVCacheDtype) -> None:
    assert 0 < dtype.head_bytes(64, 64, dtype="float32") <= 512
