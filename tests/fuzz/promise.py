"""The promise that fuzzing holds every reader to: an answer or a VramError, in time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vram.errors import PluginError, VramError

#: seconds; the slowest real model takes a hundredth of it, and machines are shared
LIMIT = 5.0


class TooSlowError(Exception):
    """An input took more than LIMIT."""


class EndlessError(BaseException):
    """An input took four times as much, and was not waited for. No `except Exception` on the way takes it for its own."""


def bounded(action: Callable[[], object]) -> str:
    """ "answered" or the class of the VramError; anything else is a finding and is raised."""
    start = time.process_time()
    try:
        with _waited_for():
            action()
        outcome = "answered"
    except EndlessError:
        raise TooSlowError(f"took more than {4 * LIMIT:.0f} s") from None
    except PluginError:  # a plugin's slip, worded for the user, is still a slip
        raise
    except VramError as error:
        str(error)  # the wording of an error must hold for any data, too
        outcome = type(error).__name__
    if time.process_time() - start > LIMIT:
        raise TooSlowError(f"took {time.process_time() - start:.1f} s")
    return outcome


@contextmanager
def _waited_for() -> Iterator[None]:
    """So much of the processor's time and no more, where there is such a clock."""

    def end(*_: Any) -> None:
        raise EndlessError

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, 4 * LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
