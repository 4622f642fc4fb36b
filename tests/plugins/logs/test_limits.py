"""How much of a log is kept, from both sides, and which of its lines are put together."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vram.errors import LogError
from vram.units import GIB
from vram_plugins.logs.parse import parse_lines, read_log, repository_of
from vram_plugins.logs.pasted import Pasted
from vram_plugins.logs.records import EngineStart

BEGUN = "INFO 12-15 19:05:20 [x.py:1]"
POOL = "Available KV cache memory: 2.5 GiB"
ENGINE = "Initializing a V1 LLM engine (v0.11.2) with config: model='m'"
ASKED = "non-default args: {'model': 'n', 'max_num_seqs': 8}"
MEMORY = "CUDA out of memory. Tried to allocate {}. GPU 0 has a total capacity of 23.5 GiB of which 1.5 GiB is free."


def start(*lines: str) -> EngineStart:
    return parse_lines(lines, path="x").last


def test_a_start_has_up_to_4096_numbers() -> None:
    assert len(start(*[POOL] * 4096).readings) == 4096
    assert len(start(*[POOL] * 4097).readings) == 4096


def test_a_log_has_up_to_256_starts_of_which_the_last_are_kept() -> None:
    log = parse_lines([f"{BEGUN} {ENGINE}"] * 300, path="x")
    assert (len(log.starts), log.last.line, log.starts[0].line) == (256, 300, 45)
    assert log.lines == 300


@pytest.mark.parametrize("number", [2**40, 1, 0])
def test_numbers_are_within_two_to_the_40(number: int) -> None:
    assert start(POOL, "", f"GPU KV cache size: {number:,} tokens").largest("kv_tokens") == number


def test_and_no_further() -> None:
    assert start(POOL, "", f"GPU KV cache size: {2**40 + 1:,} tokens").largest("kv_tokens") is None
    assert start(POOL, "", "GPU KV cache size: ,,, tokens").largest("kv_tokens") is None
    assert (
        start(POOL, "", "Available KV cache memory: -999999999999 GiB").smallest("available_kv_bytes")
        == -999999999999 * GIB
    )


@pytest.mark.parametrize(
    ("wanted", "nbytes"),
    [("2.00 MiB", 2 * 2**20), ("512.00 KiB", 512 * 2**10), ("1.5 GiB", 3 * 2**29), ("0.001 MiB", 1049)],
)
def test_what_was_wanted_is_in_units_as_large_as_it_is(wanted: str, nbytes: int) -> None:
    found = start(MEMORY.format(wanted))
    assert found.largest("wanted_bytes") == nbytes
    assert found.largest("total_bytes") == 23.5 * GIB


def test_a_failure_is_quoted_from_80_letters_before_it_and_400_in_all() -> None:
    line = "b" * 100 + MEMORY.format("1 GiB") + "a" * 500
    (failure,) = start(line).failures
    assert failure.text == line[20:420]
    (failure,) = start("b" * 10 + MEMORY.format("1 GiB")).failures
    assert failure.text == "b" * 10 + MEMORY.format("1 GiB")


def test_a_failure_is_told_once_with_the_line_that_told_it_first() -> None:
    (failure,) = start(POOL, MEMORY.format("1 GiB"), "x", MEMORY.format("2 GiB")).failures
    assert failure.line == 2


@pytest.mark.parametrize(("name", "known"), [("m" * 1024, True), ("m" * 1025, False), ("", False), ("a\\0b", False)])
def test_a_name_of_a_model_has_up_to_1024_letters(name: str, known: bool) -> None:
    found = start(f"{BEGUN} {ENGINE}".replace("'m'", f"'{name}'"), "", POOL)
    assert found.model == (name if known else None)


@pytest.mark.parametrize("order", [(ASKED, ENGINE), (ENGINE, ASKED)])
def test_what_was_asked_stands_over_the_dump_whichever_comes_first(order: tuple[str, str]) -> None:
    lines = [f"{BEGUN} {one}".replace("model='m'", "model='m', max_seq_len=5, max_num_seqs=9") for one in order]
    found = start(*lines)
    assert found.model == "n"
    assert found.arguments == {"max_num_seqs": 8, "max_model_len": 5}
    assert found.asked == ("max_num_seqs",)


def test_of_two_lines_of_a_server_each_says_what_was_asked() -> None:
    """vLLM's front end prints some, its processes the rest: the second begins another start only where the first was told already."""
    twice = [f"{BEGUN} {ASKED}", POOL, f"{BEGUN} {ASKED.replace('8', '16')}", POOL]
    log = parse_lines(twice, path="x")
    assert [one.arguments["max_num_seqs"] for one in log.starts] == [8, 16]


