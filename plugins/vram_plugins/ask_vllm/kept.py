"""Answers kept on disk, so that the same question is asked once: by everything they depend on.

One file per model, deployment and vLLM: what was built, and the plans by the memory they were made for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from vram_plugins.ask_vllm.environment import cache_folder

_MOST_FILES = 1000


class Kept:
    """The answers to one question."""

    def __init__(self, *question: object) -> None:
        text = json.dumps(question, sort_keys=True, default=str)
        self._path = cache_folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.json"
        self.built: dict[str, Any] | None = None
        self._plans: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
            plans = {str(pools): dict(plan) for pools, plan in found["plans"].items()}
            self.built, self._plans = dict(found["built"]), plans

    def plan(self, pools: tuple[int, ...]) -> dict[str, Any] | None:
        """The plan for so many bytes on each pipeline rank, if it was asked for before."""
        return self._plans.get(_name(pools))

    def keep(self, built: dict[str, Any], pools: tuple[int, ...], plan: dict[str, Any]) -> None:
        """Write both. A folder that cannot be written keeps nothing."""
        self.built = built
        self._plans[_name(pools)] = plan
        with contextlib.suppress(OSError):
            folder = self._path.parent
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
                json.dump({"built": built, "plans": self._plans}, file)
            os.replace(file.name, self._path)
            _make_room(folder)


def _name(pools: tuple[int, ...]) -> str:
    return " ".join(map(str, pools))


def _make_room(folder: Path) -> None:
    files = list(folder.glob("*.json"))
    if len(files) > _MOST_FILES:
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[: len(files) - _MOST_FILES]:
            path.unlink(missing_ok=True)
