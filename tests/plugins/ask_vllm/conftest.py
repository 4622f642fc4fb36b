"""The stand-in for an interpreter, written where the test wants it, with a cache of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugins.ask_vllm.fake import FakePython


@pytest.fixture
def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes the script and gives its path."""
    return _fake(tmp_path, monkeypatch).write


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePython:
    """The script, before it is written."""
    return _fake(tmp_path, monkeypatch)


def _fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePython:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "interpreter"
    folder.mkdir(exist_ok=True)
    return FakePython(folder)
