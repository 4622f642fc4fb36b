"""Files to keep of an answer: reports, the JSON, and everything that artifact plugins write."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

from vram.advise import plots_of
from vram.deploy import render_files
from vram.errors import InputError
from vram.models.artifact import GeneratedFile
from vram.models.record import frozen
from vram.plugin import plugins
from vram.report import document_html, document_markdown, estimate_document
from vram_plugins.web.answers import Shown, shown

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive


@frozen(kw_only=True)
class Download:
    """A file to send: its name, its type and its bytes."""

    name: str
    kind: str
    content: bytes


def download(name: str, state: Mapping[str, str], *, local_paths: bool = True) -> Download:
    """The file called `name`: report.html, report.md, estimate.json, or the kind of an artifact. Raises VramError."""
    found = shown(state, local_paths=local_paths)
    document = estimate_document(found.estimate, plots_of(found.question), command=found.command)
    if name == "report.html":
        return _text("vram-report.html", "text/html", document_html(document))
    if name == "report.md":
        return _text("vram-report.md", "text/markdown", document_markdown(document))
    if name == "estimate.json":
        return _text("vram-estimate.json", "application/json", json.dumps(found.estimate.to_dict(), indent=1))
    return _artifact(name, found)


def _artifact(kind: str, found: Shown) -> Download:
    if found.files is None:
        raise InputError(name="artifact", value=kind, problem=found.problem)
    files = render_files(plugins(), (kind,), found.files)
    if len(files) == 1:
        return _text(files[0].path.rpartition("/")[2], "application/octet-stream", files[0].text)
    return Download(name=f"{kind}.zip", kind="application/zip", content=_archive(files))


def _archive(files: tuple[GeneratedFile, ...]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.path, _FIXED_TIME)
            entry.external_attr = (0o755 if file.executable else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.text)
    return stream.getvalue()


def _text(name: str, kind: str, text: str) -> Download:
    return Download(name=name, kind=kind, content=text.encode("utf-8", "surrogateescape"))
