"""Price lists as people have them, and what machines that are rented whole cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vram.errors import InputError
from vram_plugins.compare.prices import Price, PriceList, joined, listed, price_list, prices_from

H100, L40S = "H100 80GB SXM", "L40S"


def costs(found: PriceList) -> dict[str, float]:
    return {one.instance or one.gpu: one.per_gpu_hour for one in found.prices}


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        (0, 0.0, None), (2, 2.0, None), (1e6, 1e6, None), ("2.49", 2.49, None), (" $2.49 ", 2.49, "USD"), ("2.49€", 2.49, "EUR"),
        ("£ 1", 1.0, "GBP"), ("¥350", 350.0, "JPY"), ("chf 2", 2.0, "CHF"), ("2 Nok", 2.0, "NOK"), ("1e2", 100.0, None),
        ("+2.5e-1", 0.25, None), (".5", 0.5, None),
    ],
)  # fmt: skip
def test_a_price_is_a_number_or_a_text_with_its_currency(written: Any, amount: float, currency: str | None) -> None:
    found = price_list({"H100": written})
    assert (costs(found), found.currency) == ({H100: amount}, currency)


@pytest.mark.parametrize(
    "written", [-0.01, 1_000_000.01, True, None, [2], float("nan"), float("inf"), "", "-1", "1.2.3", "2,49", "two", "$", "2 USDT", "1e9"]
)  # fmt: skip
def test_nothing_else_is_a_price(written: Any) -> None:
    with pytest.raises(InputError, match="is no price from 0 to 1e\\+06"):
        price_list({"H100": written})


def test_an_overlong_price_is_shown_by_its_first_forty_signs() -> None:
    with pytest.raises(InputError, match=f"gives '{'x' * 40}' for 'H100'"):
        price_list({"H100": "x" * 90})


@pytest.mark.parametrize(
    ("per_gpu", "machine", "wanted", "cost"),
    [
        (2.0, None, 1, 2.0),
        (2.0, None, 3, 6.0),
        (2.0, 8, 1, 16.0),
        (2.0, 8, 8, 16.0),
        (2.0, 8, 9, 32.0),
        (0.5, 4, 9, 6.0),
    ],
)
def test_whole_machines_are_paid(per_gpu: float, machine: int | None, wanted: int, cost: float) -> None:
    assert Price(gpu=L40S, per_gpu_hour=per_gpu, gpus=machine).of(wanted) == cost


#: alone 3.0 an hour, in a machine of four 2.5 each, in one of eight 2.0 each
OFFERS = PriceList(
    prices=(
        Price(gpu=L40S, per_gpu_hour=3.0),
        Price(gpu=L40S, per_gpu_hour=2.5, instance="four", gpus=4),
        Price(gpu=L40S, per_gpu_hour=2.0, instance="eight", gpus=8),
        Price(gpu=H100, per_gpu_hour=0.1),
    )
)


@pytest.mark.parametrize(
    ("count", "cheapest"), [(1, None), (3, None), (4, "four"), (5, None), (6, "eight"), (8, "eight"), (9, None)]
)
def test_the_cheapest_offer_is_that_of_one_machine_with_so_many_gpus(count: int, cheapest: str | None) -> None:
    """5 × 3.0 = 15 < 16; 6 × 3.0 = 18 > 16. Nine are in no machine."""
    found = OFFERS.cheapest(L40S, count)
    assert found is not None
    assert found.instance == cheapest
    assert OFFERS.cheapest("A10", count) is None


@pytest.mark.parametrize(
    ("servers", "gpus", "cost"),
    [
        (1, 1, 3.0),
        (1, 4, 10.0),  # a machine of four
        (3, 2, 16.0),  # a machine of eight holds four servers of two: 16 against 18 alone and 20 in two of four
        (4, 2, 16.0),
        (5, 2, 30.0),  # 30 alone, 30 in three of four, 32 in two of eight
        (3, 3, 27.0),  # 27 alone, 30 in three of four (one server in each), 32 in two of eight
        (2, 8, 32.0),
        (1, 9, 27.0),  # in no machine whole
    ],
)
def test_servers_are_put_into_machines_as_many_as_fit(servers: int, gpus: int, cost: float) -> None:
    assert OFFERS.of_servers(L40S, servers, gpus) == cost
    assert OFFERS.of_servers("A10", servers, gpus) is None


def test_a_machines_price_is_that_of_each_of_its_gpus() -> None:
    found = price_list({"p5.48xlarge": 4.0, "H100": 5})
    assert [(one.gpu, one.instance, one.gpus) for one in found.prices] == [(H100, "p5.48xlarge", 8), (H100, None, None)]


def test_of_two_lists_the_second_counts_where_both_name_one() -> None:
    first, second = price_list({"H100": "$2", "L40S": 1}), price_list({"H100": 3, "p5.48xlarge": 4})
    both = joined(first, second)
    assert (costs(both), both.currency) == ({L40S: 1.0, H100: 3.0, "p5.48xlarge": 4.0}, "USD")
    with pytest.raises(InputError, match="names two currencies, EUR and USD"):
        joined(first, price_list({"A10": "1 EUR"}))


def test_a_files_prices_and_typed_ones_are_one_list(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"H100": 2, "L40S": 1}')
    file = str(tmp_path / "a.json")
    assert prices_from(None, ()) is None
    assert costs(prices_from(file, ())) == {H100: 2.0, L40S: 1.0}  # type: ignore[arg-type]
    assert costs(prices_from(file, ("H100=3",))) == {L40S: 1.0, H100: 3.0}  # type: ignore[arg-type]
    assert costs(prices_from(None, ("H100=3",))) == {H100: 3.0}  # type: ignore[arg-type]


def test_a_program_gives_a_list_names_with_prices_or_nothing() -> None:
    assert listed(None) == PriceList()
    assert listed(OFFERS) is OFFERS
    assert costs(listed({"H100": 2})) == {H100: 2.0}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"H100": 2.5, "L40S": 1}'),
        ("b.json", '{"prices": {"H100": 2.5, "L40S": "1"}}'),
        ("c.json", '[{"gpu": "H100", "price_per_hour": 2.5}, {"name": "L40S", "price_per_hour": 1, "note": 5}]'),
        ("d.TOML", "H100 = 2.5\nL40S = 1\n"),
        ("e.yaml", "prices:\n  H100: 2.5\n  L40S: 1\n"),
        ("f.yml", "- {gpu: H100, price_per_hour: 2.5}\n- {gpu: L40S, price_per_hour: 1}\n"),
        ("g.csv", "gpu, price_per_hour\nH100, 2.5\n,\nL40S, 1\n"),
        ("h.csv", "\ufeffname,note,price_per_hour\nH100,x,2.5\nL40S,,1\n"),
    ],
)
def test_every_shape_of_a_file_is_the_same_list(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = price_list(tmp_path / name)
    assert (costs(found), found.currency) == ({H100: 2.5, L40S: 1.0}, None)


def test_a_card_whose_name_is_a_number_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("4090: 0.4\n")
    assert costs(price_list(tmp_path / "a.yaml")) == {"RTX 4090": 0.4}


def test_each_row_may_name_its_currency_and_all_are_one(tmp_path: Path) -> None:
    rows = [
        {"gpu": "H100", "price_per_hour": 2, "currency": "eur"},
        {"gpu": "L40S", "price_per_hour": "€1", "currency": ""},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"currency": "EUR", "prices": rows}))
    assert price_list(tmp_path / "a.json").currency == "EUR"
    rows[1]["currency"] = "USD"
    (tmp_path / "a.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="the file names two currencies, EUR and USD"):
        price_list(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.txt", "H100=2", "has none of the endings .csv, .json, .toml, .yaml, .yml"),
        ("a.json", "{", "is broken: Expecting"),
        ("a.json", "[" * 100_000, "is broken"),
        ("a.toml", "H100 = ", "is broken"),
        ("a.yaml", "a: [", "is not valid YAML in line 1"),
        ("a.yaml", "[" * 2**20, "is nested more than 64 levels deep"),
        ("a.yaml", "a: &a [x]\nH100: [*a, *a]\n", "uses YAML aliases, which are not read"),
        ("a.csv", "gpu,price\nH100,2\n", "is broken: the first line must name the columns gpu (or instance) and price_per_hour"),
        ("a.csv", "card,price_per_hour\nH100,2\n", "is broken: the first line must name"),
        ("a.csv", "", "is broken: the first line must name"),
        ("a.csv", "gpu,price_per_hour\n", "has no prices"),
        ("a.json", "{}", "has no prices"),
        ("a.json", '{"currency": "EUR"}', "has no prices"),
        ("a.json", "[]", "has no prices"),
        ("a.json", "5", "must map GPU names to prices"),
        ("a.json", '{"prices": 5}', "must map GPU names to prices"),
        ("a.json", '[{"gpu": "H100"}]', "must map GPU names to prices"),
        ("a.json", '[{"price_per_hour": 2}]', "must map GPU names to prices"),
        ("a.json", '[{"gpu": "H100", "price_per_hour": 2}, {"price_per_hour": 2}]', "must map GPU names to prices"),
        ("a.json", '[{"gpu": "H100", "price_per_hour": 2}, {"gpu": "L40S"}]', "must map GPU names to prices"),
        ("a.json", '[{"gpu": "H100", "price_per_hour": 2}, 5]', "must map GPU names to prices"),
        ("a.json", '[{"gpu": 4.5, "price_per_hour": 2}]', "names a GPU 4.5, which is no text"),
        ("a.json", '[{"gpu": "H100", "price_per_hour": null}]', "gives 'None' for 'H100'"),
        ("a.json", '{"H100": 1, "h100 sxm": 1}', "gives two prices for H100 80GB SXM"),
        ("a.json", '{"p5.48xlarge": 1, "P5.48xlarge": 1}', "gives two prices for p5.48xlarge"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence_that_names_it(name: str, text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        price_list(tmp_path / name)
    assert (error.value.data["name"], error.value.data["value"]) == ("prices", str(tmp_path / name))
    assert str(error.value.data["problem"]).startswith(f"the file {problem}")


def test_a_file_has_up_to_one_mebibyte_and_is_text(tmp_path: Path) -> None:
    whole = b'{"H100": 2}'.ljust(2**20)
    (tmp_path / "a.json").write_bytes(whole)
    assert costs(price_list(tmp_path / "a.json")) == {H100: 2.0}
    (tmp_path / "a.json").write_bytes(whole + b" ")
    with pytest.raises(InputError, match="the file is 1,048,577 bytes, more than any such file"):
        price_list(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b'{"H100": 2, "\xff": 1}')
    with pytest.raises(InputError, match="the file is not text in UTF-8"):
        price_list(tmp_path / "a.json")
    with pytest.raises(InputError, match="the file does not exist"):
        price_list(tmp_path / "b.json")


def test_typed_lines_name_a_card_and_a_price() -> None:
    found = price_list(["H100=2.49", "  ", '"L40S" = 0.86 '])
    assert costs(found) == {H100: 2.49, L40S: 0.86}
    for line in ("H100", "=2", "  =2"):
        with pytest.raises(InputError, match="must be NAME=PRICE, such as H100=2\\.49"):
            price_list([line])
    with pytest.raises(InputError) as error:
        price_list(["x" * 200])
    assert error.value.data["value"] == "x" * 80
