"""The GGUF header reader and the config it gives."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.checkpoint.building import outcome

from vram.checkpoint.open import open_checkpoint
from vram.errors import CheckpointError, HeaderError
from vram_plugins.gguf.config import config_fields, tensor_types
from vram_plugins.gguf.header import GgufArray, GgufHeader, read_growing

from .building import gguf_bytes, gguf_text

F32, Q4_0, Q4_K, Q6_K, BF16 = 0, 2, 12, 14, 30

LLAMA: dict[str, object] = {
    "general.architecture": "llama",
    "llama.embedding_length": 256,
    "llama.block_count": 1,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.context_length": 4096,
    "llama.rope.freq_base": 500000.0,
    "tokenizer.ggml.tokens": ["<s>", "a", "b", "c"],
}
TENSORS = {
    "token_embd.weight": (Q6_K, [256, 4], 4 * 210),  # 210 bytes per 256 elements
    "blk.0.attn_q.weight": (Q4_K, [256, 256], 256 * 144),  # 144 bytes per 256
    "blk.0.attn_norm.weight": (F32, [256], 1024),
}


def read(data: bytes) -> GgufHeader:
    return read_growing(lambda limit: (data[:limit], len(data)), "x.gguf")


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_and_tensors_are_read(version: int) -> None:
    header = read(gguf_bytes(LLAMA, TENSORS, version=version))

    assert header.metadata["llama.block_count"] == 1
    assert header.metadata["tokenizer.ggml.tokens"] == GgufArray(length=4)
    embedding = header.tensors[0]
    assert (embedding.dtype, embedding.shape, embedding.nbytes) == ("Q6_K", (4, 256), 840)


def test_a_file_becomes_a_checkpoint_with_its_own_config(tmp_path: Path) -> None:
    (tmp_path / "tiny-q4.gguf").write_bytes(gguf_bytes(LLAMA, TENSORS))

    checkpoint = open_checkpoint(tmp_path / "tiny-q4.gguf")

    assert (checkpoint.id, checkpoint.source) == ("tiny-q4", "gguf")
    assert checkpoint.config.architecture == "LlamaForCausalLM"
    assert checkpoint.config.integer("num_key_value_heads") == 2
    assert checkpoint.config.integer("vocab_size") == 4  # rows of the embedding
    assert checkpoint.config.number("rope_theta") == 500000.0
    assert checkpoint.config.flag("tie_word_embeddings")  # no output.weight
    assert checkpoint.stored_bytes == 840 + 256 * 144 + 1024
    assert checkpoint.parameters == 4 * 256 + 256 * 256 + 256


def test_types_are_listed_by_the_modules_of_transformers() -> None:
    types = tensor_types(read(gguf_bytes(LLAMA, TENSORS)))

    assert types == {"model.embed_tokens": "Q6_K", "model.layers.0.self_attn.q_proj": "Q4_K"}


def test_a_mixture_of_experts_is_told_by_its_experts() -> None:
    metadata = LLAMA | {"llama.expert_count": 8, "llama.expert_used_count": 2}

    config = config_fields(read(gguf_bytes(metadata, TENSORS)), "x")

    assert config["architectures"] == ["MixtralForCausalLM"]
    assert (config["num_local_experts"], config["num_experts_per_tok"]) == (8, 2)


def test_a_per_layer_list_of_one_value_is_that_value() -> None:
    metadata = LLAMA | {"llama.attention.head_count_kv": [2, 2]}

    assert config_fields(read(gguf_bytes(metadata, TENSORS)), "x")["num_key_value_heads"] == 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"general.architecture": "rwkv7"}, "'rwkv7', whose dimensions are not known here"),
        ({"general.architecture": 7}, "whose dimensions are not known"),
        ({"llama.attention.head_count_kv": [2, 1]}, "a different num_key_value_heads per layer"),
    ],
)
def test_what_is_not_simple_is_refused(changed: dict[str, object], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        config_fields(read(gguf_bytes(LLAMA | changed, TENSORS)), "x")


@pytest.mark.parametrize("shape", [[], [256]])  # found by fuzzing
def test_a_file_without_a_whole_embedding_is_refused(shape: list[int]) -> None:
    with pytest.raises(CheckpointError, match="no whole language model"):
        config_fields(read(gguf_bytes(LLAMA, {"token_embd.weight": (F32, shape, 1024)})), "x")


def test_all_parts_of_a_split_file_are_read_from_any_of_them(tmp_path: Path) -> None:
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(gguf_bytes(LLAMA, TENSORS))
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(gguf_bytes({}, {"output.weight": (BF16, [256, 4], 2048)}))

    checkpoint = open_checkpoint(tmp_path / "m-00001-of-00002.gguf")

    assert checkpoint.inventory is not None
    assert checkpoint.inventory.files == 2
    assert not checkpoint.config.flag("tie_word_embeddings")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(gguf_bytes(LLAMA, TENSORS))

    with pytest.raises(CheckpointError, match=r"missing: m-00002-of-00002\.gguf"):
        open_checkpoint(tmp_path / "m-00001-of-00002.gguf")


def text_key(name: str) -> bytes:
    return gguf_text(name) + struct.pack("<I", 8) + gguf_text("x")


def headed(tensors: int, keys: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + rest


def tensor(name: str, dimensions: list[int], kind: int, offset: int) -> bytes:
    return gguf_text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, offset)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin with 'GGUF'"),
        (b"GGML" + bytes(20), "does not begin with 'GGUF'"),
        (b"GGUF\1\0\0\0" + bytes(16), "version 1"),
        (b"GGUF\0\0\0\3" + bytes(16), "big-endian"),
        (b"GGUF\3\0", "more than the file can hold"),
        (headed(2**63, 0), "claims 9,223,372,036,854,775,808 tensors"),
        (headed(0, 2**40), "claims 0 tensors and 1,099,511,627,776 keys"),
        (headed(0, 1, struct.pack("<Q", 2**63)), "a text of"),
        (headed(0, 1, gguf_text("k") + struct.pack("<I", 99)), "unknown value type 99"),
        (headed(0, 1, gguf_text("k") + struct.pack("<IIQ", 9, 8, 2**62)), "claims 4,611,686,018,427,387,904 texts"),
        (headed(0, 1, gguf_text("k") + struct.pack("<IIQ", 9, 4, 2**62)), "more than the file can hold"),
        (headed(0, 1, gguf_text("k") + struct.pack("<IIQ", 9, 9, 1)), "array of the unknown type 9"),
        (headed(0, 2, text_key("k") * 2), "'k' is there twice"),
        (headed(0, 1, struct.pack("<Q", 1) + b"\xff" + struct.pack("<IB", 0, 1)), "no UTF-8"),
        (headed(0, 1, gguf_text("general.alignment") + struct.pack("<II", 4, 3)), "no power of two"),
        (headed(1, 0, gguf_text("t") + struct.pack("<I", 1000)), "1,000 dimensions"),
        (headed(1, 0, tensor("t", [4], 255, 0)), "unknown type 255"),
        (headed(1, 0, tensor("t", [33], Q4_0, 0)), "no multiple of Q4_0's 32"),
        (headed(1, 0, tensor("t", [], Q4_0, 0)), "rows of 1, no multiple"),  # found by fuzzing
        (headed(1, 0, tensor("t", [2**40, 2**40], F32, 0)), "larger than any file"),
        (headed(1, 0, tensor("t", [1024], F32, 0)), "the file holds"),
        (headed(2, 0, tensor("t", [4], F32, 0) + tensor("t", [4], F32, 32) + bytes(96)), "two tensors have one name"),
        (headed(2, 0, tensor("t", [16], F32, 0) + tensor("u", [4], F32, 32) + bytes(128)), "'u' overlaps"),
    ],
)
def test_a_header_that_lies_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(HeaderError, match=words):
        read(data)


def test_a_long_tokenizer_is_stepped_over_in_time() -> None:
    tokens = ["token"] * 262_144  # Gemma's vocabulary
    data = gguf_bytes(LLAMA | {"tokenizer.ggml.tokens": tokens}, TENSORS)

    begin = time.perf_counter()
    header = read(data)

    assert header.metadata["tokenizer.ggml.tokens"] == GgufArray(length=262_144)
    assert time.perf_counter() - begin < 2


def test_a_header_longer_than_the_first_read_is_read_again() -> None:
    data = gguf_bytes(LLAMA | {"tokenizer.ggml.tokens": ["x" * 1000] * 17_000}, TENSORS)  # 17 MB

    assert len(read(data).tensors) == 3


def test_a_file_that_ends_in_its_header_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(gguf_bytes(LLAMA, TENSORS)[:200])

    with pytest.raises(HeaderError, match="more than the file can hold"):
        open_checkpoint(file)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(rest: bytes) -> None:
    for data in (rest, b"GGUF\3\0\0\0" + rest, headed(1, 1, rest)):
        assert outcome(lambda data=data: read(data))


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_a_good_file_with_bytes_changed_is_read_or_refused(place: int, replacement: bytes) -> None:
    data = bytearray(gguf_bytes(LLAMA, TENSORS))
    place %= 600
    data[place : place + len(replacement)] = replacement

    assert outcome(lambda: config_fields(read(bytes(data)), "x"))
    assert outcome(lambda: tensor_types(read(bytes(data))))
