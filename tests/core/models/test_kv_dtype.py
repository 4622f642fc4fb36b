"""Bytes of one head's key and value, and of a latent token, by KV cache dtype."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram.models.kv_dtype import KVCacheDtype


def test_the_default_dtype_is_the_models_own() -> None:
    auto = KVCacheDtype(name="auto")

    assert auto.head_bytes(128, 128, dtype="bfloat16") == 512
    assert auto.head_bytes(128, 128, dtype="float32") == 1024
    assert not auto.quantized


def test_keys_and_values_may_have_different_head_sizes() -> None:
    assert KVCacheDtype(name="auto").head_bytes(192, 128, dtype="bfloat16") == 640


def test_a_fixed_width_ignores_the_models_dtype() -> None:
    assert KVCacheDtype(name="int6", bits=6).head_bytes(128, 128, dtype="float32") == 192


def test_odd_widths_are_rounded_up_to_bytes_on_each_side() -> None:
    # 3 bits × 100 = 37.5 bytes, twice
    assert KVCacheDtype(name="three", bits=3).head_bytes(100, 100, dtype="bfloat16") == 76


def test_a_latent_token_has_no_value() -> None:
    assert KVCacheDtype(name="fp8", bits=8).latent_bytes(576, dtype="bfloat16") == 576
    assert KVCacheDtype(name="packed", bits=8, latent_token_bytes=656).latent_bytes(576, dtype="bfloat16") == 656


def test_a_dtype_without_latent_attention_says_so() -> None:
    with pytest.raises(InputError, match="no multi-head latent attention"):
        KVCacheDtype(name="nvfp4", bits=4, latent=False).latent_bytes(576, dtype="bfloat16")
