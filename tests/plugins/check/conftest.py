"""A reader for files of one JSON object for each server, so that these tests are about the check and not about kinds of files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vram import hookimpl
from vram.errors import CheckpointError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.plugin import manager
from vram.plugin.manager import Plugins

SUFFIX = ".serve"


class Lines(DeploymentReader):
    name = "lines"

    def claims(self, text: DeploymentText) -> bool:
        return text.path.endswith(SUFFIX)

    def servers(self, text: DeploymentText) -> Iterator[FoundServer]:
        for line, content in enumerate(text.text.splitlines(), start=1):
            if not content.strip():
                continue
            try:
                facts = json.loads(content)
            except ValueError:
                raise CheckpointError(path=text.path, problem=f"is not valid in line {line}") from None
            facts = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
            yield FoundServer(**{"line": line, "kind": "lines", **facts})


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the built-in plugins."""
    module = ModuleType("vram_lines_reader")
    module.vram_deployment_readers = hookimpl(lambda: (Lines(),))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entries = [*distribution("vram-estimator").entry_points.select(group="vram")]
    own = EntryPoint(name="lines", value=module.__name__, group="vram")
    monkeypatch.setattr(manager, "_current", Plugins([*entries, own], disabled=()))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a file of servers below the working directory: `words` is a command as text, the rest facts of FoundServer."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def write(name: str, *servers: dict[str, Any]) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [{**one, "words": one["words"].split()} if "words" in one else one for one in servers]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write
