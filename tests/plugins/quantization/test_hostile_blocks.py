"""Whatever a config.json claims, the answer is a number or one clear sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vram.errors import VramError
from vram.models.scheme import Quantization, QuantizationRequest
from vram.quantization.resolve import resolve

from .conftest import all_schemes, dense_layer, moe_layer, reference

_GROUPS = {"config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "strategy": "group"}}}}
_BROKEN: list[Mapping[str, Any]] = [
    {"quant_method": "awq", "bits": "four", "group_size": 128, "zero_point": True},
    {"quant_method": "awq", "bits": -4, "group_size": 128, "zero_point": True},
    {"quant_method": "awq", "bits": 4, "group_size": 0, "zero_point": True},
    {"quant_method": "awq", "bits": 4, "group_size": 10**30, "zero_point": True},
    {"quant_method": "awq", "bits": 4, "group_size": [128], "zero_point": True},
    {"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": {"a": 1}},
    {"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": [1, 2]},
    {"quant_method": "awq"},
    {"quant_method": "gptq", "bits": 5, "group_size": 128, "desc_act": False, "sym": True},
    {"quant_method": "gptq", "bits": 4, "group_size": -7, "desc_act": False, "sym": True},
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:(": {"bits": 8}}},
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:.*": {"bits": 99}}},
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:.*": 3}},
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": [1]},
    {"quant_method": "gptq", "bits": True, "group_size": 128},
    {"quant_method": "fp8", "activation_scheme": "sometimes"},
    {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128]},
    {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [0, 128]},
    {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [-128, 128]},
    {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": "128x128"},
    {"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": [128, 128]},
    {"quant_method": "fp8", "activation_scheme": 7},
    {"quant_method": "compressed-tensors", "config_groups": []},
    {"quant_method": "compressed-tensors", "config_groups": {"group_0": 3}},
    {"quant_method": "compressed-tensors", **_GROUPS},
    {"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 0}}}},
    {"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["re:["], "weights": {"num_bits": 8}}}},
    {
        "quant_method": "compressed-tensors",
        "config_groups": {"g": {"targets": ["Linear"], "weights": {"type": "complex"}}},
    },
    {
        "quant_method": "compressed-tensors",
        "config_groups": {"g": {"targets": ["Linear"], "weights": {"strategy": "x"}}},
    },
    {"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 3, "type": "float", "strategy": "tensor"}},
    {"quant_method": "compressed-tensors", "ignore": "lm_head"},
    {"quant_method": "modelopt", "quant_algo": "FP3"},
    {"quant_method": "modelopt"},
    {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"},
    {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": 1}},
    {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 0},
    {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": 8}},
    {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "W4A8_AWQ"}},
    {"quant_method": "quark"},
    {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp99", "qscheme": "per_tensor"}}},
    {"quant_method": "auto-round", "bits": 4},
    {"quant_method": "auto-round", "bits": 4, "group_size": 128, "extra_config": {"a": 1}},
    {"quant_method": "auto-round", "bits": 4, "group_size": [0, 0]},
    {"quant_method": "hqq"},
    {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 3, "group_size": 64}}},
    {"quant_method": "aqlm", "in_group_size": 8, "nbits_per_codebook": 64, "num_codebooks": 1},
    {"quant_method": "marlin", "group_size": 32},
    {"quant_method": "torchao"},
    {"quant_method": "torchao", "quant_type": {"default": {"_type": "UnheardOfConfig"}}},
    {"quant_method": "gguf"},
    {"quant_method": "gguf", "tensor_types": {"lm_head": "Q99"}},
    {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_storage": "bfloat16"},
    {"quant_method": "exl2", "bits": 4.25},
    {"quant_method": "no_such_method"},
    {"quant_method": 4},
    {"quant_method": ["awq"]},
]


def _ask(quantization: Quantization) -> None:
    for module in (*dense_layer(0), *moe_layer(0)):
        form = quantization.format_for(reference(module))
        if form is not None:
            local = module.local(1, 1, "bfloat16") if hasattr(module, "num_experts") else module.local(1, "bfloat16")
            (form.experts if hasattr(module, "num_experts") else form.linear)(local)


@pytest.mark.parametrize("block", _BROKEN, ids=lambda block: str(block)[:90])
def test_a_broken_block_ends_in_one_sentence(block: Mapping[str, Any], bind: Callable[..., Quantization]) -> None:
    with pytest.raises(VramError) as caught:
        _ask(bind(block))

    assert str(caught.value)
    assert "\n" not in str(caught.value)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = (
    "bits", "group_size", "zero_point", "modules_to_not_convert", "desc_act", "sym", "dynamic", "activation_scheme",
    "weight_block_size", "ignored_layers", "config_groups", "ignore", "format", "kv_cache_scheme", "quant_algo",
    "quantized_layers", "quantization", "global_quant_config", "layer_quant_config", "exclude", "extra_config",
    "block_name_to_quantize", "quant_config", "quant_type", "tensor_types", "llm_int8_skip_modules", "producer",
)  # fmt: skip
_SCHEMES = all_schemes()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(method=st.sampled_from(sorted(_SCHEMES)), fields=st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=6))
def test_no_block_makes_more_than_a_vram_error(method: str, fields: dict[str, Any]) -> None:
    request = QuantizationRequest(method="", config={"quant_method": method, **fields}, compute_capability=(8, 6))
    try:
        resolved = resolve(_SCHEMES, request)
        assert resolved is not None
        _ask(resolved.quantization)
    except VramError:
        pass
