"""Folders, single files and bare configs of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vram.checkpoint.open import open_checkpoint
from vram.errors import CheckpointError, ConfigError, HeaderError

from .building import CONFIG, framed, index_bytes, safetensors_bytes, write

A = safetensors_bytes({"a": ("BF16", [4, 2])})  # 16 bytes
B = safetensors_bytes({"b": ("F32", [3])})  # 12 bytes
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize %d\n"


def test_a_sharded_folder_is_read_from_its_headers(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, ONE: A, TWO: B, INDEX: index_bytes({"a": ONE, "b": TWO}, total_size=28)})

    checkpoint = open_checkpoint(tmp_path)

    assert (checkpoint.source, checkpoint.id) == ("local", tmp_path.name)
    assert checkpoint.inventory is not None
    assert (checkpoint.inventory.total_bytes, checkpoint.inventory.files) == (28, 2)
    assert checkpoint.parameters == 4 * 2 + 3
    assert checkpoint.notes == ()


def test_a_single_file_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, "model.safetensors": A})

    assert open_checkpoint(tmp_path).stored_bytes == 16
    assert open_checkpoint(tmp_path / "model.safetensors").stored_bytes == 16


def test_only_the_shards_of_the_index_count(tmp_path: Path) -> None:
    """As vLLM filters duplicates: Mistral's repositories hold a consolidated copy too."""
    files = {"config.json": CONFIG, ONE: A, TWO: B, "consolidated.safetensors": A}
    write(tmp_path, {**files, INDEX: index_bytes({"a": ONE, "b": TWO})})

    assert open_checkpoint(tmp_path).stored_bytes == 28


def test_without_an_index_every_file_counts_but_adapters(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, ONE: A, TWO: B, "adapter_model.safetensors": A})

    assert open_checkpoint(tmp_path).stored_bytes == 28


def test_half_the_shards_are_an_error_that_names_the_others(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, ONE: A, INDEX: index_bytes({"a": ONE, "b": TWO})})

    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}: lacks 1 of 2 weight files: {TWO}; finish the download, or give the config.json alone."
    )


def test_missing_shards_are_known_by_their_numbers_without_an_index(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, ONE: A})

    with pytest.raises(CheckpointError, match=TWO):
        open_checkpoint(tmp_path)


def test_an_index_without_any_shard_gives_its_total(tmp_path: Path) -> None:
    write(
        tmp_path, {"config.json": CONFIG, INDEX: index_bytes({"a": ONE, "b": TWO}, total_size=28, total_parameters=11)}
    )

    checkpoint = open_checkpoint(tmp_path)

    assert (checkpoint.inventory, checkpoint.stored_bytes, checkpoint.parameters) == (None, 28, 11)
    assert "not in the folder" in checkpoint.notes[0]


def test_a_clone_without_lfs_is_sized_from_its_pointers(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, ONE: LFS % 1000, TWO: LFS % 500})

    checkpoint = open_checkpoint(tmp_path)

    assert (checkpoint.inventory, checkpoint.stored_bytes) == (None, 1500)
    assert "Git LFS pointers" in checkpoint.notes[0]


def test_an_index_that_disagrees_with_the_headers_is_noted(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, ONE: A, TWO: B, INDEX: index_bytes({"x": ONE, "b": TWO})})

    assert "Index and headers disagree" in open_checkpoint(tmp_path).notes[0]


@pytest.mark.parametrize(
    "name", ["../a.safetensors", "/etc/passwd", "a/../../b", "..", "", "a\\b", "c:/a", "a\0b", "."]
)
def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"config.json": CONFIG, INDEX: index_bytes({"a": name})})

    with pytest.raises(CheckpointError, match="leads out of its folder"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (b"{}", "no weight_map"),
        (b'{"weight_map":{}}', "no weight_map"),
        (b'{"weight_map":[]}', "no weight_map"),
        (b'{"weight_map":{"a":5}}', "no text"),
        (b"[]", "must hold a JSON object"),
        (b"\xff", "not UTF-8"),
        (
            json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(10_001)}}).encode(),
            "names 10,001 shards",
        ),
    ],
)
def test_a_broken_index_is_refused(tmp_path: Path, index: bytes, words: str) -> None:
    write(tmp_path, {"config.json": CONFIG, INDEX: index})

    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("total", ["many", -1, 2**80, True, 1.5, None, {}])
def test_an_impossible_total_of_an_index_counts_as_absent(tmp_path: Path, total: object) -> None:
    index = {"metadata": {"total_size": total}, "weight_map": {"a": ONE}}
    write(tmp_path, {"config.json": CONFIG, INDEX: index})

    assert open_checkpoint(tmp_path).stored_bytes is None


