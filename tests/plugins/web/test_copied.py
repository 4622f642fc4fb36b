"""What the copy's worker asks of Python, here without a browser."""

import json
import re

import pytest

from vram_plugins.web import copied

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
    "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
}  # fmt: skip
UNKNOWN = "model=acme/tiny-8b&gpu=H100&max_model_len=4096"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def ask(query):
    status, kind, content, _ = copied.answered("GET", "/api/answer", query, "")
    assert kind == "application/json"
    return status, json.loads(content)


def test_a_public_config_is_wanted_once_and_then_answered_from():
    assert copied.unread(UNKNOWN) == "acme/tiny-8b"
    status, told = ask(UNKNOWN)
    assert (status, told["field"]) == (422, "model")

    copied.keep("acme/tiny-8b", "config.json", json.dumps(CONFIG))
    index = {"metadata": {"total_size": 16_060_522_496}, "weight_map": {"a": "model-00001-of-00004.safetensors"}}
    copied.keep("acme/tiny-8b", "model.safetensors.index.json", json.dumps(index))

    assert copied.unread(UNKNOWN) == ""
    status, told = ask(UNKNOWN)
    assert status == 200
    assert told["title"] == "tiny-8b on H100 80GB SXM: starts and fits"


@pytest.mark.parametrize(
    "model", ["Qwen/Qwen3-8B", "Qwen3-8B", "", "../../etc/passwd", "a/b/c", "https://elsewhere.example/x", "a/..", "x"]
)
def test_nothing_is_fetched_for_what_is_known_or_no_public_id(model):
    assert copied.unread(f"model={model}&gpu=H100") == ""


@pytest.mark.parametrize(
    ("model", "name"), [("../x", "config.json"), ("a..b/c", "config.json"), ("a/b", "../config.json"), ("a/b", "x.py")]
)
def test_only_files_of_a_model_are_kept(model, name):
    with pytest.raises(ValueError, match=re.escape(name)):
        copied.keep(model, name, "{}")


def test_a_file_to_keep_comes_with_its_name():
    query = "model=Qwen/Qwen3-8B&gpu=H100&max_model_len=8192"
    status, _, content, name = copied.answered("GET", "/download/compose", query, "")

    assert (status, name) == (200, "compose.yaml")
    assert b"Qwen/Qwen3-8B" in content


def test_what_is_pasted_is_answered_too():
    body = json.dumps({"text": "vllm serve Qwen/Qwen3-8B --max-model-len 8192", "gpu": "H100"})
    status, _, content, _ = copied.answered("POST", "/api/check", "", body)

    assert status == 200
    assert "starts and fits" in json.loads(content)["html"]


def test_what_is_not_there_is_said_so():
    assert copied.answered("GET", "/nothing", "", "")[0] == 404
