"""A matrix says of each cell what the estimate says, sorts by what fits with least hardware, and knows the cheapest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.errors import InputError, ModelNotFoundError, RemoteCodeError, UnknownNameError, VramError
from vram.models.comparison import Row
from vram_plugins.compare.csv_text import comparison_csv

GPUS = ("RTX 4090", "L40S", "H100", "V100 16GB")


def test_every_cell_says_what_the_estimate_says() -> None:
    models = ("Qwen/Qwen3-8B", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V2-Lite", "Qwen/Qwen3-8B-AWQ")
    found = vram.compare(models, gpus=GPUS, kv_cache_dtypes=("auto", "fp8"), max_model_len=8192, concurrency=16)
    assert len(found.rows) == len(models) * len(GPUS) * 4 * 2
    for row in found.rows[::3]:
        estimate = vram.estimate(
            row.model, gpu=row.gpu, tensor_parallel_size=row.tensor_parallel_size,
            pipeline_parallel_size=row.pipeline_parallel_size, kv_cache_dtype=row.kv_cache_dtype,
            max_model_len=8192, concurrency=16,
        )  # fmt: skip
        assert (row.starts, row.fits) == (estimate.verdict.starts, estimate.verdict.fits), row
        assert row.weights_bytes == estimate.memory.weights.expected
        assert row.headroom_bytes == estimate.memory.headroom.expected
        assert row.tokens == estimate.kv_cache.tokens
        assert row.most_requests == estimate.limits.max_concurrency_at_context


def test_what_fits_comes_first_and_of_it_the_least_memory() -> None:
    rows = vram.compare("Qwen/Qwen3-32B", gpus=GPUS, max_model_len=8192, sort="memory").rows
    fitting = [row for row in rows if row.fits and row.certainty == "likely"]
    assert 0 < len(fitting) < len(rows)
    assert rows[: len(fitting)] == tuple(fitting)
    assert [row.total_memory_bytes for row in fitting] == sorted(row.total_memory_bytes for row in fitting)


def test_heads_that_do_not_divide_get_pipeline_ranks() -> None:
    # 28 heads: 8 GPUs are 4 × 2
    found = vram.compare("Qwen/Qwen2.5-7B-Instruct", gpus="L4", counts=(8,))
    assert [(row.tensor_parallel_size, row.pipeline_parallel_size) for row in found.rows] == [(4, 2)]


def test_a_format_nobody_published_is_sized_as_its_quantizer_writes_it_and_says_so() -> None:
    found = vram.compare("Qwen/Qwen3-32B", gpus="H100", counts=(1,), quantizations=("none", "fp8", "awq"))
    stored = {row.quantization: row for row in found.rows}
    assert (stored[None].online, stored[None].hypothetical) == (False, False)
    assert (stored["fp8"].online, stored["fp8"].hypothetical) == (True, False)
    assert (stored["awq"].online, stored["awq"].hypothetical) == (False, True)
    assert stored["awq"].weights_bytes < stored["fp8"].weights_bytes < stored[None].weights_bytes


def test_a_hypothetical_checkpoint_is_as_large_as_the_published_one() -> None:
    made = vram.compare("Qwen/Qwen3-8B", gpus="L4", counts=(1,), quantizations=("awq",)).rows[0]
    published = vram.compare("Qwen/Qwen3-8B-AWQ", gpus="L4", counts=(1,)).rows[0]
    assert made.weights_bytes == pytest.approx(published.weights_bytes, rel=0.01)


def test_a_quantization_that_contradicts_the_checkpoint_is_no_row_that_fits() -> None:
    row = vram.compare("Qwen/Qwen3-8B-AWQ", gpus="H100", counts=(1,), quantizations=("fp8",)).rows[0]
    assert (row.fits, row.obstacle) == (False, "quantization")


def test_of_several_models_the_unknown_are_skipped_and_named_but_one_alone_is_an_error() -> None:
    found = vram.compare(("Qwen/Qwen3-8B", "nobody/nothing"), gpus="H100", counts=(1,))
    assert [row.model for row in found.rows] == ["Qwen/Qwen3-8B"]
    assert [skipped.model for skipped in found.skipped] == ["nobody/nothing"]
    with pytest.raises(ModelNotFoundError):
        vram.compare("nobody/nothing", gpus="H100")


def test_without_gpus_all_that_are_rented_or_bought_whole_are_compared() -> None:
    gpus = {row.gpu for row in vram.compare("Qwen/Qwen3-0.6B", counts=(1,)).rows}
    assert {"H100 80GB SXM", "RTX 4090", "L4", "B200"} <= gpus
    assert not any("MIG" in gpu for gpu in gpus)


def test_prices_find_the_cheapest_and_put_it_first() -> None:
    prices = {"H100": 2.5, "L40S": 0.9, "RTX A6000": 0.35}
    found = vram.compare("Qwen/Qwen3-32B", gpus=tuple(prices), prices=prices, max_model_len=8192)
    # 64 GB of weights: two A6000 (0.70) undercut two L40S (1.80) and one H100 (2.50)
    assert [(row.gpu, row.gpus, row.price_per_hour) for row in found.cheapest] == [("RTX A6000", 2, pytest.approx(0.7))]
    assert found.rows[0] == found.cheapest[0]


def test_progress_ends_at_all_cells() -> None:
    seen: list[tuple[int, int]] = []
    vram.compare(("Qwen/Qwen3-8B", "Qwen/Qwen3-4B"), gpus=GPUS, progress=lambda *at: seen.append(at))
    assert seen == [(16, 32), (32, 32)]


def test_csv_and_json_have_every_cell() -> None:
    found = vram.compare("Qwen/Qwen3-8B", gpus=GPUS)
    rows = list(csv.DictReader(io.StringIO(comparison_csv(found))))
    content = json.loads(json.dumps(found.to_dict()))
    assert len(rows) == len(content["rows"]) == len(found.rows)
    assert [row["gpu"] for row in rows] == [row["gpu"] for row in content["rows"]]


def test_a_models_name_is_no_formula_in_a_spreadsheet() -> None:
    from attrs import evolve

    found = vram.compare("Qwen/Qwen3-8B", gpus="L4", counts=(1,))
    hostile = evolve(found, rows=(evolve(found.rows[0], model="=1+1"),))
    assert "\n'=1+1," in comparison_csv(hostile)


PRICE_FILES: dict[str, str] = {
    "p.csv": "gpu,price_per_hour\nH100,2.5\n4090, 0.35\n",
    "p.toml": 'H100 = 2.5\n"4090" = 0.35\n',
    "p.json": '{"H100": 2.5, "4090": 0.35}',
    "p.yaml": "H100: 2.5\n4090: 0.35\n",
    "sections.toml": "[prices]\nH100 = 2.5\n4090 = 0.35\n",
    "list.json": '[{"gpu": "H100", "price_per_hour": 2.5}, {"gpu": "RTX 4090", "price_per_hour": 0.35}]',
}


@pytest.mark.parametrize(("name", "text"), PRICE_FILES.items())
def test_prices_are_read_from_every_kind_of_file(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = vram.compare("Qwen/Qwen3-8B", gpus=("H100", "RTX 4090"), counts=(2,), prices=tmp_path / name)
    assert {row.gpu: row.price_per_hour for row in found.rows} == {"H100 80GB SXM": 5.0, "RTX 4090": 0.7}


BROKEN_PRICES: dict[str, tuple[str, str, str]] = {
    "no number": ("p.toml", 'H100 = "cheap"', "is no price"),
    "a negative price": ("p.toml", "H100 = -1", "is no price"),
    "not a number": ("p.toml", "H100 = nan", "is no price"),
    "a truth": ("p.json", '{"H100": true}', "is no price"),
    "an unknown GPU": ("p.toml", "H10 = 1", "Did you mean"),
    "the same GPU twice": ("p.toml", '"RTX 4090" = 1\n4090 = 2', "two prices"),
    "nothing": ("p.toml", "", "has no prices"),
    "broken TOML": ("p.toml", "H100 = = 1", "is broken"),
    "broken JSON": ("p.json", "{", "is broken"),
    "broken YAML": ("p.yaml", "a: [", "is not valid YAML"),
    "YAML that would run code": ("p.yaml", "!!python/object/apply:os.system ['true']", "is not valid YAML"),
    "CSV without a header": ("p.csv", "H100,2.5\n", "first line"),
    "a list of something else": ("p.json", "[1, 2]", "must map"),
    "an unknown ending": ("p.txt", "H100 2.5", "endings"),
    "deep nesting": ("p.json", "[" * 100_000, "is broken"),
}


@pytest.mark.parametrize(("name", "text", "expected"), BROKEN_PRICES.values(), ids=BROKEN_PRICES.keys())
def test_broken_prices_are_one_clear_sentence(name: str, text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        vram.compare("Qwen/Qwen3-8B", gpus="H100", prices=tmp_path / name)
    assert expected in str(caught.value)


BAD: dict[str, tuple[dict[str, Any], type[VramError]]] = {
    "an unknown GPU": ({"gpus": ("H10",)}, UnknownNameError),
    "no count": ({"gpus": "H100", "counts": ()}, InputError),
    "a count of none": ({"gpus": "H100", "counts": (0,)}, InputError),
    "an unknown KV dtype": ({"gpus": "H100", "kv_cache_dtypes": ("fp9",)}, UnknownNameError),
    "an unknown quantization": ({"gpus": "H100", "quantizations": ("q9",)}, UnknownNameError),
    "no users": ({"gpus": "H100", "concurrency": 0}, InputError),
    "prices that are not there": ({"gpus": "H100", "prices": "no/such.toml"}, InputError),
    "an unknown argument": ({"gpus": "H100", "max_len": 1}, UnknownNameError),
}


@pytest.mark.parametrize(("asked", "error"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_an_error(asked: dict[str, Any], error: type[VramError]) -> None:
    with pytest.raises(error):
        vram.compare("Qwen/Qwen3-8B", **asked)


def test_no_models_are_an_error() -> None:
    with pytest.raises(InputError):
        vram.compare(())


def test_a_broken_model_among_several_is_skipped(model_folder: Callable[..., Path]) -> None:
    folder = model_folder(hidden_size=...)
    found = vram.compare((folder, "Qwen/Qwen3-8B"), gpus="H100", counts=(1,))
    assert {row.model for row in found.rows} == {"Qwen/Qwen3-8B"}
    assert "'hidden_size' is missing" in found.skipped[0].problem


def test_rows_are_plain_records() -> None:
    row = vram.compare("Qwen/Qwen3-8B", gpus="H100", counts=(1,)).rows[0]
    assert isinstance(row, Row)
    assert row.total_memory_bytes == row.gpu_memory_bytes


@pytest.mark.skipif(find_spec("transformers") is None, reason="needs the graph extra")
def test_code_of_a_repository_is_asked_for_as_for_an_estimate(tmp_path: Path) -> None:
    code = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    config = {"architectures": ["OwnForCausalLM"], "model_type": "own", "auto_map": code}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RemoteCodeError, match="--trust-remote-code"):
        vram.compare(tmp_path, gpus="H100")
    assert "--trust-remote-code" in vram.compare((tmp_path, "Qwen/Qwen3-8B"), gpus="H100").skipped[0].problem
