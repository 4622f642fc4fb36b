"""Tests against changed sources, in forks of one process that has everything imported and collected.

The first pass runs every test once, unchanged, and notes which lines of the sources it runs. A change inside a
function is then tried with the tests that run its lines only: first those that noticed most changes of the module, then the
ones beside the module, then the rest, the quick ones first. The first failure ends a trial.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import pytest
from tests.mutation.mutants import Mutant
from tests.mutation.patching import apply, caches, functions_of

TraceFunction = Callable[[FrameType, str, object], object]
ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "core" / "vram"
PLUGINS = "vram_plugins/"
TESTS = (
    "tests/core/estimate", "tests/core/vllm", "tests/conformance", "tests/core/ask", "tests/core/architecture",
    "tests/core/test_invariants.py", "tests/core/report", "tests/core/models", "tests/plugins/architectures",
)  # fmt: skip
_MEMORY = 6 * 2**30  # bytes of a trial's address space; a change that fills it is noticed
#: who measures time or memory notices how busy the machine is, and another process has the module unchanged
_OUTSIDE = ("perf_counter", "process_time", "tracemalloc", "sys.executable")


def source_of(module: str) -> Path:
    """The file of a module that is named relative to core/vram, or as a module of the plugins."""
    return ROOT / "plugins" / module if module.startswith(PLUGINS) else SOURCES / module


def try_all(
    modules: Sequence[str],
    mutants: Callable[[], Iterator[Mutant]],
    took: Callable[[Mutant, str], bool],
    tests: Sequence[str] = TESTS,
) -> int:
    """Give every mutant's killer to `took`: a test, "timeout", or "" for none. Ends where `took` says False."""
    plugin = _Trials(modules, mutants, took)
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", str(ROOT)]
    with tempfile.TemporaryDirectory(
        prefix="vram-mutation-"
    ) as folder:  # pytest's own is cleaned up by every run of pytest
        options += ["--basetemp", f"{folder}/tests"]
        return int(pytest.main([*options, *(str(ROOT / path) for path in tests)], plugins=[plugin]))


def _looks_outside(item: pytest.Item) -> bool:
    """Whether the test's own source names one of `_OUTSIDE`."""
    source = inspect.getsource(item.obj) if isinstance(item, pytest.Function) else ""
    return any(word in source for word in _OUTSIDE)


def _stop_at_the_first_example(items: list[pytest.Item]) -> None:
    """A failing example is all that a trial asks for; hypothesis would make it smaller first."""
    from hypothesis import Phase, settings

    for item in items:
        test = getattr(item, "obj", None)
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if test is not None and own is not None:
            test._hypothesis_internal_use_settings = settings(own, phases=(Phase.explicit, Phase.generate))


