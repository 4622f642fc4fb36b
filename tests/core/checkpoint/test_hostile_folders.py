"""Whatever lies in a model's folder: an answer or an error of ours."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vram.checkpoint.open import open_checkpoint

from .building import CONFIG, outcome, safetensors_bytes, write

_scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
_FIELDS = """
architectures text_config quantization_config compression_config quantization quant_algo quant_method producer name
exclude_modules kv_cache_quant_algo weight_map metadata total_size total_parameters dim n_layers moe num_experts
num_shared_experts sliding_window vision_encoder qformat_weight a
"""
_field = st.sampled_from(_FIELDS.split())
_json = st.recursive(
    _scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_field, inner, max_size=4), max_leaves=10
)
_object = st.dictionaries(_field, _json, max_size=5)
_NAMES = (
    "config.json",
    "params.json",
    "hf_quant_config.json",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)


def opened(files: dict[str, bytes | dict[str, object]]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), files)
        return outcome(lambda: open_checkpoint(folder))


@given(st.dictionaries(st.sampled_from(_NAMES), st.binary(max_size=60), max_size=3))
def test_any_bytes_in_any_file(files: dict[str, bytes]) -> None:
    assert opened({**files})


@given(st.dictionaries(st.sampled_from(_NAMES), _object, min_size=1, max_size=4))
def test_any_json_in_any_file(files: dict[str, dict[str, object]]) -> None:
    assert opened({name: json.dumps(content).encode("utf-8", "surrogatepass") for name, content in files.items()})


_file = st.sampled_from(
    ["a.safetensors", "model-00001-of-00003.safetensors", "b.bin", "sub/a.safetensors", "../x", "a\\b"]
)


@given(
    st.dictionaries(st.text(max_size=4), _file | _scalar, max_size=5),
    st.sets(_file.filter(lambda name: "/" not in name)),
)
def test_any_index_beside_any_files(weight_map: dict[str, object], present: set[str]) -> None:
    index = json.dumps({"weight_map": weight_map}).encode("utf-8", "surrogatepass")
    files = {name: safetensors_bytes({"a": ("U8", [4])}) for name in present}

    assert opened({"config.json": CONFIG, "model.safetensors.index.json": index, **files})
