"""Which should I rent: prices from wherever somebody has them, tokens for money, and what is never named first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.command import refusal_of
from tests.command import vram as run

import vram
from vram.errors import InputError, UnknownNameError, VramError
from vram.models.comparison import Row
from vram.models.performance import Workload
from vram_plugins.compare.market import market
from vram_plugins.compare.order import folded
from vram_plugins.compare.prices import price_list

MODEL = "Qwen/Qwen3-32B"


def rows(**asked: Any) -> tuple[Row, ...]:
    return vram.compare(**{"models": MODEL, "max_model_len": 8192, **asked}).rows


PRICES: dict[str, Any] = {
    "numbers": {"H100": 2.49},
    "text with a sign": {"H100": "$2.49"},
    "text with a code": {"H100": "2.49 USD"},
    "lines as they are pasted": ["H100=2.49", "", '"L40S" = 0.86'],
}


@pytest.mark.parametrize("source", PRICES.values(), ids=PRICES.keys())
def test_a_price_list_is_read_from_what_people_have(source: Any) -> None:
    found = price_list(source)
    assert found.cheapest("H100 80GB SXM", 2).of(2) == pytest.approx(4.98)  # type: ignore[union-attr]
    assert found.currency in {None, "USD"}
    assert found.cheapest("A100 80GB SXM", 1) is None


FILES = {
    "a.csv": "gpu,price_per_hour,currency\nH100,2.49,EUR\n",
    "b.csv": "instance,price_per_hour,currency\np5.4xlarge,2.49,EUR\n",
    "c.toml": 'currency = "EUR"\n[prices]\nH100 = 2.49\n',
    "d.toml": 'currency = "EUR"\nH100 = 2.49\n',
    "e.json": '{"currency": "EUR", "prices": [{"name": "H100", "price_per_hour": 2.49}]}',
}


@pytest.mark.parametrize(("name", "text"), FILES.items())
def test_a_file_names_its_currency(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = price_list(tmp_path / name)
    assert found.currency == "EUR"
    assert [(one.gpu, one.per_gpu_hour) for one in found.prices] == [("H100 80GB SXM", 2.49)]


BROKEN: dict[str, tuple[Any, str]] = {
    "two currencies": ({"H100": "$2", "L40S": "1 EUR"}, "two currencies"),
    "words": ({"H100": "cheap"}, "is no price"),
    "a negative one": ({"H100": "-1"}, "is no price"),
    "a line without a price": (["H100"], "NAME=PRICE"),
    "a line without a name": (["=2"], "NAME=PRICE"),
    "nothing": ([], "has no prices"),
    "one twice": (["H100=1", "H100 SXM=2"], "two prices"),
}


@pytest.mark.parametrize(("source", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_list_is_one_clear_sentence(source: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        price_list(source)


def test_a_machine_that_is_rented_whole_costs_whole() -> None:
    """Eight A100 of 40 GB at 2.70 an hour each are 21.60, however many of them are used."""
    found = rows(gpus="A100 40GB", prices={"p4d.24xlarge": 2.7})
    assert {round(row.price_per_hour or 0, 6) for row in found} == {21.6}
    assert {row.instance_type for row in found} == {"p4d.24xlarge"}


def test_speed_is_what_the_performance_model_says_and_money_follows_from_it() -> None:
    row = next(
        row for row in rows(gpus="H100", concurrency=4, prices={"H100": 2.5}, prompt_tokens=1000, gen_tokens=200)
    )
    speed = vram.performance(
        MODEL, gpu="H100", gpus=row.gpus, max_model_len=8192, concurrency=4, prompt_tokens=1000, gen_tokens=200
    )
    assert row.output_tokens_per_s == pytest.approx(speed.output_tokens_per_s.expected, abs=0.05)
    assert row.ttft_ms == pytest.approx(speed.ttft_ms.expected, abs=0.05)
    hour = speed.output_tokens_per_s.expected * 3600
    assert row.price_per_hour == pytest.approx(2.5 * row.gpus)
    assert row.price_per_million_tokens == pytest.approx(2.5 * row.gpus / hour * 1e6, rel=1e-3)
    assert row.tokens_per_price == pytest.approx(hour / (2.5 * row.gpus), rel=1e-3)


def test_without_prices_there_is_no_money() -> None:
    for row in rows(gpus=["H100", "L40S"]):
        assert (row.price_per_hour, row.currency, row.tokens_per_price, row.price_per_million_tokens) == (None,) * 4


def test_prompt_and_answer_are_the_context_where_no_other_is_given() -> None:
    found = vram.compare(MODEL, gpus="H100", prompt_tokens=3000, gen_tokens=500)
    assert {row.max_model_len for row in found.rows} == {3500}
    assert found.workload == Workload(prompt_tokens=3000, gen_tokens=500, concurrency=1)
    with pytest.raises(InputError, match="do not fit"):
        vram.compare(MODEL, gpus="H100", prompt_tokens=3000, max_model_len=3000, gen_tokens=1)


def test_a_long_prompt_leaves_the_usual_answer_its_length() -> None:
    found = vram.compare(MODEL, gpus="H100", prompt_tokens=5000)
    assert found.workload == Workload(prompt_tokens=5000, gen_tokens=256, concurrency=1)
    assert {row.max_model_len for row in found.rows} == {5256}


def test_an_answer_of_one_token_has_no_time_between_tokens() -> None:
    found = vram.compare(MODEL, gpus="H100", prompt_tokens=3000, gen_tokens=1)
    assert {(row.tpot_ms, row.slow) for row in found.rows if row.fits} == {(0.0, False)}


def test_a_card_with_much_memory_that_is_slow_or_rare_is_never_named_first() -> None:
    """GB10 holds 61 GiB of weights in 120, and reads them at 273 GB/s: four tokens a second."""
    found = vram.compare(MODEL, max_model_len=16384, concurrency=4, gpu_memory_utilization=0.8)
    first, gb10 = found.rows[0], next(row for row in found.rows if row.gpu == "GB10" and row.gpus == 1)
    assert gb10.slow
    assert (first.slow, first.rare) == (False, False)
    assert found.smallest[0].gpu not in {"GB10", *market().rare}
    assert gb10.total_memory_bytes < first.total_memory_bytes


#: beside 20 GiB of others CUDA's context decides whether 23.9 GiB of a card of 44.42 are free (`verdict/test_others.py`)
CLOSE: dict[str, Any] = {
    "models": "Qwen/Qwen3-8B",
    "used_gib": 20,
    "gpu_memory_utilization": 23.9 / 44.42,
    "counts": (1,),
}


def test_a_start_that_is_too_close_to_be_sure_is_not_the_cheapest() -> None:
    found = vram.compare(gpus=("L40S", "H100"), max_model_len=8192, prices={"L40S": 0.3, "H100": 0.9}, **CLOSE)
    unsure = next(row for row in found.rows if row.gpu == "L40S")
    assert (unsure.fits, unsure.certainty) == (True, "borderline")
    assert (found.cheapest[0].gpu, found.cheapest[0].certainty) == ("H100 80GB SXM", "likely")
    assert unsure.price_per_hour < found.cheapest[0].price_per_hour  # type: ignore[operator]


ORDERS = {
    "price": lambda row: row.price_per_hour,
    "speed": lambda row: -row.output_tokens_per_s,
    "first-token": lambda row: row.ttft_ms,
    "value": lambda row: -row.tokens_per_price,
}


@pytest.mark.parametrize("name", ORDERS)
def test_what_fits_is_sorted_as_asked(name: str) -> None:
    prices = {"H100": 2.5, "L40S": 0.9, "H200": 3.5}
    fitting = [r for r in rows(gpus=tuple(prices), prices=prices, sort=name) if r.fits and r.certainty == "likely"]
    keys = [ORDERS[name](row) for row in fitting]
    assert len(keys) > 4
    assert keys == sorted(keys)


FILTERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a kind": ({"kinds": ["consumer"]}, {"consumer"}),
    "an edge device": ({"kinds": ["edge"]}, {"embedded", "laptop"}),
    "two kinds": ({"kinds": ["datacenter", "workstation"]}, {"data centre", "workstation"}),
    "nothing": ({}, {"data centre", "workstation", "consumer"}),
}


@pytest.mark.parametrize(("asked", "kinds"), FILTERS.values(), ids=FILTERS.keys())
def test_kinds_narrow_the_choice(asked: dict[str, Any], kinds: set[str]) -> None:
    assert {row.gpu_kind for row in rows(models="Qwen/Qwen3-0.6B", counts=(1,), **asked)} == kinds


def test_a_cloud_has_its_machine_types_and_no_other_gpu() -> None:
    found = rows(models="Qwen/Qwen3-8B", clouds=["aws"], counts=(1, 4))
    assert {row.gpu for row in found} == {one.gpu for one in market().instances if one.cloud == "aws"}
    assert {row.instance_type for row in found if row.gpu == "L40S"} == {"g6e.*", "g6e.12xlarge"}


def test_memory_is_as_on_the_box() -> None:
    """A card of "80 GB" has 79.1 GiB, and counts as one of 80."""
    gpus = {row.gpu for row in rows(models="Qwen/Qwen3-8B", counts=(1,), min_memory_gib=80, max_memory_gib=100)}
    assert {"H100 80GB SXM", "A100 80GB PCIe", "H100 NVL"} <= gpus
    assert not {"L40S", "H200"} & gpus


def test_what_is_in_stock_is_a_list_or_a_file_of_gpus_and_machine_types(tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text("gpu,free\nL4,3\np5.48xlarge,1  # tomorrow\n")
    for stock in ("L4, p5.48xlarge", ["L4", "p5.48xlarge"], tmp_path / "stock.csv", str(tmp_path / "stock.csv")):
        assert {row.gpu for row in rows(models="Qwen/Qwen3-8B", in_stock=stock)} == {"L4", "H100 80GB SXM"}


BAD: dict[str, tuple[dict[str, Any], type[VramError]]] = {
    "an unknown kind": ({"kinds": ["cheap"]}, UnknownNameError),
    "an unknown cloud": ({"clouds": ["nimbus"]}, UnknownNameError),
    "an unknown order": ({"sort": "luck"}, UnknownNameError),
    "nothing left": ({"kinds": ["consumer"], "min_memory_gib": 500}, InputError),
    "no such stock": ({"in_stock": "H10"}, UnknownNameError),
    "an empty stock": ({"in_stock": ","}, InputError),
    "others that hold all": ({"gpus": "L4", "used_gib": 100}, InputError),
}


@pytest.mark.parametrize(("asked", "error"), BAD.values(), ids=BAD.keys())
def test_bad_filters_are_errors(asked: dict[str, Any], error: type[VramError]) -> None:
    with pytest.raises(error):
        rows(**asked)


def test_editions_of_one_card_are_one_line_and_other_cards_are_not() -> None:
    found = [r for r in rows(models="Qwen/Qwen3-8B", counts=(1,)) if r.fits]
    lines = {row.gpu: {other.gpu for other in others} for row, others in folded(found)}
    assert sum(map(len, lines.values())) + len(lines) == len(found)
    assert any({gpu, *others} == {"H100 80GB SXM", "H100 80GB PCIe"} for gpu, others in lines.items())
    assert any({gpu, *others} == {"RTX 5090", "RTX 5090 D"} for gpu, others in lines.items())
    for apart in ("RTX 3090 Ti", "L40S", "H200", "RTX 4090"):
        assert not any("Ti" in other or other == "L40" for other in lines.get(apart, ()))


def test_the_market_names_gpus_that_are_known() -> None:
    from vram.gpus import find_gpu
    from vram.plugin import plugins

    named = {one.gpu for one in market().instances} | set().union(*market().single.values()) | market().rare
    assert {find_gpu(name, plugins().profiles).name for name in named} == named


def test_a_person_reads_what_is_cheapest_best_value_and_fastest() -> None:
    done = run(
        "compare", MODEL, "-c", "8192", "--price", "H100=2.49USD", "--price", "L40S=0.86", "--price", "H200=$3.5"
    )
    lines = done.stdout.splitlines()
    assert lines[0] == f"Cheapest for {MODEL}, 1 × 8,192 tokens: 2 × L40S, 1.72 USD per hour"
    assert lines[1].startswith("Most tokens for money: ")
    assert any(line.split()[:4] == ["GPUs", "USD/h", "tok/s", "USD/Mtok"] for line in lines)
    assert "have no price and are left out; --all shows them." in done.stdout
    assert max(map(len, lines)) <= 80


def test_one_price_typed_wins_over_the_files(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("H100 = 9\nL40S = 1\n")
    done = run(
        "compare", "Qwen/Qwen3-8B", "--gpu", "H100,L40S", "--counts", "1", "--prices", tmp_path / "p.toml",
        "--price", "H100=0.5", "--json",
    )  # fmt: skip
    content = json.loads(done.stdout)
    assert {row["gpu"]: row["price_per_hour"] for row in content["rows"]} == {"H100 80GB SXM": 0.5, "L40S": 1.0}


def test_a_misspelt_price_is_one_sentence() -> None:
    assert "NAME=PRICE" in refusal_of("compare", MODEL, "--price", "H100:2")


def test_check_takes_a_start_that_is_close_only_where_it_may() -> None:
    share = str(CLOSE["gpu_memory_utilization"])
    asked = ("compare", CLOSE["models"], "--gpu", "L40S", "--counts", "1", "-c", "8192", "--used-gib", "20", "--check")
    asked = (*asked, "--gpu-memory-utilization", share)
    assert run(*asked).returncode == 1
    assert run(*asked, "--accept-borderline").returncode == 0


def test_a_report_says_what_is_cheapest_and_shows_what_has_a_price() -> None:
    from vram.report import comparison_document, document_markdown

    prices = {"L40S": 0.86, "H100": 2.49}
    found = vram.compare(
        MODEL, gpus=("L40S", "H100", "H200"), prices=price_list({"L40S": "0.86 USD", "H100": 2.49}), max_model_len=4096
    )
    text = document_markdown(comparison_document(found))
    assert f"cheapest: 2 × L40S, {2 * prices['L40S']:.2f} USD per hour" in text
    assert "USD/h" in text
    assert "H200" not in text
    without = document_markdown(comparison_document(vram.compare(MODEL, gpus=("L40S", "H100"), max_model_len=4096)))
    assert "least hardware: " in without
    assert "/h" not in without


def test_a_laptop_has_one_gpu() -> None:
    found = vram.compare("Qwen/Qwen3-0.6B", gpus=("RTX 5090 Laptop", "RTX 5090"), max_model_len=2048)
    assert {row.gpus for row in found.rows if row.gpu == "RTX 5090 Laptop"} == {1}
    assert {row.gpus for row in found.rows if row.gpu == "RTX 5090"} == {1, 2, 4, 8}