def test_pickles_are_sized_from_their_index_and_not_opened(tmp_path: Path) -> None:
    bomb = b"cos\nsystem\n(S'touch opened'\ntR."
    files = {"config.json": CONFIG, "pytorch_model.bin": bomb}
    write(tmp_path, {**files, "pytorch_model.bin.index.json": index_bytes({"a": "pytorch_model.bin"}, total_size=77)})

    checkpoint = open_checkpoint(tmp_path)

    assert (checkpoint.inventory, checkpoint.stored_bytes) == (None, 77)
    assert "never opened" in checkpoint.notes[0]


def test_pickles_without_an_index_are_sized_by_their_files(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, "pytorch_model.bin": bytes(50), "training_args.bin": bytes(9)})

    assert open_checkpoint(tmp_path).stored_bytes == 50


def test_a_pickle_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, "pytorch_model.bin": bytes(50)})

    with pytest.raises(CheckpointError, match="is a pickle, which is never opened"):
        open_checkpoint(tmp_path / "pytorch_model.bin")


def test_a_bare_config_says_that_nothing_else_was_read(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG})

    for path in (tmp_path, tmp_path / "config.json"):
        checkpoint = open_checkpoint(path)
        assert (checkpoint.id, checkpoint.stored_bytes) == (tmp_path.name, None)
        assert "Only the config was read" in checkpoint.notes[0]


def test_the_quantization_block_is_found_where_vllm_finds_it(tmp_path: Path) -> None:
    block = {"quant_method": "awq", "bits": 4}
    places = (
        {"quantization_config": block},
        {"text_config": {"quantization_config": block}},
        {"compression_config": block},
    )
    for number, place in enumerate(places):
        folder = write(tmp_path / str(number), {"config.json": {**CONFIG, **place}})
        assert open_checkpoint(folder).quantization == block


def test_the_modelopt_file_is_read_where_the_config_has_no_block(tmp_path: Path) -> None:
    inner = {"quant_algo": "NVFP4", "group_size": 16, "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    write(
        tmp_path,
        {"config.json": CONFIG, "hf_quant_config.json": {"producer": {"name": "modelopt"}, "quantization": inner}},
    )

    for path in (tmp_path, tmp_path / "config.json"):
        block = open_checkpoint(path).quantization
        assert (block["quant_method"], block["quant_algo"], block["group_size"]) == ("modelopt", "NVFP4", 16)
        assert block["ignore"] == ["lm_head"]
        assert block["kv_cache_scheme"] == {"type": "float", "num_bits": 8, "dynamic": False}


def test_the_modelopt_file_adds_the_layers_a_mixed_block_lacks(tmp_path: Path) -> None:
    block = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}
    inner = {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP8"}}}
    write(
        tmp_path,
        {"config.json": {**CONFIG, "quantization_config": block}, "hf_quant_config.json": {"quantization": inner}},
    )

    assert open_checkpoint(tmp_path).quantization["quantized_layers"] == {"a": {"quant_algo": "FP8"}}


def test_the_modelopt_file_does_not_overrule_another_block(tmp_path: Path) -> None:
    block = {"quant_method": "awq"}
    write(tmp_path, {"config.json": {**CONFIG, "quantization_config": block}, "hf_quant_config.json": b"broken"})

    assert open_checkpoint(tmp_path).quantization == block


def test_a_modelopt_file_without_an_algorithm_quantizes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, "hf_quant_config.json": {"quantization": {"quant_algo": None}}})

    assert open_checkpoint(tmp_path).quantization == {}


@pytest.mark.parametrize("content", [b"[]", b'{"quantization": 5}', b'{"quantization": {"quant_algo": 5}}'])
def test_a_broken_modelopt_file_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"config.json": CONFIG, "hf_quant_config.json": content})

    with pytest.raises(CheckpointError, match=r"hf_quant_config\.json"):
        open_checkpoint(tmp_path)


def test_mistrals_params_are_read_as_a_config(tmp_path: Path) -> None:
    params = {"dim": 8, "n_layers": 4, "head_dim": 4, "hidden_dim": 16, "n_heads": 2, "n_kv_heads": 1, "vocab_size": 32}
    write(tmp_path, {"params.json": {**params, "sliding_window": [4096, None]}, "consolidated.safetensors": A})

    checkpoint = open_checkpoint(tmp_path)

    assert checkpoint.config.architecture == "MistralForCausalLM"
    assert checkpoint.config.integer("num_key_value_heads") == 1
    assert checkpoint.config.strings("layer_types") == ("sliding_attention", "full_attention") * 2
    assert checkpoint.config.integer("sliding_window") == 4096
    assert checkpoint.stored_bytes == 16


