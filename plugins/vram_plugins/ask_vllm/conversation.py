"""A talk with the child program: a request, what was built, the memory left for the cache, the plan.

The child is a stranger: it may crash, hang, print without end, or take all memory. It has a process group of its own that ends
with the talk, a time limit, and a limit on the memory it really holds: RLIMIT_AS would not do, since torch and CUDA libraries
reserve address space by the hundred GiB and touch little of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vram.errors import InputError
from vram.models.record import frozen
from vram_plugins.ask_vllm.environment import child_environment
from vram_plugins.ask_vllm.errors import AskError
from vram_plugins.ask_vllm.quoting import quoted

CHILD = Path(__file__).with_name("child.py")
TIMEOUT, MEMORY = "VRAM_ASK_VLLM_TIMEOUT", "VRAM_ASK_VLLM_MEMORY_GIB"
_GIB = 2**30
_STEP = 0.2  # seconds between looks at time and memory
_MOST_ANSWER = 64 * 2**20
_TAIL = 64 * 2**10


@frozen(kw_only=True)
class Limits:
    """What a child may take: seconds, and bytes of memory it really holds."""

    seconds: float = 600.0
    memory_bytes: int = 24 * _GIB

    @classmethod
    def from_environment(cls) -> Limits:
        """`VRAM_ASK_VLLM_TIMEOUT` in seconds, `VRAM_ASK_VLLM_MEMORY_GIB`. Raises InputError."""
        seconds, memory = (_positive(name) for name in (TIMEOUT, MEMORY))
        usual = cls()
        return cls(seconds=seconds or usual.seconds, memory_bytes=int(memory * _GIB) if memory else usual.memory_bytes)


def _positive(name: str) -> float | None:
    text = os.environ.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise InputError(name=name, value=text, problem="must be a positive number")
    return value


def converse(
    python: str, request: Mapping[str, Any], *, reply: Callable[[dict[str, Any]], Mapping[str, Any]], limits: Limits
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was built and what was planned; `reply` makes the second line of the request of the first answer. Raises AskError."""
    with _started(python, str(request["model"]), request.get("environment") or {}) as talk:
        talk.say(request)
        built = talk.hear("built", limits)
        talk.say(reply(built))
        return built, talk.hear("planned", limits)


@contextlib.contextmanager
def _started(python: str, model: str, variables: Mapping[str, str]) -> Any:
    read, write = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603  the user's own interpreter
            [python, str(CHILD), str(write)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=(write,), cwd=model, env={**child_environment(), **variables}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        os.close(read)
        raise AskError(problem=f"{quoted(python)} cannot be run: {error.strerror}") from None
    finally:
        os.close(write)
    talk = _Talk(process, read, model)
    try:
        yield talk
    finally:
        talk.end()


class _Talk:
    """A running child, what it answered so far, and the last it printed."""

    def __init__(self, process: subprocess.Popen[bytes], answers: int, model: str) -> None:
        self._process, self._answers, self._model = process, answers, model
        self._began = time.monotonic()
        self._heard, self._printed = b"", b""
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None
        for source in (answers, process.stdout.fileno()):
            os.set_blocking(source, False)
            self._selector.register(source, selectors.EVENT_READ)

    def say(self, words: Mapping[str, Any]) -> None:
        """One line; a child that is gone is noticed when it is listened to."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write((json.dumps(words) + "\n").encode())
            self._process.stdin.flush()

    def hear(self, name: str, limits: Limits) -> dict[str, Any]:
        """The answer of that name. Raises AskError."""
        while b"\n" not in self._heard:
            self._within(limits)
            if not self._read():
                raise AskError(problem=self._died())
        line, _, self._heard = self._heard.partition(b"\n")
        try:
            answer = json.loads(line)
            error, found = answer.get("error"), answer.get(name)
        except (ValueError, AttributeError, RecursionError):
            raise AskError(problem="its answer cannot be read") from None
        if error is not None or not isinstance(found, dict):
            said = quoted(str(error), hidden=self._model) if error is not None else "another answer than asked for"
            raise AskError(problem=f"it says {said!r}", stage=str(answer.get("stage")), said=said)
        return found

    def _read(self) -> bool:
        """Read what is there; whether there may be more answers."""
        for key, _ in self._selector.select(_STEP):
            try:
                piece = os.read(key.fd, 2**16)
            except BlockingIOError:
                continue
            if not piece:
                self._selector.unregister(key.fd)
            if key.fd == self._answers:
                self._heard += piece
                if not piece:
                    return b"\n" in self._heard
                if len(self._heard) > _MOST_ANSWER:
                    raise AskError(problem="its answer has no end")
            else:
                self._printed = (self._printed + piece)[-_TAIL:]
        return True

    def _within(self, limits: Limits) -> None:
        if time.monotonic() - self._began > limits.seconds:
            hint = f"Set {TIMEOUT} (seconds) for more."
            raise AskError(problem=f"it did not answer within {limits.seconds:g} s", next=hint)
        if _held_bytes(self._process.pid) > limits.memory_bytes:
            hint = f"Set {MEMORY} for more."
            raise AskError(problem=f"it took more than {limits.memory_bytes / _GIB:g} GiB of memory", next=hint)

    def _died(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        while len(self._selector.get_map()) and self._selector.select(0):
            self._read()
        code = self._process.poll()
        how = (
            f"it was ended by {signal.Signals(-code).name}"
            if code is not None and code < 0
            else "it ended without an answer"
        )
        said = quoted(self._printed.decode(errors="replace"), hidden=self._model)
        return f"{how}: {said!r}" if said else how

    def end(self) -> None:
        """Nothing of the child is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        os.close(self._answers)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


def _held_bytes(pid: int) -> int:
    """Resident bytes of a process and its descendants, shared pages counted once each; 0 where nobody tells (no /proc)."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            held = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except (OSError, ValueError, IndexError):
        return 0
    return held + sum(_held_bytes(child) for child in children)
