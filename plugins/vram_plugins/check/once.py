"""One server told by two files: what kustomize makes of a patch is found in the patch and in the kustomization that names it."""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Iterable

from vram_plugins.check.records import Finding

_KUSTOMIZATION = "kustomization"


def told_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Without what a kustomization says again of a file beside it, at whose line there is something to change."""
    findings = tuple(findings)
    beside = {_what(one) for one in findings if not _is_kustomization(one.file)}
    return tuple(one for one in findings if not (_is_kustomization(one.file) and _what(one) in beside))


def _is_kustomization(file: str) -> bool:
    return posixpath.splitext(posixpath.basename(file))[0].lower() == _KUSTOMIZATION


def _what(one: Finding) -> Hashable:
    """All that is said of it but the place."""
    read = (one.read_as or "").rpartition(", from ")[0]
    return (
        posixpath.dirname(one.file),
        one.server,
        one.model,
        one.gpu,
        one.gpus,
        one.status,
        one.problem,
        one.change,
        read,
    )
