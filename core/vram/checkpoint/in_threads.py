"""Several slow reads at a time, in threads that never keep the program from ending.

concurrent.futures joins its threads when the interpreter exits: Ctrl-C would wait for every silent server. These are
daemon threads, and after the first fault or an interrupt no further read is begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_all(
    read: Callable[[Item], Result], items: Sequence[Item], *, workers: int, done: Callable[[int], None]
) -> tuple[Result, ...]:
    """`read` of every item, in the items' order. `done` is told after each how many are finished.

    Raises what the first failing read raises, at once.
    """
    answers: SimpleQueue[tuple[int, Result | None, Exception | None]] = SimpleQueue()
    waiting = iter(enumerate(items))
    lock, stopped = threading.Lock(), threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with lock:
                index, item = next(waiting, (-1, None))
            if index < 0:
                return
            try:
                answers.put((index, read(cast("Item", item)), None))
            except Exception as error:  # noqa: BLE001  # raised again below, in the caller's thread
                answers.put((index, None, error))

    for _ in range(min(workers, len(items))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, Result] = {}
    try:
        while len(results) < len(items):
            index, result, error = answers.get()
            if error is not None:
                raise error
            results[index] = cast("Result", result)
            done(len(results))
    finally:
        stopped.set()
    return tuple(results[index] for index in range(len(items)))
