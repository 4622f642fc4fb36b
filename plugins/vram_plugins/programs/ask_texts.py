"""Files and logs, pasted or of allowed folders: what `vram check` and `vram reconcile` answer."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from vram.errors import InputError, LogError, VramError
from vram.models.record import evolve
from vram_plugins.programs.fields import Properties, fields_of, listed, without
from vram_plugins.programs.files import Files
from vram_plugins.programs.question import engine_in

if TYPE_CHECKING:
    from vram_plugins.check.records import Checked
    from vram_plugins.logs.records import StartupLog
    from vram_plugins.reconcile.records import Reconciliation

_MOST_FILES = 256
#: a few seconds' work; `vram check` has no such bound
_MOST_ANSWERS = 512
_LONGEST_NAME = 200
_PASTED_LOG = "log"
#: characters of a pasted file or log
LARGEST_TEXT = 2 * 1024 * 1024


@lru_cache(maxsize=1)
def check_fields() -> Properties:
    """As `vram check` has them, files pasted or named."""
    from vram_plugins.check.command import command

    name = {
        "type": "string",
        "maxLength": _LONGEST_NAME,
        "description": "Tells its kind: deploy/compose.yaml, serve.sh, Dockerfile ...",
    }
    file = {
        "type": "object",
        "properties": {
            "name": name,
            "text": {"type": "string", "maxLength": LARGEST_TEXT, "description": "Its content."},
        },
        "required": ["name", "text"],
        "additionalProperties": False,
    }
    own = {
        "files": {"type": "array", "items": file, "minItems": 1, "maxItems": _MOST_FILES, "description": "The files, pasted."},
        "paths": listed("Files and folders, where the server was started with folders that may be read."),
        "model_for": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 8192},
                      "description": "What a served path or id is here: {SERVED: MODEL}."},
        "accept_borderline": {"type": "boolean", "description": "A start that is too close to be sure passes."},
    }  # fmt: skip
    return {**own, **without(fields_of(command), ("exclude", "form", "output", "offline", "allow_unknown", *own))}


def check(question: Mapping[str, Any], files: Files) -> Checked:
    """Every server, with file names as they were given. Raises VramError."""
    from vram_plugins.check.checking import check as checked
    from vram_plugins.check.records import Checked

    asked: dict[str, Any] = dict(without(question, ("files", "paths", "model_for")))
    asked["model_for"] = [f"{served}={model}" for served, model in question.get("model_for", {}).items()]
    if ("files" in question) == ("paths" in question):
        problem = "paste files, or name paths where the server may read them, one of both"
        raise InputError(name="files", value=None, problem=problem)
    if "files" in question:
        return _pasted(question["files"], asked)
    by_root: dict[str, list[str]] = {}
    for given in question["paths"]:
        path = files.path("paths", given)
        by_root.setdefault(files.root_of(path), []).append(path)
    found = [checked(paths, root=root, **asked) for root, paths in by_root.items()]
    return Checked(
        findings=tuple(one for each in found for one in each.findings),
        files=sum(each.files for each in found),
        notes=tuple(note for each in found for note in each.notes),
    )


def _pasted(files: list[dict[str, str]], asked: Mapping[str, Any]) -> Checked:
    """Files as they lie in a folder of their own, which none leads out of; under the names that they were given."""
    from vram_plugins.check.checking import check as checked

    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        for name, text in _places(files).items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        _check_count(top, len(asked.get("gpu", ("one",))))
        found = checked([top], root=top, **asked)
        findings = tuple(
            evolve(one, file=Path(one.file).resolve().relative_to(top).as_posix()) for one in found.findings
        )
        notes = tuple(note.replace(f"{top}{os.sep}", "") for note in found.notes)
    return evolve(found, findings=findings, notes=notes)


def _check_count(top: Path, gpus: int) -> None:
    """Raises InputError for so many servers that somebody else would wait for their answers."""
    from vram.serving import servers_of

    count = 0
    for path in top.rglob("*"):
        with suppress(VramError, OSError):  # what cannot be read is told of when it is answered
            count += len(servers_of(path, root=top)) if path.is_file() else 0
    if count * gpus > _MOST_ANSWERS:
        problem = f"run {count:,} servers, on {gpus} GPUs each; at most {_MOST_ANSWERS} answers are given at once"
        raise InputError(name="files", value=None, problem=problem)


def _places(files: list[dict[str, str]]) -> dict[str, str]:
    """Where each is written, inside of a folder. Raises InputError for a name that leads out of it, or is there twice."""
    found: dict[str, str] = {}
    for file in files:
        parts = [part for part in PurePosixPath(file["name"].replace("\\", "/").lstrip("/")).parts if part != "."]
        name = "/".join(parts)
        if not parts or ".." in parts or ":" in name or any(len(part.encode()) > _LONGEST_NAME for part in parts):
            raise InputError(
                name="files.name", value=file["name"][:80], problem="must be a name such as deploy/compose.yaml"
            )
        if name in found or any(f"{known}/".startswith(f"{name}/") or name.startswith(f"{known}/") for known in found):
            raise InputError(name="files.name", value=name[:80], problem="is there twice")
        found[name] = file["text"]
    return found


@lru_cache(maxsize=1)
def reconcile_fields() -> Properties:
    """As `vram reconcile` has them, the log pasted or named."""
    from vram_plugins.reconcile.command import command

    own = {
        "log": {"type": "string", "maxLength": LARGEST_TEXT, "description": "The log, or a whole pasted report that has it."},
        "path": {"type": "string", "maxLength": 8192,
                 "description": "The log's file, where the server was started with folders that may be read."},
    }  # fmt: skip
    return {**own, **without(fields_of(command), own)}


def reconcile(question: Mapping[str, Any], files: Files) -> Reconciliation:
    """Raises VramError."""
    from vram_plugins.reconcile.question import Given
    from vram_plugins.reconcile.reconcile import reconcile_log

    asked = ("gpu", "gpu_memory_gib", "gpus", "vllm_version", "profile", "revision")
    told = {name: question[name] for name in asked if name in question}
    if "model" in question:
        told["model"] = files.model(question["model"])
    return reconcile_log(_log(question, files), Given(**told, engine_args=engine_in(question)))


def _log(question: Mapping[str, Any], files: Files) -> StartupLog:
    """What is pasted is read as a file of that content is. Raises InputError, LogError."""
    from vram_plugins.logs.parse import parse_lines, read_log
    from vram_plugins.logs.reading import lines_of

    if ("log" in question) == ("path" in question):
        problem = "paste the log, or name its path where the server may read it, one of both"
        raise InputError(name="log", value=None, problem=problem)
    if "path" in question:
        path = files.path("path", question["path"])
        if not os.path.isfile(path):
            raise InputError(name="path", value=None, problem="is a folder, no log")
        return read_log(path)
    try:
        return parse_lines(lines_of(io.BytesIO(question["log"].encode())), path=_PASTED_LOG)
    except LogError as error:
        raise LogError(**{**error.data, "path": "as pasted"}) from None
