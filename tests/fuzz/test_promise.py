"""An answer or a VramError, in time: for what fuzzing found once, and for what hypothesis makes up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vram
from vram.checkpoint.json_text import parse_object
from vram.errors import VramError

from .mutations import FIELDS, VALUES
from .promise import bounded
from .targets import CORPUS, TARGETS, estimate_of, seeds_of

#: `VRAM_FUZZ_EXAMPLES=20000 pytest tests/fuzz` for the long run of docs/robustness.md
EXAMPLES = int(os.environ.get("VRAM_FUZZ_EXAMPLES", "100"))
REAL = Path(__file__).parents[3] / "shared" / "model_configs"

often = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
_json = st.recursive(
    st.sampled_from(VALUES) | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
_BLOCK_FIELDS = """
quant_method bits group_size desc_act sym zero_point modules_to_not_convert ignore ignored_layers config_groups weights targets
input_activations num_bits type strategy symmetric dynamic format kv_cache_scheme quantization_status weight_block_size
activation_scheme fmt load_in_4bit load_in_8bit bnb_4bit_quant_storage quant_algo kv_cache_quant_algo exclude_modules group_0
packed_modules layer_quant_config global_quant_config nbits nnum_codebooks codebook_size in_group_size quant_type extra_config
"""
_METHODS = """
awq gptq fp8 compressed-tensors modelopt mxfp4 quark torchao gguf bitsandbytes aqlm hqq auto-round fbgemm_fp8 exl2 marlin x
"""
_block_value = st.recursive(
    st.sampled_from(VALUES) | st.sampled_from((2, 4, 8, 32, 128, -1)) | st.sampled_from(("group", "tensor", "int", "float")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_BLOCK_FIELDS.split()), inner, max_size=6),
    max_leaves=16,
)  # fmt: skip
_LLAMA = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 512, "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 2,
    "intermediate_size": 1024, "vocab_size": 1024, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_ends_in_an_answer_or_an_error_of_ours(path: Path) -> None:
    assert TARGETS[path.parent.name](path.read_bytes())


@often
@given(st.binary(max_size=200))
def test_real_configs_made_strange(data: bytes) -> None:
    assert TARGETS["config"](data)


@often
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=10), _json, max_size=30))
def test_arbitrary_json_as_a_config(config: dict[str, Any]) -> None:
    assert bounded(lambda: estimate_of(config, gpu="H100"))


@often
@given(
    st.sampled_from(_METHODS.split()), st.dictionaries(st.sampled_from(_BLOCK_FIELDS.split()), _block_value, max_size=8)
)
def test_arbitrary_quantization_blocks(method: str, block: dict[str, Any]) -> None:
    config = {**_LLAMA, "quantization_config": {"quant_method": method, **block}}
    assert bounded(lambda: estimate_of(config, gpu="H100"))


@often
@given(
    target=st.sampled_from(sorted(set(TARGETS) - {"config"})),
    cut=st.integers(0, 400),
    inserted=st.binary(max_size=12) | st.text(max_size=12).map(str.encode),
    base=st.integers(0, 200),
)
def test_readers_over_broken_files(target: str, cut: int, inserted: bytes, base: int) -> None:
    seeds = seeds_of(target)
    data = seeds[base % len(seeds)]
    assert TARGETS[target](data[:cut] + inserted + data[cut + len(inserted) // 2 :])


@often
@given(st.lists(st.sampled_from((
    "--gpu", "--tp", "-c", "--json", "--concurrency", "--vram-gib", "--layers", "--params-billion", "--quant", "--kv-dtype", "--dtype",
    "--vllm-version", "--profile", "--headroom-gib", "--speculative-config", "--limit-mm-per-prompt", "--check", "--", "vllm", "serve",
    "H100", "8", "0", "-1", "1e400", "nan", "fp8", "auto", "2**70", "{}", "[", '{"image": -1}', "0.7.3", "generic", "",
    "💥", "Qwen/Qwen3-8B",
)), max_size=12))  # fmt: skip
def test_command_lines(words: list[str]) -> None:
    assert TARGETS["command_line"]("\n".join(words).encode())


def test_error_sentences_hold_for_strange_data() -> None:
    with pytest.raises(VramError) as caught:
        estimate_of({**_LLAMA, "hidden_size": "{0.__class__}%s"}, gpu="H100")
    assert "{0.__class__}%s" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"{" + b",".join(b'"%d":[]' % i for i in range(400_000)) + b"}",
        b'{"hidden_size": ' + b"9" * 5_000 + b"}",
    ],
    ids=["nested lists", "nested objects", "many lists", "a long number"],
)
def test_json_made_to_overwhelm_is_refused_at_once(text: bytes) -> None:
    assert bounded(lambda: parse_object(text, "config.json")) == "CheckpointError"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the shared model configs")
@pytest.mark.parametrize("gpu", ["H200"])
def test_every_real_config_is_answered_or_refused_with_a_reason(gpu: str) -> None:
    refused = {}
    folders = [folder for folder in sorted(REAL.iterdir()) if (folder / "config.json").is_file()]
    for folder in folders:
        try:
            answer = vram.estimate(folder / "config.json", gpu=gpu, tensor_parallel_size=1).to_dict()
            assert json.loads(json.dumps(answer, allow_nan=False)) == answer
        except VramError as error:
            refused[folder.name] = str(error)
    assert all(len(reason) > 20 for reason in refused.values())
    assert len(refused) <= len(folders) // 10, refused  # 30 of 375: architectures of the last quarter, remote code