class _Trials:
    def __init__(
        self, modules: Sequence[str], mutants: Callable[[], Iterator[Mutant]], took: Callable[[Mutant, str], bool]
    ) -> None:
        self.modules, self.mutants, self.took = modules, mutants, took
        self.seconds: dict[str, float] = {}
        self.ran: dict[tuple[str, int], set[str]] = {}
        self.kills: dict[str, Counter[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not _looks_outside(item)]
        _stop_at_the_first_example(items)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        with _silence():
            self._first_pass(session)
        if session.testsfailed:
            raise session.Failed("the tests fail without any change")
        print(f"\n{len(session.items)} tests, {sum(self.seconds.values()):.0f} s without any change", flush=True)
        _forget()
        gc.collect()
        failing = self._trial(session, session.items, lambda: None)
        if failing:
            raise session.Failed(f"fails in a fork without any change: {failing}")
        module, functions = "", {}
        for mutant in self.mutants():
            if mutant.path != module:
                module, loaded = mutant.path, importlib.import_module(_module_name(mutant.path))
                functions = functions_of(loaded)
            change = functools.partial(apply, mutant, loaded, functions)
            killer = self._trial(session, self._chosen(session.items, mutant), change)
            self.kills.setdefault(mutant.path, Counter())[killer] += 1
            if not self.took(mutant, killer):
                break
        return True

    def _first_pass(self, session: pytest.Session) -> None:
        prefixes = tuple(str(source_of(module)) for module in self.modules)
        current = [""]

        def enter(frame: FrameType, event: str, _: object) -> TraceFunction | None:
            file = frame.f_code.co_filename
            if not file.startswith(prefixes):
                return None
            if event == "line":
                self.ran.setdefault((file, frame.f_lineno), set()).add(current[0])
            return enter

        threading.settrace(enter)
        for item, following in _in_turn(session.items):
            _forget()
            current[0] = item.nodeid
            begun = time.perf_counter()
            sys.settrace(enter)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            self.seconds[item.nodeid] = time.perf_counter() - begun
            if session.testsfailed:
                return
        threading.settrace(None)

    def _trial(self, session: pytest.Session, chosen: list[pytest.Item], change: Callable[[], None]) -> str:
        """In a fork: the change, then tests until the first fails. Gives its name."""
        if not chosen:
            return ""
        folder = tempfile.mkdtemp(prefix="vram-mutant-")
        reading, writing = os.pipe()
        gc.freeze()  # what the fork's collector does not walk over is not copied for it
        child = os.fork()
        if not child:
            os.close(reading)
            _run(session, [(item, 10 + 10 * self.seconds[item.nodeid]) for item in chosen], change, folder, writing)
        gc.unfreeze()
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
        if os.WIFSIGNALED(status):
            return "timeout" if os.WTERMSIG(status) == signal.SIGALRM else "crash"
        return said

    def _chosen(self, items: list[pytest.Item], mutant: Mutant) -> list[pytest.Item]:
        file = str(source_of(mutant.path))
        reaching = {test for line in mutant.lines for test in self.ran.get((file, line), ())}
        kills = self.kills.get(mutant.path, Counter())
        tree = mutant.path.replace(PLUGINS, "plugins/") if mutant.path.startswith(PLUGINS) else f"core/{mutant.path}"
        folder, name = f"tests/{Path(tree).parent}/", f"test_{Path(tree).stem}.py"

        def order(item: pytest.Item) -> tuple[int, int, float]:
            distance = 0 if item.nodeid.startswith(folder + name) else 1 if item.nodeid.startswith(folder) else 2
            return -kills[item.nodeid], distance, self.seconds[item.nodeid]

        return sorted((item for item in items if not mutant.lines or item.nodeid in reaching), key=order)


def _run(
    session: pytest.Session, limits: list[tuple[pytest.Item, float]], change: Callable[[], None], folder: str, pipe: int
) -> None:
    """In the fork: change, run until the first failure, say which test it was. A test over its seconds ends it."""
    said = "the change itself"
    seconds = dict(limits)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        _to_nowhere(1)
        _to_nowhere(2)
        session.config._tmp_path_factory._basetemp = Path(folder)  # type: ignore[attr-defined]
        with contextlib.suppress(SyntaxError):
            change()
            said = ""
            for item, following in _in_turn([*seconds]):
                signal.setitimer(signal.ITIMER_REAL, seconds[item])
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    said = item.nodeid
                    break
    except BaseException:  # noqa: BLE001  a failure of which pytest cannot even tell
        said = said or "an error beside the tests"
    finally:
        os.write(pipe, said.encode())
        os._exit(0)


def _in_turn(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return iter([*zip(items, [*items[1:], None], strict=True)])


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    sys.stdout.flush()
    held = os.dup(1)
    _to_nowhere(1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(held, 1)


def _to_nowhere(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


_CACHES: list[object] = []


def _forget() -> None:
    """Empty what holds computed answers."""
    from vram.estimate.memory import constants

    if not _CACHES:
        _CACHES.extend(caches())
    for cache in _CACHES:
        cache.cache_clear()  # type: ignore[attr-defined]
    constants._TABLES.clear()


def _module_name(path: str) -> str:
    whole = path if path.startswith(PLUGINS) else f"vram/{path}"
    return whole.removesuffix(".py").replace("/", ".")
