"""Comparing against targets: replicas of each row, the column, the filter."""

from __future__ import annotations

from typing import Any

import pytest
from tests.command import refusal_of
from tests.command import vram as run

import vram
from vram.errors import InputError
from vram.models.comparison import Comparison

JOB: dict[str, Any] = {"prompt_tokens": 4000, "gen_tokens": 500}


def compared(**asked: Any) -> Comparison:
    return vram.compare("Qwen/Qwen3-32B", gpus=["H100", "L4", "A100"], **{**JOB, **asked})


def test_each_row_has_the_replicas_that_keep_the_targets_when_asked_again() -> None:
    found = compared(ttft_ms=3000, tpot_ms=40, requests_per_second=3)
    good = [row for row in found.rows if row.meets]

    assert good
    for row in good:
        assert row.replicas is not None
        size = {"tensor_parallel_size": row.tensor_parallel_size, "pipeline_parallel_size": row.pipeline_parallel_size}
        rate = 3 / row.replicas
        speed = vram.performance(row.model, gpu=row.gpu, request_rate=rate, max_model_len=4500, **size, **JOB)
        assert speed.ttft_ms.high <= 3000
        assert speed.tpot_ms.high <= 40
        assert speed.capacity_requests_per_s >= rate
        assert vram.estimate(
            row.model, gpu=row.gpu, concurrency=row.concurrency, max_model_len=4500, **size
        ).verdict.fits
    failed = [row for row in found.rows if row.fits and row.meets is False]
    assert {row.gpu for row in failed} >= {"L4"}
    assert all(row.limited_by in {"time to first token", "time per token"} for row in failed)
    assert found.rows.index(good[-1]) < found.rows.index(failed[0])


def test_users_are_shared_out_over_replicas() -> None:
    row = compared(tpot_ms=40, concurrency=300, meets=True).rows[0]
    assert row.replicas is not None
    assert row.users_within_targets is not None
    assert row.replicas > 1
    assert row.concurrency * row.replicas >= 300
    assert row.users_within_targets >= 300


def test_the_filter_leaves_what_meets_and_the_cheapest_is_of_all_replicas() -> None:
    found = compared(ttft_ms=3000, requests_per_second=3, meets=True, prices={"H100": 2.0, "A100": 1.5})
    assert all(row.meets for row in found.rows)
    for row in found.rows:
        assert row.replicas is not None
        assert row.price_per_hour is not None
        assert row.total_price_per_hour == pytest.approx(row.price_per_hour * row.replicas)
    cheapest = found.cheapest[0]
    assert cheapest.total_price_per_hour == min(row.total_price_per_hour or 0.0 for row in found.rows)


def test_without_targets_nothing_is_said_of_them() -> None:
    found = compared()
    assert found.targets is None
    assert {(row.meets, row.replicas) for row in found.rows} == {(None, None)}
    with pytest.raises(InputError, match="needs a target"):
        compared(meets=True)


def test_the_table_has_a_column_and_says_where_nothing_is_left() -> None:
    asked = ("compare", "Qwen/Qwen3-32B", "--gpu", "H100,L4", "--prompt-tokens", 4000, "--gen-tokens", 500)
    done = run(*asked, "--ttft-ms", 3000, "--requests-per-second", 3, COLUMNS="160")
    assert done.returncode == 0
    assert "✗ time to first token" in done.stdout
    assert " × H100" in done.stdout
    none = run(*asked, "--ttft-ms", 5, "--meets", "--check", COLUMNS="160")
    assert none.returncode == 1
    assert "nothing that was compared keeps the targets" in none.stdout
    assert refusal_of(*asked, "--meets").startswith("Error: meets: needs a target")
