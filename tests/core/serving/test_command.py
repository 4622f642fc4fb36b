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


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ("vllm serve x/y", "x/y"),
        ("/opt/venv/bin/vllm serve x/y", "x/y"),
        ("sudo docker run vllm vllm serve x/y", "x/y"),
        ("python -m vllm.entrypoints.openai.api_server --model x/y", "x/y"),
        ("python3 -m vllm.entrypoints.api_server --model=x/y", "x/y"),
        ("docker run vllm/vllm-openai --model x/y", "x/y"),
        ("docker run registry.example:5000/a/vllm/vllm-openai:v0.11.0@sha256:ab12 --model x/y", "x/y"),
        ("docker run vllm-openai-rocm:latest --model x/y", "x/y"),
        ("docker run vllm/vllm-openai vllm serve x/y", "x/y"),
        ("x/y", "x/y"),
        ("--enforce-eager x/y", "x/y"),
        ("--model x/y", "x/y"),
        ("serve", "serve"),
    ],
)
def test_a_server_begins_behind_its_program_its_module_or_its_image(words: str, model: str) -> None:
    command = parse_words(words.split())
    assert (command.model, command.refusals) == (model, ())


@pytest.mark.parametrize(
    "begun", ["vllm serve", "python -m vllm.entrypoints.api_server", "docker run vllm/vllm-openai"]
)
def test_the_first_word_behind_is_of_the_server(begun: str) -> None:
    assert parse_words([*begun.split(), "--enforce-eager", "--model", "m"]).engine_args == {"enforce_eager": True}
    with pytest.raises(InputError, match="names no model"):
        parse_words(begun.split())


@pytest.mark.parametrize(
    "words",
    ["vllm", "vllm bench x/y", "python -m vllm.entrypoints.openai.other x/y", "docker run my/vllm-openai-fork x/y"],
)
def test_other_programs_of_vllm_are_no_server(words: str) -> None:
    """Their words are read as those behind `vllm serve`, which takes one model."""
    assert parse_words(words.split()).model == words.split(maxsplit=1)[0]


@pytest.mark.parametrize("stop", ["&&", "||", ";", "|", "&", ">", ">log", "2>", "2>&1", ">>x"])
def test_what_follows_the_command_is_none_of_it(stop: str) -> None:
    command = parse_words(["vllm", "serve", "x/y", "--max-num-seqs", "4", stop, "more", "--max-num-seqs", "5"])
    assert (command.engine_args, command.refusals) == ({"max_num_seqs": 4}, ())


def test_a_dash_or_a_number_before_the_sign_of_a_redirection_is_a_word() -> None:
    assert parse_words(["x/y", "3>z"]).refusals == ("unrecognized arguments: 3>z",)


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ("A=1 B=2 vllm serve m", {"A": "1", "B": "2"}),
        ("export A=1 vllm serve m", {"A": "1"}),
        ("sudo A=1 env B_2=x=y vllm serve m", {"A": "1", "B_2": "x=y"}),
        ("docker run -e A=1 --env B= --name C=3 -eD=4 image vllm serve m", {"A": "1", "B": ""}),
        ("nohup A=1 vllm serve m B=2", {"A": "1"}),
        ("time 2A=1 vllm serve m", {}),
        ("echo A=1 vllm serve m", {}),
        ("vllm serve m", {}),
        ("m A=1", {}),
        ("A=1 m", {}),
    ],
)
def test_the_environment_is_what_stands_before_the_command(words: str, environment: dict[str, str]) -> None:
    assert parse_words(words.split()).environment == environment


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.19.1", "0.19.1"),
        ("registry.example/mirror/vllm/vllm-openai:v0.9.2-cu126", "0.9.2"),
        ("registry.example:5000/vllm-openai:v0.10.0", "0.10.0"),
        ("vllm-openai:v0.10.0", "0.10.0"),
        ("vllm/vllm-openai-rocm:v0.14.0", "0.14.0"),
        ("vllm/vllm-openai:latest", None),
        ("vllm/vllm-openai", None),
        ("somebody/vllm-openai:v0.10.0", None),  # versions of their own
    ],
)
def test_an_images_tag_says_the_release_where_it_is_vllms(image: str, version: str | None) -> None:
    command = parse_words(["docker", "run", image, "--model", "x/y"])
    assert (command.model, command.vllm_version) == ("x/y", version)


def test_flags_are_those_of_the_release_that_is_said_else_of_the_images() -> None:
    words = ["docker", "run", "vllm/vllm-openai:v0.17.0", "--model", "x/y", "--swap-space", "4"]
    assert parse_words(words).engine_args == {"swap_space": 4.0}
    assert parse_words(words).refusals == ()
    assert parse_words(words, version="0.18.0").refusals
    assert parse_words(words, version="0.18.0").vllm_version == "0.17.0"
    assert parse_words(["x/y", "--swap-space", "4"]).refusals
    assert parse_words(["x/y", "--swap-space", "4"], version="0.17.0").refusals == ()


@pytest.mark.parametrize(
    ("words", "model", "refused", "left_out"),
    [
        ("a/b", "a/b", (), ()),
        ("$MODEL a/b", "a/b", (), ("$MODEL is not known here.",)),
        ("$MODEL $MORE", "$MODEL", (), ("$MORE is not known here.",)),
        ("$MODEL --model a/b", "a/b", (), ("$MODEL is not known here.",)),
        ("a/b c", "a/b", ("unrecognized arguments: c",), ()),
        ("a/b c $X d", "a/b", ("unrecognized arguments: c", "unrecognized arguments: d"), ("$X is not known here.",)),
        ("a/b --model c", "a/b", (), ()),
        ("--model c --model d", "d", (), ()),
    ],
)
def test_a_model_is_the_first_word_that_is_known(
    words: str, model: str, refused: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    command = parse_words(words.split())
    assert (command.model, command.refusals, command.left_out) == (model, refused, left_out)


def test_flags_that_decide_no_memory_keep_their_words() -> None:
    command = parse_words(
        ["m", "--port", "8000", "--api-key", "a", "b", "--host=-x", "--revision", "v1", "--trust-remote-code"]
    )
    assert command.extra == ("--port", "8000", "--api-key", "a", "b", "--host=-x")
    assert command.ignored == ("--port", "--api-key", "--host")
    assert (command.revision, command.trust_remote_code) == ("v1", True)
    assert parse_words(["m", "--no-trust-remote-code"]).trust_remote_code is False
    assert parse_words(["m"]).revision is None
