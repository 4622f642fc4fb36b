"""The bundled catalog, and the program that refreshes it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from attrs import evolve

from vram.api import estimate
from vram.checkpoint.catalog import CATALOG_FILE, find, list_catalog, near_ids
from vram.checkpoint.numbered_names import expanded_block
from vram.checkpoint.open import open_checkpoint
from vram.errors import VramError
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig
from vram_plugins.catalog.fields import KEPT_FIELDS, kept_fields, kept_quantization
from vram_plugins.catalog.refresh import catalog_lines, facts_in, facts_of_catalog, main
from vram_plugins.catalog.short_names import shortened_block

from .building import CONFIG, index_bytes, write
from .fake_hub import FakeHub

MODELS = list_catalog()
REAL_CONFIGS = Path(__file__).parents[4] / "shared" / "model_configs"


def answer(checkpoint: Checkpoint) -> object:
    """The estimate on the first GPU that runs the format, or the sentence of the refusal."""
    refusal = ""
    for gpu in ("B200", "H100"):
        try:
            return {**estimate(checkpoint, gpu=gpu).to_dict(), "provenance": None}
        except VramError as error:
            refusal = str(error)
    return refusal


def test_the_catalog_knows_at_least_150_shapes() -> None:
    assert len({model.shape for model in MODELS}) >= 150


def test_gated_models_are_there() -> None:
    for gated in ("meta-llama/Llama-3.3-70B-Instruct", "google/gemma-3-27b-it", "mistralai/Mistral-7B-Instruct-v0.2"):
        assert find(gated) is not None


def test_base_instruct_and_quantized_ids_share_a_shape() -> None:
    shapes = {model.id: model.shape for model in MODELS}
    family = (
        "Qwen/Qwen3-8B",
        "Qwen/Qwen3-8B-Base",
        "Qwen/Qwen3-8B-FP8",
        "Qwen/Qwen3-8B-AWQ",
        "RedHatAI/Qwen3-8B-FP8-dynamic",
    )

    assert len({shapes[name] for name in family}) == 1


@pytest.mark.parametrize("shape", sorted({model.shape for model in MODELS}))
def test_every_id_gives_an_estimate(shape: str) -> None:
    for model in MODELS:
        if model.shape == shape:
            checkpoint = find(model.id)
            assert checkpoint is not None
            assert isinstance(answer(checkpoint), dict), model.id


@pytest.mark.parametrize(
    ("model", "parameters"),
    [  # as the safetensors headers of the published checkpoints add up
        ("Qwen/Qwen3-8B", 8_190_735_360),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 46_702_792_704),
        ("deepseek-ai/DeepSeek-V2-Lite", 15_706_484_224),
        ("google/gemma-3-12b-it", 12_187_325_040),
    ],
)
def test_published_sizes_are_in_it_and_agree_with_the_dimensions(model: str, parameters: int) -> None:
    checkpoint = find(model)

    assert checkpoint is not None
    assert checkpoint.parameters == parameters
    assert estimate(checkpoint, gpu="B200").to_dict()["model"]["parameters"] == parameters


def test_an_id_has_the_fields_in_which_it_differs() -> None:
    instruct, base = find("Qwen/Qwen3-8B"), find("qwen/qwen3-8b-BASE")

    assert instruct is not None
    assert base is not None
    assert (instruct.config.integer("max_position_embeddings"), base.config.integer("max_position_embeddings")) == (
        40960,
        32768,
    )
    assert base.id == "Qwen/Qwen3-8B-Base"


def test_an_unknown_id_is_not_found_and_has_neighbours() -> None:
    assert find("Qwen/Qwen3-8") is None
    assert find("") is None
    assert "Qwen/Qwen3-8B" in near_ids("someone/Qwen3-8B")


def test_one_model_is_found_without_parsing_the_others() -> None:
    begin = time.perf_counter()
    find("Qwen/Qwen3-8B")

    assert time.perf_counter() - begin < 0.05
    assert Path(CATALOG_FILE).stat().st_size < 400_000


def test_only_facts_of_shape_are_kept() -> None:
    def names(config: dict[str, object]) -> set[str]:
        inner = [
            names(value)
            for key, value in config.items()
            if isinstance(value, dict) and key not in ("auto_map", "block_configs")
        ]
        return set(config) | set().union(*inner)

    for model in MODELS:
        assert names(dict(model.config)) <= KEPT_FIELDS


def test_the_bundled_file_is_what_the_program_writes() -> None:
    assert main(["--check"]) == 0


@pytest.mark.skipif(not REAL_CONFIGS.is_dir(), reason="needs the shared configs")
def test_an_answer_from_kept_fields_is_the_answer_from_the_whole_config() -> None:
    for folder in sorted(path for path in REAL_CONFIGS.iterdir() if (path / "config.json").is_file())[::7]:
        whole = open_checkpoint(folder)
        block = expanded_block(shortened_block(kept_quantization(whole.quantization)))
        raw = {**kept_fields(whole.config.raw), **({"quantization_config": block} if block else {})}
        kept = evolve(whole, config=ModelConfig(raw=raw, path=whole.config.path), quantization=block)
        assert answer(kept) == answer(whole), folder.name


def refreshed(tmp_path: Path, *arguments: str) -> dict[str, dict[str, object]]:
    """What a catalog of its own holds after the program ran over tmp_path/models: its lines by first id."""
    file = tmp_path / "catalog.jsonl"
    main([*arguments, "--catalog", str(file)])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {next(iter(line["ids"])): line for line in lines}


def test_a_folder_of_configs_becomes_a_catalog(tmp_path: Path) -> None:
    block = {"quant_method": "awq", "bits": 4, "dataset": "secret", "modules_to_not_convert": None}
    index = index_bytes({"a": "a.safetensors"}, total_size=77)
    write(
        tmp_path / "models" / "acme--tiny",
        {"config.json": {**CONFIG, "bos_token_id": 1}, "model.safetensors.index.json": index},
    )
    write(tmp_path / "models" / "acme--tiny-AWQ", {"config.json": {**CONFIG, "quantization_config": block}})
    write(
        tmp_path / "models" / "acme--long",
        {"config.json": {**CONFIG, "max_position_embeddings": 99}, "facts.json": {"parameters": 5}},
    )
    write(
        tmp_path / "models" / "acme--other",
        {"config.json": {**CONFIG, "hidden_size": 16}, "facts.json": {"aliases": ["acme/twin"]}},
    )

    lines = refreshed(tmp_path, str(tmp_path / "models"))

    assert len(lines) == 2
    assert lines["acme/long"]["parameters"] == 5
    ids = lines["acme/long"]["ids"]
    assert ids == {
        "acme/long": {},
        "acme/tiny": {"bytes": 77, "config": {"-": ["max_position_embeddings"]}},
        "acme/tiny-AWQ": {
            "quantization": {"quant_method": "awq", "bits": 4},
            "config": {"-": ["max_position_embeddings"]},
        },
    }
    assert "bos_token_id" not in lines["acme/long"]["config"]  # type: ignore[operator]
    assert [set(line["ids"]) for line in lines.values()][1] == {"acme/other", "acme/twin"}  # type: ignore[call-overload]


def test_a_second_run_changes_nothing_and_new_facts_replace_old_ones(tmp_path: Path) -> None:
    folder = write(tmp_path / "models" / "acme--tiny", {"config.json": CONFIG})
    first = refreshed(tmp_path, str(tmp_path / "models"))

    assert refreshed(tmp_path) == first
    write(folder, {"facts.json": {"parameters": 7}})
    assert refreshed(tmp_path, str(folder))["acme/tiny"]["parameters"] == 7


def test_a_broken_model_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "models" / "acme--broken", {"config.json": b"{"})
    write(tmp_path / "models" / "acme--tiny", {"config.json": CONFIG})

    facts = list(facts_in(tmp_path / "models"))

    assert [fact.id for fact in facts] == ["acme/tiny"]
    assert "left out:" in capsys.readouterr().err


def test_the_hub_can_be_asked(hub: FakeHub, tmp_path: Path) -> None:
    hub.files["acme/tiny"] = {"config.json": json.dumps(CONFIG).encode()}

    assert "acme/tiny" in refreshed(tmp_path, "--hub", "acme/tiny", "acme/missing")


def test_the_catalog_survives_its_own_reading() -> None:
    lines = catalog_lines(facts_of_catalog(Path(CATALOG_FILE)))

    assert "".join(line + "\n" for line in lines) == Path(CATALOG_FILE).read_text()
