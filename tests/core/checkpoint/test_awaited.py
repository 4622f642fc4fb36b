"""A Hub that is slow: who waits for it, for how long, how much is asked of it at once, and what becomes of what it says late."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import vram
from vram.ask import as_checkpoint
from vram.ask.asking import _opened
from vram.checkpoint import awaited, find, stand_ins
from vram.checkpoint.awaited import Awaited
from vram.errors import ModelNotFoundError
from vram.models.checkpoint import Checkpoint, Reading
from vram.models.config import ModelConfig

from .building import CONFIG
from .fake_hub import FakeHub

KNOWN = "Qwen/Qwen3-8B"


def of_the_hub(model: str) -> Checkpoint:
    return Checkpoint(id=model, source="hub", config=ModelConfig(raw={}, path=model))


class Hub:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer, self.asked = threading.Event(), 0
        self.error: Exception | None = None

    def read(self, tell: Reading, has_config: Callable[[], None]) -> Checkpoint:
        self.asked += 1
        assert self.may_answer.wait(10)
        if self.error is not None:
            raise self.error
        return of_the_hub(KNOWN)


@pytest.fixture
def slow() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.may_answer.set()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Awaited:
    monkeypatch.setattr(awaited, "FIRST_SECONDS", 0.05)
    return Awaited()


def late(waiting: Awaited, hub: Hub, model: str = KNOWN) -> float:
    """Seconds that a model was waited for in vain."""
    begun = time.monotonic()
    with pytest.raises(ModelNotFoundError, match="no answer came in time"):
        waiting.checkpoint(model, "main", hub.read)
    return time.monotonic() - begun


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_the_hub_says_late_is_kept_for_who_asks_again(waiting: Awaited, slow: Hub) -> None:
    late(waiting, slow)
    assert not waiting.has_answered(KNOWN, "main", slow.read)
    slow.may_answer.set()
    until(lambda: waiting.has_answered(KNOWN, "main", slow.read))

    assert waiting.checkpoint(KNOWN, "main", slow.read).source == "hub"
    assert slow.asked == 1  # once for all of them


def test_a_hub_that_was_late_is_not_waited_for_by_the_next(waiting: Awaited, slow: Hub) -> None:
    assert late(waiting, slow) >= 0.05
    before = time.monotonic()
    late(waiting, slow, "Qwen/Qwen3-32B")

    assert time.monotonic() - before < 0.05
    assert slow.asked == 2  # but asked all the same


def test_a_hub_that_is_back_is_waited_for_again(waiting: Awaited, slow: Hub) -> None:
    late(waiting, slow)
    slow.may_answer.set()
    until(lambda: waiting.has_answered(KNOWN, "main", slow.read))

    assert waiting.checkpoint("Qwen/Qwen3-32B", "main", slow.read).source == "hub"


def test_a_model_of_which_the_hub_said_nothing_is_asked_for_again_after_a_while(
    waiting: Awaited, slow: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.error = ModelNotFoundError(model=KNOWN, problem="silence", next="", reason="unreachable")
    slow.may_answer.set()
    with pytest.raises(ModelNotFoundError, match="silence"):
        waiting.checkpoint(KNOWN, "main", slow.read)
    assert not waiting.has_answered(KNOWN, "main", slow.read)
    assert slow.asked == 1

    monkeypatch.setattr(awaited, "AGAIN_SECONDS", 0.0)
    slow.error = None
    until(lambda: waiting.has_answered(KNOWN, "main", slow.read))
    assert slow.asked == 2


def test_however_many_are_asked_for_few_are_read_at_once(waiting: Awaited, slow: Hub) -> None:
    for number in range(200):
        late(waiting, slow, f"org/model-{number}")

    assert slow.asked == awaited.MOST_AT_ONCE


def test_the_answers_that_are_kept_are_counted(waiting: Awaited, slow: Hub) -> None:
    slow.may_answer.set()
    for number in range(awaited.MOST_KEPT + 20):
        waiting.checkpoint(f"org/model-{number}", "main", slow.read)

    assert len(waiting._asked) <= awaited.MOST_KEPT + awaited.MOST_AT_ONCE


def test_nobody_is_asked_again_where_the_network_is_switched_off(
    waiting: Awaited, slow: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert not waiting.has_answered(KNOWN, "main", slow.read)
    assert slow.asked == 0


def test_a_config_in_time_is_given_time_for_the_rest(waiting: Awaited) -> None:
    def read(tell: Reading, has_config: Callable[[], None]) -> Checkpoint:
        has_config()
        time.sleep(0.2)
        return of_the_hub(KNOWN)

    assert waiting.checkpoint(KNOWN, "main", read).source == "hub"


def test_progress_is_told_while_somebody_waits(waiting: Awaited, slow: Hub) -> None:
    told: list[str] = []
    lines = threading.Event()

    def read(tell: Reading, has_config: Callable[[], None]) -> Checkpoint:
        tell("Asking", 0, 0)
        slow.may_answer.wait(10)
        tell("Reading", 1, 2)
        lines.set()
        return of_the_hub(KNOWN)

    with pytest.raises(ModelNotFoundError):
        waiting.checkpoint(KNOWN, "main", read, lambda what, done, total: told.append(what))
    slow.may_answer.set()
    assert lines.wait(10)

    assert told == ["Asking"]


@pytest.fixture
def late_hub(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeHub, threading.Event]]:
    """A Hub whose first word comes when the test says."""
    monkeypatch.setattr(awaited, "FIRST_SECONDS", 0.2)
    speaks = threading.Event()
    _opened.cache_clear()

    def fault(path: str, headers: dict[str, str], attempt: int) -> None:
        speaks.wait(10)

    hub.fault = fault
    yield hub, speaks
    speaks.set()
    _opened.cache_clear()


def test_an_answer_from_the_catalog_says_so_and_is_the_hub_s_as_soon_as_that_is_there(
    late_hub: tuple[FakeHub, threading.Event],
) -> None:
    hub, speaks = late_hub
    known = find(KNOWN)
    assert known is not None
    hub.files[KNOWN] = {"config.json": json.dumps({**known.config.raw, "num_hidden_layers": 12}).encode()}
    before = stand_ins()

    first = vram.estimate("qwen3 8b", gpu="H100", revision="main")

    assert (first.model.source, first.model.stands_in) == ("catalog", True)
    assert stand_ins() > before
    speaks.set()
    until(lambda: not vram.estimate("qwen3 8b", gpu="H100", revision="main").model.stands_in)
    later = vram.estimate("qwen3 8b", gpu="H100", revision="main")
    assert (later.model.source, later.model.stands_in) == ("hub", False)
    assert later.model.parameters != first.model.parameters
    assert as_checkpoint("qwen3 8b", revision="main").notes[-1] == "qwen3 8b is taken for Qwen/Qwen3-8B."


def test_a_revision_of_which_the_hub_says_late_that_it_is_none_is_refused_then(
    late_hub: tuple[FakeHub, threading.Event],
) -> None:
    hub, speaks = late_hub
    hub.files[KNOWN] = {"config.json": json.dumps(CONFIG).encode()}

    assert vram.estimate(KNOWN, gpu="H100", revision="v9").model.stands_in
    speaks.set()

    def refused() -> bool:
        try:
            vram.estimate(KNOWN, gpu="H100", revision="v9")
        except ModelNotFoundError as error:
            return "no revision 'v9'" in str(error)
        return False

    until(refused)


def test_a_catalogued_model_without_a_revision_asks_nobody_and_stands_in_for_nothing(hub: FakeHub) -> None:
    assert not vram.estimate(KNOWN, gpu="H100").model.stands_in
    assert hub.requests == []
