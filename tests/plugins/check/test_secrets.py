"""What a file keeps secret stays so, and what only looks like it stays readable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from vram.cli import cli
from vram.models.deployment_reader import FoundServer
from vram_plugins.check.secrets import masked

SECRET = "s3cr3t-of-ours"
FORMS = ("text", "json", "github", "sarif", "junit")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "server",
    [
        {"words": f"Qwen/Qwen3-8B --api-key {SECRET}"},
        {"words": f"Qwen/Qwen3-8B --api-key={SECRET} {SECRET}"},
        {"words": f"Qwen/Qwen3-8B --hf-token {SECRET} --max-model-len {SECRET}"},
        {"words": f"s3://me:{SECRET}@bucket/x"},
        {"words": f"https://AKIAABCDEFGH:{SECRET}@host.example/x --api-key x"},
        {"words": f"--api-key {SECRET}"},
        {"words": f'Qwen/Qwen3-8B --hf-overrides {{"api_key":"{SECRET}"}}'},
        {"words": f"{SECRET}/x", "environment": {"HF_TOKEN": SECRET}},
        {"words": "Qwen/Qwen3-8B", "name": f"a-{SECRET}", "environment": {"DB_PASSWORD": SECRET}},
        {"words": "Qwen/Qwen3-8B", "gpu": SECRET, "environment": {"AWS_SECRET_ACCESS_KEY": SECRET}},
        {"status": "not_understood", "problem": f"calls http://user:{SECRET}@host/v1"},
        {"status": "not_understood", "problem": f"sends Bearer {SECRET}"},
        {"status": "not_vllm", "problem": f"runs {SECRET}", "environment": {"OPENAI_API_KEY": SECRET}},
    ],
    ids=str,
)
def test_no_form_prints_a_secret(repository: Callable[..., Path], server: dict[str, object], form: str) -> None:
    repository("x.serve", {"gpu": "H100", **server})
    done = CliRunner().invoke(cli, ["check", ".", "--format", form, "--offline"])
    assert done.output
    assert SECRET not in done.output


@pytest.mark.parametrize(
    "token",
    ["hf_abcdefghijklmnop", "sk-proj-abcdefgh", "ghp_abcdefghijkl", "glpat-abcdefghijkl", "eyJhbGciOiJIUzI1.eyJz.abc"],
)
def test_what_looks_like_a_token_is_none_of_anybodys_business(token: str) -> None:
    assert masked(f"needs {token} here") == "needs *** here"


def test_numbers_and_models_are_no_secrets() -> None:
    found = FoundServer(
        line=1, kind="x", words=("Qwen/Qwen3-8B", "--max-model-len", "8192", "--tokenizer", "Qwen/Qwen3-8B", "--task", "auto"),
        environment={"MAX_TOKENS": "8192", "VLLM_API_KEY": "8192", "TOKENIZERS_PARALLELISM": "true", "KEY": "x"},
    )  # fmt: skip
    text = "vllm serve Qwen/Qwen3-8B --max-model-len 8192 x true"
    assert masked(text, found) == text


def test_json_keeps_its_form_around_a_secret(repository: Callable[..., Path]) -> None:
    repository("x.serve", {"gpu": "H100", "words": f"Qwen/Qwen3-8B --api-key {SECRET}"})
    assert json.loads(CliRunner().invoke(cli, ["check", ".", "--json"]).stdout)[0]["status"] == "starts"


def test_a_folder_that_begins_like_a_token_is_none() -> None:
    text = "/data/hf_models/Llama-3.1-8B-Instruct hf_cache_dir hf_transfer"
    assert masked(text) == text
    assert masked("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") == "***"
