"""The files of paths and folders that may hold a server, in the order of their names. Nothing is followed out of a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vram.errors import InputError
from vram.models.record import frozen
from vram_plugins.check.ignoring import IGNORE_FILE, Rule, is_left_out, rules_in

LARGEST = 1 << 20  # bytes; the readers take no more
_MOST_FILES = 100_000
_DEEPEST = 64
_SNIFFED = 4096
_SKIPPED_FOLDERS = frozenset({
    ".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".nox", ".terraform", "site-packages",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", ".eggs",
})  # fmt: skip
_ENVIRONMENT = "pyvenv.cfg"  # what every virtual environment has
_BINARY = frozenset({
    ".7z", ".a", ".avi", ".bin", ".bmp", ".bz2", ".ckpt", ".class", ".db", ".dll", ".dylib", ".exe", ".gguf", ".gif", ".gz", ".ico",
    ".jar", ".jpeg", ".jpg", ".mov", ".mp3", ".mp4", ".npy", ".npz", ".o", ".onnx", ".otf", ".parquet", ".pdf", ".pkl", ".png",
    ".pt", ".pth", ".pyc", ".safetensors", ".so", ".sqlite", ".svg", ".tar", ".tgz", ".tiff", ".ttf", ".wasm", ".wav", ".webm",
    ".webp", ".whl", ".woff", ".woff2", ".xz", ".zip", ".zst",
})  # fmt: skip
#: files of these are meant to be read: one that holds no text was written by a tool that says nothing of it (UTF-16, mostly)
_DEPLOYS = frozenset({".yaml", ".yml", ".json", ".sh", ".py", ".md", ".tf", ".env", ".service", ".toml", ".ipynb"})


@frozen(kw_only=True)
class Found:
    """A file to read. `root` is the folder beyond which it may name no other; `named` one was given outright.

    `problem` is why it is not read, as the rest of a sentence.
    """

    path: Path
    root: Path
    named: bool = False
    problem: str | None = None


class Walk:
    """All files of `paths`, which may name others inside `root`: by default the folder that is given, or the working directory.
    `notes` says afterwards what was passed over. Raises InputError for a path that is not there."""

    def __init__(self, paths: Iterable[str | Path], *, exclude: Iterable[str] = (), root: Path | None = None) -> None:
        self._root = root
        self._paths = [Path(path) for path in paths]
        self._exclude = rules_in(exclude)
        self._large = 0
        self._no_text = 0
        self._left_out: list[str] = []
        self._seen: set[str] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over that somebody may miss."""
        large = f"{self._large} file{'s' * (self._large != 1)} larger than 1 MiB {'was' if self._large == 1 else 'were'} not read"
        left = f"left out as {IGNORE_FILE} or --exclude says: {', '.join(self._left_out[:5])}"
        more = f" and {len(self._left_out) - 5} more" if len(self._left_out) > 5 else ""
        empty = f"{self._no_text} file{'s' * (self._no_text != 1)} with NUL bytes {'was' if self._no_text == 1 else 'were'} not read"
        notes = {large: self._large, empty + " (UTF-8 is)": self._no_text, left + more: len(self._left_out)}
        return tuple(note for note, count in notes.items() if count)

    def files(self) -> tuple[Found, ...]:
        """Each file once. Raises InputError where there are too many to be meant."""
        found: list[Found] = []
        for path in self._paths:
            for each in self._of(path):
                place = os.path.abspath(each.path)
                if place not in self._seen:
                    self._seen.add(place)
                    found.append(each)
                if len(found) > _MOST_FILES:
                    problem = (
                        f"has more than {_MOST_FILES:,} files; name folders in it, or leave some out with --exclude"
                    )
                    raise InputError(name="PATH", value=str(path), problem=problem)
        return tuple(found)

    def _of(self, path: Path) -> Iterator[Found]:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise InputError(
                name="PATH", value=str(path), problem=f"cannot be read: {error.strerror or error}"
            ) from None
        except ValueError:
            raise InputError(name="PATH", value=str(path), problem="is no path") from None
        if stat.S_ISDIR(mode):
            yield from self._below(path)
            return
        here = Path.cwd()
        inside = path.absolute().is_relative_to(here)
        parts = path.absolute().relative_to(here).parts if inside else (path.name,)
        if inside and self._is_excluded(here, parts):
            self._left_out.append(str(path))
            return
        root = self._root or (here if inside else path.absolute().parent)
        if not stat.S_ISREG(mode):
            yield Found(path=path, root=root, named=True, problem="is no file that holds text")
        elif path.stat().st_size > LARGEST:
            yield Found(path=path, root=root, named=True, problem="is larger than any deployment file (1 MiB)")
        elif self._holds_text(path):
            yield Found(path=path, root=root, named=True)

    def _is_excluded(self, here: Path, parts: tuple[str, ...]) -> bool:
        """Whether a file that was named is left out, it or a folder above it; from the working directory down."""
        rules: tuple[Rule, ...] = ()
        for depth in range(len(parts)):
            rules = (*rules, *_ignore_file(here.joinpath(*parts[:depth]), parts[:depth]))
            if is_left_out((*rules, *self._exclude), parts[: depth + 1], folder=depth + 1 < len(parts)):
                return True
        return False

    def _below(self, top: Path) -> Iterator[Found]:
        waiting: list[tuple[Path, tuple[str, ...], tuple[Rule, ...]]] = [(top, (), ())]
        while waiting:
            folder, parts, rules = waiting.pop()
            rules = (*rules, *_ignore_file(folder, parts))
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                yield Found(path=folder, root=self._root or top, problem=f"cannot be read ({error.strerror or error})")
                continue
            if any(entry.name == _ENVIRONMENT for entry in listed):
                continue
            folders = []
            for entry in listed:
                below = (*parts, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _SKIPPED_FOLDERS and not self._skips(rules, below, folder=True):
                        folders.append((folder / entry.name, below, rules))
                elif entry.is_file(follow_symlinks=False) and not self._skips(rules, below, folder=False):
                    yield from self._file(entry, folder / entry.name, top)
            if len(parts) < _DEEPEST:
                waiting += reversed(folders)

    def _skips(self, rules: Sequence[Rule], parts: tuple[str, ...], *, folder: bool) -> bool:
        return is_left_out((*rules, *self._exclude), parts, folder=folder)

    def _file(self, entry: os.DirEntry[str], path: Path, top: Path) -> Iterator[Found]:
        if os.path.splitext(entry.name)[1].lower() in _BINARY:
            return
        if entry.stat(follow_symlinks=False).st_size > LARGEST:
            self._large += 1
            return
        if self._holds_text(path):
            yield Found(path=path, root=self._root or top)

    def _holds_text(self, path: Path) -> bool:
        try:
            with path.open("rb") as stream:
                text = b"\0" not in stream.read(_SNIFFED)
        except OSError:
            return True  # it is told when it is read
        self._no_text += not text and path.suffix.lower() in _DEPLOYS
        return text


def _ignore_file(folder: Path, parts: tuple[str, ...]) -> tuple[Rule, ...]:
    path = folder / IGNORE_FILE
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ()
        return rules_in(path.read_text(encoding="utf-8", errors="replace").splitlines(), parts)
    except OSError:
        return ()
