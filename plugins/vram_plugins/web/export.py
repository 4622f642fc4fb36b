"""`vram web --export DIR`: the page as files for any static host, computing in the visitor's browser through Pyodide."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from vram.errors import OutputError
from vram.report import STYLE_FILE, Markup, join, tag
from vram_plugins.web.answers import shown
from vram_plugins.web.card import card_markup
from vram_plugins.web.chips import chips_of
from vram_plugins.web.fields import with_defaults
from vram_plugins.web.page import page_html
from vram_plugins.web.routes import title_of
from vram_plugins.web.wheels import write_wheels

#: the release of the npm package `pyodide` that is taken where none is given
PYODIDE = "314.0.7"
_RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
_STATIC = ("app.js", "style.css", "icon.svg", "copy.js", "worker.js")
_MANIFEST = "manifest.json"
_LONGEST_DOWNLOAD = 600
#: the copy loads its own files, and asks the Hub for public configs; nothing else
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' https://huggingface.co; base-uri 'none'; form-action 'none'"
)


def export(folder: Path, runtime: Path | None = None) -> tuple[Path, ...]:
    """Write the copy into an empty folder, or over an older copy; the files that were written.

    `runtime` is the folder of an npm package `pyodide`; without one that of ./node_modules is taken, or npm is asked for it.
    Raises OutputError.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MANIFEST).is_file():
        raise OutputError(path=str(folder), problem="is not empty, and no copy of the page")
    for old in ("wheels", "pyodide"):
        shutil.rmtree(folder / old, ignore_errors=True)
    (folder / "pyodide").mkdir(parents=True)
    with _runtime(runtime) as found:
        for name in _RUNTIME:
            shutil.copyfile(found / name, folder / "pyodide" / name)
    for name in _STATIC:
        (folder / name).write_bytes(files("vram_plugins.web").joinpath("static", name).read_bytes())
    shutil.copyfile(STYLE_FILE, folder / "report.css")
    (folder / "index.html").write_text(_index(), encoding="utf-8")
    wheels = write_wheels(folder / "wheels")
    loaded = [*(f"pyodide/{name}" for name in _RUNTIME), *(f"wheels/{wheel.name}" for wheel in wheels)]
    manifest = {
        "wheels": [wheel.name for wheel in wheels],
        "bytes": {name: (folder / name).stat().st_size for name in loaded},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


def _index() -> str:
    """The page with the answer to its first question, which is there before Python is."""
    state = with_defaults({})
    found = shown(state)
    head = join(
        (
            tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            tag("meta", name="referrer", content="no-referrer"),
            tag("script", Markup(), src="copy.js", defer=True),
        )
    )
    return page_html(
        state, title=title_of(found), answer=card_markup(found, chips_of(found)), longest=found.longest, head=head
    )


@contextmanager
def _runtime(given: Path | None) -> Iterator[Path]:
    """A folder that has the runtime: the one given, an installed package's, or one that npm fetched for a while."""
    installed = Path("node_modules") / "pyodide"
    if given is not None or (installed / _RUNTIME[0]).is_file():
        folder = given or installed
        missing = [name for name in _RUNTIME if not (folder / name).is_file()]
        if missing:
            raise OutputError(path=str(folder), problem=f"is no npm package pyodide: it has no {missing[0]}")
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        yield _fetched(Path(place))


def _fetched(place: Path) -> Path:
    """The package from the registry that npm is set up for. Raises OutputError."""
    npm = shutil.which("npm")
    how = f"install it (npm install pyodide@{PYODIDE}), or give its folder with --pyodide"
    if npm is None:
        raise OutputError(path="npm", problem=f"is not installed, and the Pyodide runtime not here; {how}")
    words = [npm, "pack", f"pyodide@{PYODIDE}", "--silent", "--pack-destination", str(place)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LONGEST_DOWNLOAD, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(path="npm", problem=f"did not fetch pyodide ({type(error).__name__}); {how}") from None
    archives = list(place.glob("*.tgz"))
    if done.returncode or not archives:
        raise OutputError(path="npm", problem=f"did not fetch pyodide@{PYODIDE}; {how}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(place, filter="data")
    return place / "package"
