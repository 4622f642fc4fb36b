"""The Hub through huggingface_hub's real client, played by a local server that also misbehaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.plugins.gguf.building import gguf_bytes

from vram.checkpoint import hub_client
from vram.checkpoint.open import open_checkpoint
from vram.errors import CheckpointError, HeaderError, InputError, ModelNotFoundError

from .building import CONFIG, framed, index_bytes, safetensors_bytes
from .fake_hub import COMMIT, FakeHub, cut_after, drip

MODEL = "acme/tiny-8b"
SECRET = "hf_SecretSecretSecret"
A = safetensors_bytes({"a": ("BF16", [4, 2])})  # 16 bytes
B = safetensors_bytes({"b": ("F32", [3])})  # 12 bytes


@pytest.fixture
def sharded(hub: FakeHub) -> FakeHub:
    hub.files[MODEL] = {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors.index.json": index_bytes({"a": "a.safetensors", "b": "b.safetensors"}, total_size=28),
        "a.safetensors": A,
        "b.safetensors": B,
    }
    return hub


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of the client, shortened so that waiting for them takes a test no time."""
    monkeypatch.setattr(hub_client, "SILENCE_SECONDS", 5.0)
    monkeypatch.setattr(hub_client, "FILE_SECONDS", 20.0)
    monkeypatch.setattr(hub_client, "MAX_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(hub_client, "_silent", {})


def refusal(model: str = MODEL, **options: object) -> str:
    """The sentence of a refusal, which never holds the token."""
    with pytest.raises(ModelNotFoundError) as caught:
        open_checkpoint(model, **options)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.data)
    return str(caught.value)


def test_a_sharded_model_is_sized_from_its_headers_alone(sharded: FakeHub) -> None:
    told: list[tuple[str, int, int]] = []

    checkpoint = open_checkpoint(MODEL, progress=lambda *args: told.append(args))

    assert checkpoint.source == "hub"
    assert checkpoint.inventory is not None
    assert checkpoint.inventory.total_bytes == checkpoint.stored_bytes == 16 + 12
    assert checkpoint.inventory.files == 2
    assert checkpoint.parameters == 4 * 2 + 3
    assert checkpoint.revision == COMMIT
    assert told[0] == (f"Asking 127.0.0.1 for {MODEL}", 0, 0)
    assert sorted(told[1:]) == [("Reading weight headers", 1, 2), ("Reading weight headers", 2, 2)]


def test_every_weight_file_is_asked_for_by_range(sharded: FakeHub) -> None:
    open_checkpoint(MODEL)

    ranges = {path.rpartition("/")[2]: headers.get("range") for path, headers in sharded.requests}
    assert ranges["a.safetensors"] == ranges["b.safetensors"] == "bytes=0-131079"  # 8 + 128 KiB


def test_nothing_is_written_to_the_cache(sharded: FakeHub, tmp_path: Path) -> None:
    open_checkpoint(MODEL)

    assert list(tmp_path.rglob("*")) == []


def test_later_requests_are_pinned_to_the_commit_of_the_first(sharded: FakeHub) -> None:
    open_checkpoint(MODEL)

    assert sharded.paths()[0] == f"/{MODEL}/resolve/main/config.json"
    assert all(f"/resolve/{COMMIT}/" in path for path in sharded.paths()[1:])


def test_a_long_header_is_asked_for_a_second_time(hub: FakeHub) -> None:
    many = {f"layer.{number}.weight": ("U8", [1]) for number in range(3000)}  # about 200 KB of header
    hub.files[MODEL] = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": safetensors_bytes(many)}

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.inventory is not None
    assert len(checkpoint.inventory.tensors) == 3000


def test_a_server_without_ranges_is_read_no_further_than_the_header(sharded: FakeHub) -> None:
    sharded.ranges = False
    sharded.files[MODEL]["b.safetensors"] = safetensors_bytes({"b": ("U8", [20_000_000])})

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.stored_bytes == 16 + 20_000_000


