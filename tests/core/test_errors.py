"""A sentence is one line of printable characters, whatever the data of an error hold."""

from __future__ import annotations

import pytest

from vram.errors import CheckpointError, InputError, LogError, VramError


@pytest.mark.parametrize(
    "error",
    [
        LogError(path="a\nb\x1b[31mc\x07", problem="does not exist"),
        CheckpointError(path="x\r\n" * 3, problem="is no file"),
        InputError(name="PATH\x1b]0;x\x07", value=None, problem="is\u2028broken"),
        InputError(name="PATH", value="a\nb", problem="is broken"),
    ],
)
def test_orders_to_a_terminal_and_line_ends_are_not_printed(error: VramError) -> None:
    assert str(error).isprintable()


def test_a_path_of_five_thousand_letters_is_cut() -> None:
    said = str(LogError(path="/" + "x" * 5000, problem="does not exist"))
    assert said == f"Log /{'x' * 199}… does not exist."


def test_what_can_be_printed_stays_as_it_is() -> None:
    path = "C:\\models\\my café\\配置.json"
    assert str(CheckpointError(path=path, problem="is no file")).startswith(f"{path}: is no file")
