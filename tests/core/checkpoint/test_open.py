"""The order of sources: local path, Hub cache, bundled catalog, Hub."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram.checkpoint.hub_cache import cache_folder, is_offline
from vram.checkpoint.open import open_checkpoint
from vram.errors import InputError, ModelNotFoundError

from .building import CONFIG, index_bytes, outcome, safetensors_bytes, write
from .fake_hub import COMMIT, FakeHub

MODEL = "acme/tiny-8b"
KNOWN = "meta-llama/Llama-3.1-8B-Instruct"
A = safetensors_bytes({"a": ("BF16", [4, 2])})  # 16 bytes


def cached(tmp_path: Path, model: str, files: dict[str, bytes | dict[str, object]], revision: str = "main") -> None:
    """A snapshot in the Hub cache, as huggingface_hub lays it out."""
    root = tmp_path / "hf-cache" / ("models--" + model.replace("/", "--"))
    write(root / "snapshots" / COMMIT, files)
    write(root / "refs", {revision: COMMIT.encode()})


def held(hub: FakeHub, model: str, weights: bytes = A) -> None:
    hub.files[model] = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": weights}


def test_a_local_folder_comes_before_the_hub(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held(hub, MODEL)
    write(tmp_path / MODEL, {"config.json": CONFIG})
    monkeypatch.chdir(tmp_path)

    assert open_checkpoint(MODEL).source == "local"
    assert hub.requests == []


def test_a_cached_model_is_read_without_asking_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    cached(tmp_path, MODEL, {"config.json": CONFIG, "model.safetensors": A})

    checkpoint = open_checkpoint(MODEL)

    assert (checkpoint.source, checkpoint.id, checkpoint.revision) == ("cache", MODEL, COMMIT)
    assert checkpoint.stored_bytes == 16
    assert hub.requests == []


def test_a_cached_commit_is_found_by_its_name(tmp_path: Path) -> None:
    cached(tmp_path, MODEL, {"config.json": CONFIG, "model.safetensors": A})

    assert open_checkpoint(MODEL, revision=COMMIT).source == "cache"


def test_another_revision_is_not_taken_from_the_cache(hub: FakeHub, tmp_path: Path) -> None:
    cached(tmp_path, MODEL, {"config.json": CONFIG, "model.safetensors": A}, revision="other")
    held(hub, MODEL)

    assert open_checkpoint(MODEL).source == "hub"


def test_a_cached_config_without_weights_leaves_the_answer_to_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    cached(tmp_path, MODEL, {"config.json": CONFIG})
    held(hub, MODEL)

    assert open_checkpoint(MODEL).source == "hub"


def test_a_half_downloaded_model_is_sized_by_its_index(tmp_path: Path) -> None:
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    index = index_bytes({"a": one, "b": two}, total_size=28)
    cached(tmp_path, MODEL, {"config.json": CONFIG, one: A, "model.safetensors.index.json": index})

    checkpoint = open_checkpoint(MODEL)

    assert (checkpoint.source, checkpoint.inventory, checkpoint.stored_bytes) == ("cache", None, 28)


def test_a_cached_config_answers_when_the_hub_does_not(tmp_path: Path) -> None:
    cached(tmp_path, MODEL, {"config.json": CONFIG})

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.source == "cache"
    assert "The Hub was not asked further: 127.0.0.1 cannot be reached" in checkpoint.notes[-1]


def test_offline_takes_the_cached_config(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cached(tmp_path, MODEL, {"config.json": CONFIG})

    assert open_checkpoint(MODEL).source == "cache"
    assert hub.requests == []


@pytest.mark.parametrize("content", [b"", b"zzz", b"../../../etc", b"\xff" * 40, b"a" * 1000])
def test_a_broken_reference_in_the_cache_counts_as_not_cached(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    cached(tmp_path, MODEL, {"config.json": CONFIG, "model.safetensors": A})
    write(tmp_path / "hf-cache" / "models--acme--tiny-8b" / "refs", {"main": content})
    held(hub, MODEL)

    assert open_checkpoint(MODEL).source == "hub"


def test_the_catalog_answers_for_a_known_model_without_asking_the_hub(hub: FakeHub) -> None:
    held(hub, KNOWN)

    checkpoint = open_checkpoint(KNOWN)

    assert checkpoint.source == "catalog"
    assert checkpoint.config.integer("num_hidden_layers") == 32
    assert hub.requests == []


def test_a_revision_of_a_known_model_is_read_from_the_hub(hub: FakeHub) -> None:
    held(hub, KNOWN)

    assert open_checkpoint(KNOWN, revision="main").source == "hub"


def test_a_cached_config_of_a_known_model_comes_before_the_catalog(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(tmp_path, KNOWN, {"config.json": CONFIG})
    held(hub, KNOWN)

    assert open_checkpoint(KNOWN).source == "hub"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert open_checkpoint(KNOWN).source == "cache"


def test_the_catalog_stands_in_for_a_revision_when_no_hub_answers() -> None:
    checkpoint = open_checkpoint(KNOWN, revision="main")

    assert checkpoint.source == "catalog"
    assert "The Hub did not answer: 127.0.0.1 cannot be reached" in checkpoint.notes[-1]


def test_the_catalog_answers_for_a_gated_model(hub: FakeHub) -> None:
    hub.fault = lambda *_: (401, {"X-Error-Code": "GatedRepo"}, b"")

    checkpoint = open_checkpoint(KNOWN, revision="main")

    assert checkpoint.source == "catalog"
    assert "it is gated and no token was given" in checkpoint.notes[-1]


def test_the_catalog_does_not_answer_for_a_revision_that_does_not_exist(hub: FakeHub) -> None:
    held(hub, KNOWN)

    with pytest.raises(ModelNotFoundError, match="no revision 'v9'"):
        open_checkpoint(KNOWN, revision="v9")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_by_environment_asks_nobody(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    held(hub, KNOWN)
    monkeypatch.setenv(variable, "1")

    assert open_checkpoint(KNOWN).source == "catalog"
    assert hub.requests == []


def test_a_page_address_is_the_model_it_shows(hub: FakeHub) -> None:
    held(hub, MODEL)

    assert open_checkpoint(f"https://huggingface.co/{MODEL}/tree/main").id == MODEL


def test_a_misspelt_model_is_told_its_neighbours(hub: FakeHub) -> None:
    with pytest.raises(ModelNotFoundError, match="Did you mean Qwen/Qwen3-8B"):
        open_checkpoint("Qwen/Qwen3_8B")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Qwen3-8B", "Qwen/Qwen3-8B"), ("qwen3 8b", "Qwen/Qwen3-8B"), ("QWEN3_8B", "Qwen/Qwen3-8B"),
        ("llama 3.3 70b instruct", "meta-llama/Llama-3.3-70B-Instruct"),  # unsloth's is a copy
    ],
)  # fmt: skip
def test_a_name_as_people_write_it_finds_the_catalogued_model(hub: FakeHub, typed: str, meant: str) -> None:
    assert open_checkpoint(typed).id == meant
    assert hub.requests == []


def test_a_name_that_only_begins_like_a_model_is_told_its_neighbours(hub: FakeHub) -> None:
    with pytest.raises(ModelNotFoundError, match=r"Did you mean .*meta-llama/Llama-3.3-70B-Instruct"):
        open_checkpoint("llama 3.3 70b")


def test_a_model_of_the_cache_is_found_by_its_bare_name(tmp_path: Path) -> None:
    cached(tmp_path, "Qwen3-8B", {"config.json": CONFIG, "model.safetensors": A})

    assert open_checkpoint("Qwen3-8B").source == "cache"


def test_a_silent_hub_does_not_hold_what_the_catalog_knows(hub: FakeHub) -> None:
    """A revision is the Hub's; where it accepts and never answers, the bundled facts stand in within 1.5 s."""
    hub.fault = lambda path, headers, attempt: lambda handler: time.sleep(1.2)
    open_checkpoint(KNOWN)  # what is imported once does not count
    begun = time.monotonic()

    checkpoint = open_checkpoint(KNOWN, revision="main")

    assert time.monotonic() - begun < 1.5
    assert checkpoint.source == "catalog"
    assert "The Hub did not answer" in checkpoint.notes[-1]
    assert len(hub.requests) == 1  # nothing is asked of it besides