def test_a_repository_is_told_by_the_cache_of_the_hub() -> None:
    assert repository_of("/x/models--a--b-c/snapshots/1234") == "a/b-c"
    assert repository_of("/x/models--a--b") == "a/b"
    assert repository_of("models--a") == "models--a"


def pasted(*lines: str) -> list[tuple[str, int]]:
    return list(Pasted().whole_lines(lines))


def test_a_message_is_put_together_from_up_to_40_lines() -> None:
    """What goes over the end of a line is one, behind a beginning of vLLM's; of more lines the first forty."""
    for fill, value in ((37, 2.5 * GIB), (38, None)):
        found = start(
            POOL.replace("2.5", "1.5"), "", f"{BEGUN} note", *["word"] * fill, "Available KV cache", "memory: 2.5 GiB"
        )
        assert found.values("available_kv_bytes") == ((value,) if value else (1.5 * GIB,))


def test_a_longer_one_is_whole_in_its_first_40_and_line_by_line_behind() -> None:
    message = [f"{BEGUN} Available KV cache", "memory: 2.5 GiB", *["word"] * 39]
    found = pasted(*message)
    assert found[0] == (" ".join([*message[:40], ""]).strip(), 1)
    assert found[1:] == [("word", 41)]


def test_without_a_beginning_of_vllms_more_than_40_lines_are_no_message() -> None:
    assert start(POOL, "", "Available KV cache", "memory: 1.5 GiB", *["word"] * 38).values("available_kv_bytes") == (
        1.5 * GIB,
    )
    lines = ["Available KV cache", "memory: 1.5 GiB", *["word"] * 39]
    assert pasted(*lines) == [(line, number) for number, line in enumerate(lines, 1)]


def test_arguments_may_go_over_more_lines_than_a_message() -> None:
    pieces = ["'max_num_seqs': 8,", *[f"'x{n}': {n}," for n in range(60)], "'max_model_len': 5}"]
    found = start(f"{BEGUN} non-default args: {{", *pieces, "", POOL)
    assert found.arguments == {"max_num_seqs": 8, "max_model_len": 5}


def test_lines_behind_a_processs_own_are_that_processs() -> None:
    lines = pasted(f"(Worker_TP1 pid=3) {BEGUN} Traceback", "  one", "  two")
    assert lines[0] == (f"(Worker_TP1 pid=3) {BEGUN} Traceback", 1)
    assert [(text.startswith("(Worker_TP1"), text[-5:], number) for text, number in lines[1:]] == [
        (True, "  one", 2),
        (True, "  two", 3),
    ]
    assert pasted(f"{BEGUN} Traceback", "  one") == [(f"{BEGUN} Traceback", 1), ("  one", 2)]


def test_the_report_is_kept_up_to_one_mebibyte() -> None:
    reader = Pasted()
    list(reader.whole_lines(["x" * 1023] * 1100))
    assert reader.report == "\n".join(["x" * 1023] * 1024)
    assert reader.count == 1100
    reader = Pasted()
    list(reader.whole_lines(["x" * (2**20 - 2), "a", "b"]))
    assert reader.report.endswith("x\na")


def test_a_log_without_a_line_says_how_many_were_read() -> None:
    for lines in ((), ("a",), ("a", "b")):
        with pytest.raises(LogError, match=f"{len(lines)} lines read"):
            parse_lines(lines, path="x")


def test_a_log_from_a_pipe_is_named_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(POOL.encode())))
    assert read_log("-").path == "standard input"
    (tmp_path / "x.log").write_text(POOL)
    assert read_log(tmp_path / "x.log").path == str(tmp_path / "x.log")


DEVICE = "Config file not found at /x/E=128,N=768,device_name={}.json"


def test_a_gpu_is_that_of_the_start_it_is_named_in_or_before() -> None:
    before = start(DEVICE.format("NVIDIA_L40S"), "", POOL)
    assert before.gpu == "NVIDIA L40S"
    first = start(POOL, "", DEVICE.format("NVIDIA_L40S"), "", DEVICE.format("NVIDIA_A10"))
    assert first.gpu == "NVIDIA L40S"
    assert start(POOL).gpu is None


def test_a_revision_is_the_one_named_first_and_nothing_is_named_by_an_empty_text() -> None:
    asked = f"{BEGUN} {ASKED}".replace("'max", "'revision': 'r1', 'max")
    dumped = f"{BEGUN} {ENGINE}, revision='r2', quantization='awq'"
    found = start(asked, dumped)
    assert (found.revision, found.resolved_quantization) == ("r1", "awq")
    assert start(dumped).revision == "r2"
    empty = start(dumped.replace("r2", "").replace("awq", ""))
    assert (empty.revision, empty.resolved_quantization) == (None, None)
