"""Every flag of vLLM has an effect on record, wherever it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command import vram

import vram as library

DBO = (
    "--enable-dbo is not modelled: two half batches have workspaces of their own, so that activations take more than counted "
    "and the cache has less."
)
MODEL = "Qwen/Qwen3-8B"


@pytest.mark.parametrize(
    "words",
    [
        ("estimate", MODEL, "--gpu", "H100", "--enable-dbo"),
        ("estimate", "--gpu", "H100", "--", "vllm", "serve", MODEL, "--enable-dbo"),
        ("estimate", "--gpu", "H100", f"vllm serve {MODEL} --enable-dbo"),
    ],
)
def test_a_flag_that_is_not_modelled_is_named_at_the_head_of_the_answer(words: tuple[str, ...]) -> None:
    shown = vram(*words).stdout.splitlines()
    assert shown[1] == f"! {DBO}"
    assert json.loads(vram(words[0], "--json", *words[1:]).stdout)["left_out"] == [DBO]


def test_the_library_and_a_file_name_it_too(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(f"vllm serve {MODEL} --enable-dbo\n")

    assert library.estimate(MODEL, gpu="H100", enable_dbo=True).left_out == (DBO,)
    assert library.estimate(MODEL, gpu="H100", enable_dbo=False, seed=3).left_out == ()
    assert DBO in vram("estimate", "--gpu", "H100", "--from-file", tmp_path / "run.sh").stdout
    assert DBO in vram("max-context", MODEL, "--gpu", "H100", "--enable-dbo").stderr


def test_a_flag_in_other_words_is_an_option_and_an_argument_of_the_library() -> None:
    few = library.estimate(MODEL, gpu="H100", max_cudagraph_capture_size=8)
    typed = vram("estimate", MODEL, "--gpu", "H100", "--max-cudagraph-capture-size", "8", "--json")
    assert json.loads(typed.stdout)["memory"] == few.to_dict()["memory"]
    assert few.memory.cuda_graphs.expected < library.estimate(MODEL, gpu="H100").memory.cuda_graphs.expected


def test_a_documented_command_with_spec_method_counts_the_draft() -> None:
    model = "deepseek-ai/DeepSeek-V3"
    plain, short, long = (
        json.loads(vram("estimate", "--gpu", "H200", "--json", "--", "vllm", "serve", model, "-tp", "8", *words).stdout)
        for words in ((), ("--spec-method", "mtp"), ("--speculative-config", '{"method": "mtp", "num_speculative_tokens": 1}'))
    )  # fmt: skip
    assert short["kv_cache"] == long["kv_cache"]
    assert short["kv_cache"]["tokens"] < plain["kv_cache"]["tokens"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--swap-space", "4"), "unrecognized arguments: --swap-space (it left vLLM with 0.18.0"),
        (("--max-model-length", "4"), "did you mean --max-model-len?"),
        (("--max-num", "4"), "ambiguous option: --max-num could match"),
        (("--max-num-seqs", "2k"), "is not a number such as 32768"),
    ],
)
def test_what_makes_vllm_stop_makes_us_stop(words: tuple[str, ...], said: str) -> None:
    done = vram("estimate", "--gpu", "H100", "--", "vllm", "serve", MODEL, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_version_decides_which_flags_there_are() -> None:
    done = vram(
        "estimate", "--gpu", "H100", "--vllm-version", "0.17.0", "--", "vllm", "serve", MODEL, "--swap-space", "4"
    )
    assert done.returncode == 0


def test_vllms_config_file_is_read_and_the_command_wins(tmp_path: Path) -> None:
    (tmp_path / "vllm.yaml").write_text("max-model-len: 4096\nmax-num-seqs: 7\n")
    words = ("vllm", "serve", MODEL, "--config", str(tmp_path / "vllm.yaml"), "--max-model-len", "2048")
    facts = json.loads(vram("estimate", "--gpu", "H100", "--json", "--", *words).stdout)
    assert (facts["deployment"]["max_model_len"], facts["deployment"]["max_num_seqs"]) == (2048, 7)

    absent = json.loads(vram("estimate", "--gpu", "H100", "--json", "--", *words[:4], "absent.yaml").stdout)
    assert absent["left_out"] == ["--config absent.yaml is not at hand: what it sets is left out."]


def test_dimensions_by_hand_take_no_overrides() -> None:
    done = vram("estimate", "--params-billion", "8", "--gpu", "H100", "--hf-overrides", '{"num_hidden_layers": 2}')
    assert done.returncode == 2
    assert "not for dimensions by hand" in done.stderr
