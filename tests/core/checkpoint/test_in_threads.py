"""Reads in several threads."""

from __future__ import annotations

import threading
import time

import pytest

from vram.checkpoint.in_threads import read_all


def test_results_are_in_the_order_of_the_items() -> None:
    counts: list[int] = []

    found = read_all(
        lambda item: (time.sleep(0.02 if item == 1 else 0), item * 10)[1], [1, 2, 3], workers=3, done=counts.append
    )

    assert found == (10, 20, 30)
    assert counts == [1, 2, 3]


def test_no_items_give_no_results() -> None:
    assert read_all(str, [], workers=4, done=lambda count: None) == ()


def test_the_first_fault_is_raised_and_no_further_read_begins() -> None:
    begun: list[int] = []
    faulted = threading.Event()

    def read(item: int) -> int:
        begun.append(item)
        if item == 0:
            raise OSError("broken")
        faulted.wait(timeout=10)  # the other worker is inside its read until the fault has come out
        return item

    with pytest.raises(OSError, match="broken"):
        read_all(read, list(range(100)), workers=2, done=lambda count: None)

    faulted.set()
    time.sleep(0.15)
    assert len(begun) <= 3


def test_the_threads_do_not_keep_a_program_alive() -> None:
    daemons: list[bool] = []

    read_all(lambda item: daemons.append(threading.current_thread().daemon), [1], workers=1, done=lambda count: None)

    assert daemons == [True]
