"""The Hub where something else can answer: it is waited for a moment, and read on in the background when that is over.

A silent or slow Hub never holds what the catalog can say. What the Hub says later is kept for whoever asks again in this
process, a page above all; nothing is written to disk, so that a process of its own asks anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from vram.checkpoint.hub_cache import is_offline
from vram.checkpoint.hub_errors import late
from vram.errors import VramError

if TYPE_CHECKING:
    from vram.models.checkpoint import Checkpoint, Reading

    #: reads a model of the Hub; it is given what is told of its progress, and what is to be called once the config is there
    Read = Callable[[Reading, Callable[[], None]], Checkpoint]

#: seconds in which the Hub must have sent a config, and those for all of its answer where it has
FIRST_SECONDS, WHOLE_SECONDS = 0.8, 2.0
#: seconds after which reading in the background ends
LIMIT_SECONDS = 60.0
#: seconds in which nobody waits for a Hub that was late, and a model of which it said nothing is not asked for again
AGAIN_SECONDS = 30.0
#: refusals that a while later may be none
PASSING = frozenset({"unreachable", "limited"})
#: models that are read at once, whoever asks for how many; and those whose answers are kept
MOST_AT_ONCE, MOST_KEPT = 4, 128


class _Asked:
    """What the Hub was asked for one model, and what came of it."""

    def __init__(self, tell: Reading | None) -> None:
        self.begun, self.tell = monotonic(), tell
        self.has_config, self.is_over = threading.Event(), threading.Event()
        self.found: Checkpoint | None = None
        self.error: Exception | None = None

    @property
    def is_silent(self) -> bool:
        """Whether it is over and the Hub said nothing, of which a while later may tell otherwise."""
        return self.is_over.is_set() and isinstance(self.error, VramError) and self.error.data.get("reason") in PASSING

    @property
    def is_due(self) -> bool:
        """Whether it may be asked again."""
        return self.is_over.is_set() and self.error is not None and monotonic() > self.begun + AGAIN_SECONDS


class Awaited:
    """What the Hub was asked of late, by model and revision."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._asked: OrderedDict[tuple[str, str], _Asked] = OrderedDict()
        self._late_until = 0.0
        self.stand_ins = 0

    def checkpoint(self, model: str, revision: str | None, read: Read, tell: Reading | None = None) -> Checkpoint:
        """What the Hub says of a model. Raises ModelNotFoundError where it does not in time, else what `read` raises."""
        asked = self._begun(model, revision, read, tell)
        patient = monotonic() > self._late_until
        if patient and asked is not None and asked.has_config.wait(FIRST_SECONDS):
            asked.is_over.wait(max(0.0, asked.begun + WHOLE_SECONDS - monotonic()))
        if asked is None or not asked.is_over.is_set():
            if asked is not None:
                asked.tell = None
            if patient:
                self._late_until = monotonic() + AGAIN_SECONDS
            raise late(model)
        if asked.error is not None:
            raise asked.error.with_traceback(None)
        assert asked.found is not None
        return asked.found

    def has_answered(self, model: str, revision: str | None, read: Read) -> bool:
        """Whether the Hub has said by now what was answered from elsewhere, be it a refusal; it is asked again where that is due."""
        asked = None if is_offline() else self._begun(model, revision, read)
        if asked is not None and asked.is_over.is_set() and not asked.is_silent:
            return True
        self.stood_in()
        return False

    def stood_in(self) -> None:
        """Something else answers in the Hub's place."""
        with self._lock:
            self.stand_ins += 1

    def _begun(self, model: str, revision: str | None, read: Read, tell: Reading | None = None) -> _Asked | None:
        """The question to the Hub, which is put now where it was not of late; None where too many are."""
        key = (model.lower(), revision or "")
        with self._lock:
            asked = self._asked.get(key)
            if asked is not None and not asked.is_due:
                self._asked.move_to_end(key)
                return asked
            if not self._places.acquire(blocking=False):
                return None
            self._asked[key] = asked = _Asked(tell)
            over = [one for one, each in self._asked.items() if each.is_over.is_set()]
            for one in over[: max(0, len(self._asked) - MOST_KEPT)]:
                del self._asked[one]
        threading.Thread(target=self._read, args=(asked, read), name="vram-hub", daemon=True).start()
        return asked

    def _read(self, asked: _Asked, read: Read) -> None:
        def tell(what: str, done: int, total: int) -> None:
            if asked.tell is not None:  # as long as somebody waits
                asked.tell(what, done, total)

        try:
            asked.found = read(tell, asked.has_config.set)
            self._late_until = 0.0
        except Exception as error:  # noqa: BLE001  # raised again for whoever asks
            asked.error = error
        finally:
            asked.is_over.set()
            asked.has_config.set()
            self._places.release()


#: this process's
HUB = Awaited()


def stand_ins() -> int:
    """How often something else has answered in this process in the place of a Hub that said nothing: what was made while that number
    changed may soon be answered otherwise.
    """
    return HUB.stand_ins