@pytest.mark.parametrize(
    "path", ["./nowhere", "/nowhere/at/all", "~/nowhere", "..", "missing/config.json", "C:\\models"]
)
def test_a_path_that_does_not_exist_is_told_so(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if path == "..":
        path = "../" + "x" * 20

    with pytest.raises(ModelNotFoundError, match="there is no such file or folder"):
        open_checkpoint(path)


@pytest.mark.parametrize("name", ["a/b/c/d", "a b", "a--b", "-x", "a/../b", "é/model", "x" * 300, "a/b\n", "a//b"])
def test_what_can_be_no_model_is_refused_without_asking(hub: FakeHub, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="neither an existing path nor a possible Hub id"):
        open_checkpoint(name)

    assert hub.requests == []


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_nothing_at_all_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be a path or a Hub id"):
        open_checkpoint(name)


@given(st.text(max_size=30))
def test_any_text_is_an_answer_or_an_error_of_ours(name: str) -> None:
    assert outcome(lambda: open_checkpoint(name))


def test_the_cache_is_where_huggingface_hub_keeps_it() -> None:
    assert cache_folder({"HF_HUB_CACHE": "/a"}) == "/a"
    assert cache_folder({"HUGGINGFACE_HUB_CACHE": "/b"}) == "/b"
    assert cache_folder({"HF_HOME": "/c"}) == "/c/hub"
    assert cache_folder({"XDG_CACHE_HOME": "/d"}) == "/d/huggingface/hub"
    assert cache_folder({}).endswith("/.cache/huggingface/hub")


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("ON", True), ("0", False), ("", False)])
def test_the_offline_variable_is_read_as_huggingface_hub_reads_it(value: str, offline: bool) -> None:
    assert is_offline({"HF_HUB_OFFLINE": value}) is offline


def test_a_path_into_another_machines_cache_names_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """huggingface_hub's layout: models--ORGANISATION--NAME/snapshots/COMMIT."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = f"/projects/shared/hf/hub/models--openai--gpt-oss-120b/snapshots/{'b5' * 20}"
    assert open_checkpoint(path).id == "openai/gpt-oss-120b"
    for other in ("/projects/models--openai--gpt-oss-120b", "/hub/models--openai--gpt-oss-120b/snapshots/main"):
        with pytest.raises(ModelNotFoundError):
            open_checkpoint(other)