def test_mistrals_experts_and_quantization_are_translated(tmp_path: Path) -> None:
    moe = {"num_experts": 8, "num_experts_per_tok": 2}
    write(tmp_path / "mixtral", {"params.json": {"dim": 8, "moe": moe, "quantization": {"qformat_weight": "fp8_e4m3"}}})
    write(
        tmp_path / "large", {"params.json": {"dim": 8, "moe": {**moe, "num_shared_experts": 1, "expert_hidden_dim": 4}}}
    )

    mixtral, large = open_checkpoint(tmp_path / "mixtral"), open_checkpoint(tmp_path / "large")

    assert (mixtral.config.architecture, mixtral.config.integer("num_local_experts")) == ("MixtralForCausalLM", 8)
    assert mixtral.quantization == {"quant_method": "fp8", "activation_scheme": "static"}
    assert large.config.architecture == "MistralLarge3ForCausalLM"
    assert (large.config.integer("n_routed_experts"), large.config.integer("moe_intermediate_size")) == (8, 4)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"dim": 8, "vision_encoder": {"hidden_size": 4}}, "vision_encoder"),
        ({"n_layers": 3}, "no field 'dim'"),
        ({"dim": 8, "quantization": {"qformat_weight": "x"}}, "unknown quantization"),
        ({"dim": 8, "sliding_window": [1, 2]}, "sliding_window"),
        ({"dim": 8, "n_layers": "x", "sliding_window": [1]}, "sliding_window"),
        ({"dim": 8, "n_layers": 2, "sliding_window": [{}]}, "sliding_window"),  # found by fuzzing
    ],
)
def test_params_beyond_text_models_are_refused(tmp_path: Path, params: dict[str, object], words: str) -> None:
    write(tmp_path, {"params.json": params})

    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "is empty"),
        ({"README.md": b""}, "has no config.json"),
        ({"adapter_config.json": b"{}"}, "is a LoRA adapter"),
        ({"model_index.json": b"{}"}, "diffusers pipeline"),
        ({"tiny.gguf": b""}, r"name one of its GGUF files instead: tiny\.gguf"),
    ],
)
def test_a_folder_that_is_no_checkpoint_says_what_it_is(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    write(tmp_path, files)  # type: ignore[arg-type]

    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[1]", "must hold a JSON object, not list"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than 64 levels"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a":[' + b"[]," * 5_000_000 + b"[]]}", "more lists, objects and values"),
        (b'{"a":[' + b"1," * 8_000_000 + b"1]}", "more lists, objects and values"),
        (b'{"a":' + b"9" * 5000 + b"}", "4,300 digits"),
        (b" " * (17 * 2**20), "more than any such file"),
        (LFS % 100, "Git LFS pointer"),
    ],
)
def test_a_broken_config_is_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    write(tmp_path, {"config.json": content})

    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(tmp_path)


def test_a_config_may_hold_infinity_and_a_byte_order_mark(tmp_path: Path) -> None:
    """Nemotron-H's config says "time_step_limit": [0.0, Infinity]."""
    write(tmp_path, {"config.json": b'\xef\xbb\xbf{"time_step_limit": [0.0, Infinity], "x": NaN}'})

    config = open_checkpoint(tmp_path).config

    with pytest.raises(ConfigError, match="'x' must be a number"):
        config.number("x")


def test_a_quantization_block_that_is_no_object_names_its_field(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": {**CONFIG, "quantization_config": "awq"}})

    with pytest.raises(ConfigError, match="'quantization_config' must be an object"):
        open_checkpoint(tmp_path)


def test_a_broken_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG, "model.safetensors": framed(b"{}", length=2**63)})

    with pytest.raises(HeaderError, match=r"model\.safetensors: broken header"):
        open_checkpoint(tmp_path)


def test_a_safetensors_file_alone_does_not_say_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"model.safetensors": A})

    with pytest.raises(CheckpointError, match=r"no config\.json beside it"):
        open_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")

    with pytest.raises(CheckpointError, match="not a regular file"):
        open_checkpoint(tmp_path)


def test_opening_a_config_imports_nothing_heavy(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": CONFIG})
    code = (
        "import sys; from vram.checkpoint.open import open_checkpoint; open_checkpoint(sys.argv[1]);"
        "print(sorted({'huggingface_hub','httpx2','httpx','requests','concurrent','torch','transformers','rich','yaml',"
        "'asyncio','ssl','hashlib'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
