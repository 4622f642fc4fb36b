"""A copy of the page that needs no server: built, served from loopback, and asked in a real browser."""

import json
import os
import shutil
import statistics
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.benchmarks import static_copy

import vram
from vram.cli import cli
from vram_plugins.web import export as exporting
from vram_plugins.web.export import PYODIDE

#: ten questions of all kinds, and the same for the library
QUESTIONS = [
    ("model=Qwen/Qwen3-8B&gpu=RTX+4090&max_model_len=16,384", {"max_model_len": 16384}),
    ("model=Qwen3-8B&gpu=RTX+4090&max_model_len=32K&concurrency=4", {"max_model_len": 32768, "concurrency": 4}),
    ("model=Qwen/Qwen3-32B&gpu=RTX+4090&gpus=2&max_model_len=32k", {"max_model_len": 32000, "gpus": 2}),
    ("model=Qwen/Qwen3-32B-AWQ&gpu=RTX+4090&tp=2&c=8k", {"tensor_parallel_size": 2, "max_model_len": 8000}),
    ("model=meta-llama/Llama-3.3-70B-Instruct&gpu=H100&gpus=4&concurrency=20&max_model_len=8192",
     {"gpus": 4, "concurrency": 20, "max_model_len": 8192}),
    ("model=openai/gpt-oss-120b&gpu=H100&kv_cache_dtype=fp8", {"kv_cache_dtype": "fp8"}),
    ("model=google/gemma-3-27b-it&gpu=L40S&enforce_eager=1", {"enforce_eager": True}),
    ("model=deepseek-ai/DeepSeek-V3&gpu=H200&gpus=8&enable_expert_parallel=1", {"gpus": 8, "enable_expert_parallel": True}),
    ("model=BAAI/bge-m3&gpu=L4", {}),
    ("model=Qwen/Qwen3-8B&gpu=H100&vllm_version=0.11.2&flags=--block-size+32", {"vllm_version": "0.11.2", "block_size": 32}),
]  # fmt: skip


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """The folder of the npm package `pyodide`: VRAM_PYODIDE, ./node_modules, or what npm fetches."""
    for place in (os.environ.get("VRAM_PYODIDE"), "node_modules/pyodide"):
        if place and (Path(place) / "pyodide.mjs").is_file():
            return Path(place)
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("npm")
    words = [npm, "pack", f"pyodide@{PYODIDE}", "--silent", "--pack-destination", str(folder)]
    try:
        done = npm and subprocess.run(words, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        done = None
    if not done or done.returncode:
        pytest.skip("no Pyodide: npm install pyodide, or VRAM_PYODIDE")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return folder / "package"


@pytest.fixture(scope="module")
def copy(runtime, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = CliRunner().invoke(cli, ["web", "--export", str(folder), "--pyodide", str(runtime)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def served(copy):
    with static_copy.served(copy) as url:
        yield url


def test_the_copy_is_whole_and_its_wheel_is_the_released_one(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    assert {name.partition("-")[0].lower() for name in manifest["wheels"]} >= {
        "vram_estimator",
        "click",
        "attrs",
        "pluggy",
        "pyyaml",
    }
    assert all((copy / name).stat().st_size == size for name, size in manifest["bytes"].items())
    (own,) = (copy / "wheels").glob("vram_estimator-*.whl")
    names = zipfile.ZipFile(own).namelist()
    assert "vram/checkpoint/catalog.jsonl" in names
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert "starts and fits" in (copy / "index.html").read_text()  # an answer before Python is there


def test_ten_answers_are_the_library_s(browser, served):
    page = browser.new_page()
    page.set_default_timeout(180_000)
    elsewhere, wrong = [], []
    page.on(
        "request", lambda request: None if request.url.startswith((served, "blob:")) else elsewhere.append(request.url)
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(served)
    assert "starts and fits" in page.locator("#verdict").text_content()
    page.locator("#details #command").wait_for()

    for query, asked in QUESTIONS:
        told = page.evaluate("query => window.vramAsk('api/estimate?' + query).then(one => one.body)", query)
        fields = dict(pair.split("=", 1) for pair in query.split("&"))
        expected = vram.estimate(fields["model"], gpu=fields["gpu"].replace("+", " "), **asked)
        assert told["estimate"] == json.loads(json.dumps(expected.to_dict())), query

    page.goto(f"{served}?model=Qwen3-32B&gpu=RTX+4090&tp=2&max-model-len=32k")  # the same addresses
    page.locator("#verdict").wait_for()
    assert page.locator("#verdict").text_content() == "✗does not start"
    page.get_by_role("link", name="Qwen3-32B-AWQ").click()
    page.locator(".card.good").wait_for()
    page.locator("#details #command").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="compose").click()
    assert "Qwen/Qwen3-32B-AWQ" in waiting.value.path().read_text()
    page.goto(f"{served}?colour=blue")
    page.get_by_role("alert").wait_for()
    assert "'colour'" in page.get_by_role("alert").text_content()
    assert elsewhere == []
    assert wrong == []
    page.close()


def test_an_answer_follows_a_change_soon(browser, served):
    """Speed is stated by `python -m tests.benchmarks.static_copy`; this finds what became ten times slower."""
    for kind in ("slider", "field"):
        median = statistics.median(one.work for one in static_copy.later_answers(browser, served, kind, 5))
        print(f"\nthe copy, a change of a {kind}: median {median:.0f} ms of work")
        assert median < 10 * static_copy.GOAL_MS


def test_a_public_config_is_read_from_the_hub_by_the_browser(browser, served):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
        "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
    }  # fmt: skip
    asked = []

    def hub(route):
        asked.append(route.request.url.partition("huggingface.co")[2])
        there = asked[-1].endswith("/config.json")
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(status=200 if there else 404, body=json.dumps(config) if there else "", headers=headers)

    with browser.new_context() as context:
        context.route("https://huggingface.co/**", hub)
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.goto(f"{served}?model=acme/tiny-8b&gpu=H100&max_model_len=4096")
        page.locator("#verdict").wait_for()

        assert "acme/tiny-8b on H100" in page.locator(".about").first.text_content()
        assert asked[0] == "/acme/tiny-8b/resolve/main/config.json"
        assert all(path.startswith("/acme/tiny-8b/resolve/main/") for path in asked)


def test_a_folder_of_something_else_is_not_written_over(runtime, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    done = CliRunner().invoke(cli, ["web", "--export", str(tmp_path), "--pyodide", str(runtime)])

    assert "is not empty, and no copy of the page" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(runtime, tmp_path):
    (tmp_path / "site").write_text("mine")

    done = CliRunner().invoke(cli, ["web", "--export", str(tmp_path / "site"), "--pyodide", str(runtime)])

    assert "is a file, no folder" in str(done.exception)


def test_a_copy_is_written_over_an_older_one(copy, runtime):
    (copy / "wheels" / "old-0-py3-none-any.whl").write_text("")

    done = CliRunner().invoke(cli, ["web", "--export", str(copy), "--pyodide", str(runtime)])

    assert done.exit_code == 0, done.output
    assert not (copy / "wheels" / "old-0-py3-none-any.whl").exists()


def test_a_folder_without_the_runtime_is_told_what_it_lacks(tmp_path):
    (tmp_path / "empty").mkdir()

    done = CliRunner().invoke(cli, ["web", "--export", str(tmp_path / "site"), "--pyodide", str(tmp_path / "empty")])

    assert "is no npm package pyodide: it has no pyodide.mjs" in str(done.exception)


def test_without_npm_it_says_how_to_come_by_the_runtime(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exporting.shutil, "which", lambda name: None)

    done = CliRunner().invoke(cli, ["web", "--export", str(tmp_path / "site")])

    assert f"npm install pyodide@{PYODIDE}" in str(done.exception)
