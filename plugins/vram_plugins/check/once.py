"""One server told by two files: a patch and the kustomization that names it, a template of a role and the task that renders it."""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Iterable

from vram_plugins.check.records import Finding

_KUSTOMIZATION = "kustomization"
_TASKS, _TEMPLATES = "tasks", "templates"


def told_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Without what a kustomization or a task says again of a file beside it, at whose line there is something to change."""
    findings = tuple(findings)
    beside = {_what(one) for one in findings if not _repeats(one.file)}
    return tuple(one for one in findings if not (_repeats(one.file) and _what(one) in beside))


def _repeats(file: str) -> bool:
    folder, name = posixpath.split(file)
    return posixpath.splitext(name)[0].lower() == _KUSTOMIZATION or posixpath.basename(folder) == _TASKS


def _place(file: str) -> str:
    """The folder of a file, or the role that it is of."""
    folder = posixpath.dirname(file)
    return posixpath.dirname(folder) if posixpath.basename(folder) in {_TASKS, _TEMPLATES} else folder


def _what(one: Finding) -> Hashable:
    """All that is said of it but the place."""
    read = (one.read_as or "").rpartition(", from ")[0]
    return (
        _place(one.file),
        one.server,
        one.model,
        one.gpu,
        one.gpus,
        one.status,
        one.problem,
        one.change,
        read,
    )