def test_the_modelopt_file_becomes_the_quantization_block(sharded: FakeHub) -> None:
    inner = {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    file = {"producer": {"name": "modelopt", "version": "0.29.0"}, "quantization": inner}
    sharded.files[MODEL]["hf_quant_config.json"] = json.dumps(file).encode()

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.quantization["quant_method"] == "modelopt"
    assert checkpoint.quantization["ignore"] == ["lm_head"]
    assert checkpoint.parameters is None  # packed weights hide their number


def test_a_modelopt_file_without_its_producer_names_no_method(sharded: FakeHub) -> None:
    # vLLM 0.32 builds such a model unquantized (its own answer for Nemotron-3-Super with a cut file)
    file = {"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}}
    sharded.files[MODEL]["hf_quant_config.json"] = json.dumps(file).encode()

    assert "quant_method" not in open_checkpoint(MODEL).quantization


def test_pickles_are_sized_from_their_index_and_never_asked_for(hub: FakeHub) -> None:
    hub.files[MODEL] = {
        "config.json": json.dumps(CONFIG).encode(),
        "pytorch_model.bin.index.json": index_bytes({"a": "pytorch_model-00001-of-00002.bin"}, total_size=999),
        "pytorch_model-00001-of-00002.bin": b"\x80\x04",
    }

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.stored_bytes == 999
    assert not any(path.endswith(".bin") for path in hub.paths())


def test_consolidated_weights_are_found_by_listing(hub: FakeHub) -> None:
    params = {"dim": 8, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 16, "vocab_size": 32}
    hub.files[MODEL] = {"params.json": json.dumps(params).encode(), "consolidated.safetensors": A}

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.config.architecture == "MistralForCausalLM"
    assert checkpoint.stored_bytes == 16


def test_a_gguf_file_is_read_by_quantization_name(hub: FakeHub) -> None:
    metadata = {"general.architecture": "llama", "llama.embedding_length": 32, "llama.block_count": 1}
    hub.files[MODEL] = {"tiny-Q8_0.gguf": gguf_bytes(metadata, {"token_embd.weight": (8, [32, 4], 4 * 34)})}

    checkpoint = open_checkpoint(f"{MODEL}:q8_0")

    assert checkpoint.stored_bytes == 4 * 34  # Q8_0: 34 bytes per 32 elements
    assert checkpoint.config.integer("vocab_size") == 4


def test_a_repository_of_gguf_files_names_them(hub: FakeHub) -> None:
    hub.files[MODEL] = {"tiny-Q8_0.gguf": b"", "README.md": b""}

    with pytest.raises(CheckpointError, match=r"tiny-Q8_0\.gguf"):
        open_checkpoint(MODEL)


def test_an_adapter_is_told_apart_from_a_model(hub: FakeHub) -> None:
    hub.files[MODEL] = {"adapter_config.json": b"{}"}

    with pytest.raises(CheckpointError, match="LoRA adapter"):
        open_checkpoint(MODEL)


def test_an_unknown_model_is_one_sentence_with_what_to_do(hub: FakeHub) -> None:
    assert refusal() == (
        "Model 'acme/tiny-8b': the Hub knows no such model, or it is private. "
        "Check the spelling, or pass --token (HF_TOKEN) if it is private."
    )


def test_a_gated_model_without_a_token_says_how_to_get_in(hub: FakeHub) -> None:
    hub.fault = lambda *_: (401, {"X-Error-Code": "GatedRepo"}, b"{}")

    assert "gated and no token was given" in refusal()
    assert "Accept its terms at huggingface.co/acme/tiny-8b" in refusal()


def test_a_gated_model_with_a_token_without_access_says_so(hub: FakeHub) -> None:
    hub.fault = lambda *_: (403, {"X-Error-Code": "GatedRepo"}, b"{}")

    assert "your token has no access" in refusal(token=SECRET)
    assert hub.requests[0][1]["authorization"] == f"Bearer {SECRET}"


def test_a_refused_token_is_named_as_the_cause_and_never_shown(hub: FakeHub) -> None:
    message = "Invalid credentials in Authorization header"
    hub.fault = lambda *_: (401, {"X-Error-Message": message}, SECRET.encode())

    assert "does not accept the token" in refusal(token=SECRET)


@pytest.mark.parametrize("token", ["two\nlines", "blank ", "tökén", "\0"])
def test_a_token_that_cannot_be_one_is_refused_unseen(hub: FakeHub, token: str) -> None:
    with pytest.raises(InputError) as caught:
        open_checkpoint(MODEL, token=token)

    assert token not in str(caught.value)
    assert hub.requests == []


def test_an_unknown_revision_is_an_error_even_for_a_model_of_the_catalog(sharded: FakeHub) -> None:
    assert "no revision 'nope'" in refusal(revision="nope")


@pytest.mark.parametrize("revision", ["../x", "a\nb", "", "-x"])
def test_a_revision_that_cannot_be_one_is_refused(hub: FakeHub, revision: str) -> None:
    with pytest.raises(InputError, match="revision"):
        open_checkpoint(MODEL, revision=revision)


def test_too_many_requests_are_waited_out_when_the_wait_is_short(sharded: FakeHub) -> None:
    sharded.fault = lambda path, headers, attempt: (429, {"Retry-After": "0"}, b"") if attempt == 1 else None

    assert open_checkpoint(MODEL).stored_bytes == 28


def test_a_long_wait_is_told_instead_of_waited_for(hub: FakeHub) -> None:
    hub.fault = lambda *_: (429, {"Retry-After": "300"}, b"")

    assert "asks to wait for 300 s" in refusal()
    assert len(hub.requests) == 1


def test_a_fault_of_the_hub_is_tried_again_and_then_told(hub: FakeHub) -> None:
    hub.fault = lambda *_: (500, {"Retry-After": "0"}, b"x" * 100)

    assert "has a fault (status 500)" in refusal()
    assert len(hub.requests) == 3


def test_a_connection_cut_in_a_header_is_tried_again(sharded: FakeHub) -> None:
    def fault(path: str, headers: dict[str, str], attempt: int) -> object:
        if path.endswith("a.safetensors") and attempt == 1:
            return lambda handler: cut_after(handler, len(A), A[:20], status=206)
        return None

    sharded.fault = fault

    assert open_checkpoint(MODEL).stored_bytes == 28


def test_headers_that_never_come_leave_the_size_the_index_states(sharded: FakeHub) -> None:
    sharded.fault = lambda path, headers, attempt: (
        (lambda handler: cut_after(handler, len(A), A[:20], status=206)) if path.endswith("a.safetensors") else None
    )

    checkpoint = open_checkpoint(MODEL)

    assert checkpoint.inventory is None
    assert checkpoint.stored_bytes == 28
    assert "could not be read: 127.0.0.1 broke off the connection" in checkpoint.notes[-1]


def test_a_config_cut_short_is_one_sentence(hub: FakeHub) -> None:
    hub.fault = lambda *_: lambda handler: cut_after(handler, 500, b'{"architec')

    assert "broke off the connection" in refusal()


def test_a_content_length_below_the_body_is_a_broken_config(hub: FakeHub) -> None:
    hub.fault = lambda *_: (200, {"Content-Length": "9", "Connection": "close"}, json.dumps(CONFIG).encode())

    with pytest.raises(CheckpointError, match="not valid JSON"):
        open_checkpoint(MODEL)


def test_a_file_slowly_dripping_is_given_up(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "FILE_SECONDS", 0.8)
    hub.fault = lambda *_: lambda handler: drip(handler, 3.0)

    assert "is too slow" in refusal()


def test_silence_is_given_up(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "SILENCE_SECONDS", 0.4)
    hub.fault = lambda *_: lambda handler: time.sleep(1.2)

    assert "does not answer" in refusal()


def test_a_host_that_never_answered_is_waited_for_once_whatever_is_asked_next(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "SILENCE_SECONDS", 0.4)
    hub.fault = lambda *_: lambda handler: time.sleep(1.2)
    refusal()
    asked = len(hub.requests)

    assert "does not answer: silence for 0.4 s, a moment ago" in refusal("org/another")
    assert len(hub.requests) == asked


def test_a_first_word_is_waited_for_five_seconds_and_more_silence_after_it_ten() -> None:
    unheard = hub_client.HubRepository(MODEL, None, None)

    assert (unheard._silence, hub_client.CONNECT_SECONDS) == (5.0, 5.0)


def test_redirects_are_followed_and_the_token_stays_at_the_hub(sharded: FakeHub) -> None:
    def fault(path: str, headers: dict[str, str], attempt: int) -> object:
        if path.endswith("b.safetensors") and "/cdn/" not in path:
            other = sharded.url.replace("127.0.0.1", "localhost")  # another host to the client
            return 302, {"Location": f"{other}/cdn/b.safetensors"}, b""
        if "/cdn/" in path:
            return 206, {"Content-Range": f"bytes 0-{len(B) - 1}/{len(B)}"}, B
        return None

    sharded.fault = fault

    checkpoint = open_checkpoint(MODEL, token=SECRET)

    assert checkpoint.stored_bytes == 28
    at_cdn = [headers for path, headers in sharded.requests if "/cdn/" in path]
    assert at_cdn
    assert all("authorization" not in headers for headers in at_cdn)


def test_redirects_in_a_circle_end(hub: FakeHub) -> None:
    hub.fault = lambda path, *_: (302, {"Location": path}, b"")

    assert "redirects in a circle" in refusal()


def test_a_config_larger_than_any_is_not_read_to_its_end(hub: FakeHub) -> None:
    hub.fault = lambda *_: (200, {}, b'{"a":"' + b"x" * (17 * 2**20))

    assert "larger than 16,777,216 bytes" in refusal()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (framed(b"{}", length=2**63), "allows 100,000,000"),
        (framed(b"{}", length=99_999_999), "the file has 10"),
        (A[:-1], "its tensors take 16 bytes, the file holds 15"),
        (b"", "ends after 0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_a_remote_header_that_lies_is_refused(sharded: FakeHub, body: bytes, words: str) -> None:
    sharded.files[MODEL]["a.safetensors"] = body

    with pytest.raises(HeaderError, match=words):
        open_checkpoint(MODEL)


def test_a_shard_the_index_names_and_the_hub_lacks_is_an_error(sharded: FakeHub) -> None:
    del sharded.files[MODEL]["b.safetensors"]

    with pytest.raises(CheckpointError, match=r"b\.safetensors: is named by the index but not there"):
        open_checkpoint(MODEL)


def test_no_server_at_all_is_one_sentence() -> None:
    assert "127.0.0.1 cannot be reached: no connection" in refusal()


def test_a_proxy_that_refuses_is_named(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import close_session

    close_session()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert "hub.invalid cannot be reached" in refusal()
    close_session()


def test_offline_asks_nobody_and_says_what_to_do(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert "Unset HF_HUB_OFFLINE" in refusal()
    assert hub.requests == []


def test_the_environment_variable_of_the_endpoint_is_honoured(sharded: FakeHub, tmp_path: Path) -> None:
    """In a process of its own, as huggingface_hub reads HF_ENDPOINT when it is imported."""
    code = f"from vram.checkpoint.open import open_checkpoint as o; print(o({MODEL!r}).stored_bytes)"
    home = {"HF_ENDPOINT": sharded.url, "HF_HOME": str(tmp_path), "PATH": os.environ.get("PATH", "")}
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run([sys.executable, "-c", code], env=home | paths, capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "28", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_ends_it_at_once_while_the_hub_is_silent(sharded: FakeHub, tmp_path: Path) -> None:
    """The reader threads wait for a silent server; the process must not wait for them."""
    asked = threading.Event()

    def fault(path: str, headers: dict[str, str], attempt: int) -> object:
        if path.endswith(("a.safetensors", "b.safetensors")):
            asked.set()
            return lambda handler: time.sleep(8)
        return None

    sharded.fault = fault
    code = f"from vram.checkpoint.open import open_checkpoint as o; o({MODEL!r})"
    home = {"HF_ENDPOINT": sharded.url, "HF_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=home, stderr=subprocess.PIPE, text=True)
    assert asked.wait(10)
    time.sleep(0.2)

    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)

    assert time.monotonic() - begin < 6
    assert error.rstrip().endswith("KeyboardInterrupt")
