"""Sweeps: each row is what the question answers alone, a refused one says why, whatever does the work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import vram
from vram.errors import InputError

ASKED = [
    {"model": "Qwen/Qwen3-8B", "gpu": gpu, "max_model_len": length, "concurrency": 2}
    for gpu in ("H100", "L4")
    for length in (4096, 32768)
]


def test_a_row_has_the_numbers_of_the_question_asked_alone() -> None:
    for row, question in zip(vram.estimate_many(ASKED), ASKED, strict=True):
        alone = vram.estimate(**question)  # type: ignore[arg-type]
        assert (row.fits, row.starts, row.certainty) == (
            alone.verdict.fits, alone.verdict.starts, alone.verdict.certainty,
        )  # fmt: skip
        assert (row.weights_bytes, row.headroom_bytes) == (
            alone.memory.weights.expected,
            alone.memory.headroom.expected,
        )
        assert (row.kv_cache_tokens, row.max_concurrency) == (alone.kv_cache.tokens, alone.kv_cache.max_concurrency)
        assert (row.longest_context, row.most_requests) == (
            alone.limits.max_context_at_concurrency, alone.limits.max_concurrency_at_context,
        )  # fmt: skip
        assert row.estimate is not None
        assert row.estimate.memory == alone.memory
        assert row.question is question


def test_a_refused_question_is_a_row_that_says_why_and_the_others_are_answered() -> None:
    found = vram.estimate_many(
        [{"model": "Qwen/Qwen3-8B", "gpu": "H10"}, ASKED[0], {"model": "nobody/knows", "gpu": "H100", "gpus": 0}]
    )
    assert [row.error is None for row in found] == [False, True, False]
    assert "H100" in str(found[0].error)
    assert found[0].weights_bytes is None


def test_a_question_that_does_not_fit_is_answered_without_a_search_for_changes() -> None:
    (row,) = vram.estimate_many([{"model": "Qwen/Qwen3-32B", "gpu": "L4"}])
    assert (row.starts, row.fits, row.error) == (False, False, None)
    assert row.estimate is not None
    assert row.estimate.verdict.changes == ()


def test_several_processes_answer_as_one_does() -> None:
    asked = ASKED * 12
    assert vram.estimate_many(asked, processes=2).rows == vram.estimate_many(asked).rows


def test_progress_counts_up_to_all() -> None:
    told: list[tuple[int, int]] = []
    vram.estimate_many(ASKED * 10, progress=lambda done, of: told.append((done, of)))
    assert told == [(32, 40), (40, 40)]


def test_no_question_is_no_row() -> None:
    assert len(vram.estimate_many([])) == 0


@pytest.mark.parametrize(
    ("questions", "processes", "problem"),
    [
        (["Qwen/Qwen3-8B"], 1, r"questions\[0\]: must be a mapping"),
        ([{"gpu": "H100"}], 1, r"questions\[0\]: must be a mapping of `model`"),
        ([ASKED[0], {1: 2, "model": "x"}], 1, r"questions\[1\]"),
        (ASKED, 0, "processes: must be a whole number from 1"),
        (ASKED, True, "processes"),
    ],
)
def test_what_is_no_question_is_named(questions: Any, processes: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        vram.estimate_many(questions, processes=processes)


@pytest.mark.parametrize(("there", "kind"), [("polars", None), ("pandas", None), ("pandas", "pandas")])
def test_the_table_is_a_frame_of_the_library_that_is_there(there: str, kind: Any, only: Callable[[str], None]) -> None:
    only(there)
    found = vram.estimate_many(ASKED[:2]).table(kind)
    assert found.library == there
    assert [row["gpu"] for row in found.rows] == ["H100 80GB SXM"] * 2
    assert set(found.rows[0]).isdisjoint({"question", "estimate"})


def test_without_either_it_is_a_list_and_asking_for_one_says_so(only: Callable[[str], None]) -> None:
    only("")
    sweep = vram.estimate_many(ASKED[:1])
    assert sweep.table() == sweep.table("rows") == [sweep[0].plain()]
    with pytest.raises(InputError, match="not installed here"):
        sweep.table("polars")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """polars and pandas as if one of them alone, or none, were installed."""

    def installed(name: str) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda asked: asked == name or None)
        module = ModuleType(name or "none")

        class DataFrame:
            def __init__(self, rows: list[dict[str, Any]], **_: Any) -> None:
                self.rows, self.library = rows, name

        module.DataFrame = DataFrame  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name or "none", module)

    return installed
