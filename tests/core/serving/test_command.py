"""Commands as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram.errors import InputError, VramError
from vram.serving import parse_text, parse_words

SCRIPT = """#!/bin/bash
export HF_TOKEN=hf_secret
# the old one: vllm serve some/thing --tensor-parallel-size 1
CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-8B \\
   --tensor-parallel-size 2 --max-model-len=32k -q fp8 --served-model-name big small \\
   --speculative-config '{"method": "mtp",
     "num_speculative_tokens": 1}' --no-enable-chunked-prefill --frobnicate 3 \\
   --gpu_memory_utilization 0.85 > log.txt 2>&1 &
"""


def test_a_script_with_continuations_quotes_prefixes_and_redirections() -> None:
    command = parse_text(SCRIPT)
    assert command.model == "Qwen/Qwen3-8B"
    assert command.engine_args == {
        "tensor_parallel_size": 2,
        "max_model_len": 32000,  # a small k is decimal, as in vLLM
        "quantization": "fp8",
        "speculative_config": {"method": "mtp", "num_speculative_tokens": 1},
        "enable_chunked_prefill": False,
        "gpu_memory_utilization": 0.85,
    }
    assert command.ignored == ("--served-model-name",)


def test_unknown_flags_are_named_and_not_fatal() -> None:
    assert parse_text(SCRIPT).unknown == ("--frobnicate",)


def test_a_token_in_the_environment_is_not_shown() -> None:
    assert "hf_secret" not in repr(parse_text(SCRIPT))


def test_docker_run_with_the_image_and_its_version() -> None:
    words = "docker run --gpus all -e A=b -p 8000:8000 vllm/vllm-openai:v0.19.1 --model x/y -tp 4 --enforce-eager"
    command = parse_words(words.split())
    assert (command.model, command.vllm_version) == ("x/y", "0.19.1")
    assert command.engine_args == {"tensor_parallel_size": 4, "enforce_eager": True}


def test_the_module_form_and_flags_without_a_command() -> None:
    module = parse_words(
        ["python", "-m", "vllm.entrypoints.openai.api_server", "--model", "x/y", "--max-num-seqs", "8"]
    )
    bare = parse_words(["x/y", "--max-num-seqs", "8"])
    assert module.engine_args == bare.engine_args == {"max_num_seqs": 8}


def test_auto_and_minus_one_ask_for_the_length_that_fits() -> None:
    for text in ("auto", "-1"):
        assert parse_words(["x/y", "--max-model-len", text]).engine_args["max_model_len"] == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo hello", "no vLLM server in it"),
        ("vllm serve --tensor-parallel-size 2", "names no model"),
        ("vllm serve x/y --max-model-len long", "is not a number"),
        ("vllm serve x/y --speculative-config '{'", "is not JSON"),
    ],
)
def test_what_cannot_be_understood_is_one_clear_sentence(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        parse_text(text)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_command_or_an_error_of_ours(text: str) -> None:
    with suppress(VramError):
        parse_text("vllm serve x/y " + text)


def test_a_json_argument_may_be_given_key_by_key() -> None:
    # vLLM's `utils/argparse_utils.py`: --json-arg.key.inner value
    words = "m --speculative-config.method mtp --speculative-config.num_speculative_tokens=3 --limit-mm-per-prompt.image.count 0"
    read = parse_words(words.split()).engine_args
    assert read["speculative_config"] == {"method": "mtp", "num_speculative_tokens": 3}
    assert read["limit_mm_per_prompt"] == {"image": {"count": 0}}


def test_speculation_has_short_flags() -> None:
    read = parse_words(["m", "--spec-method", "eagle3", "--spec-model", "some/draft", "--spec-tokens", "4"]).engine_args
    assert read["speculative_config"] == {"method": "eagle3", "model": "some/draft", "num_speculative_tokens": 4}
