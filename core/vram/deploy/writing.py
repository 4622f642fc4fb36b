"""Several files into a folder: all of them or none, each whole, and nothing overwritten unless asked."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vram.errors import OutputError
from vram.models.artifact import GeneratedFile


def write_files(folder: str | Path, files: Iterable[GeneratedFile], *, force: bool = False) -> tuple[Path, ...]:
    """Write files below `folder`, which is made where it is missing; gives their paths.

    Every file is first written beside its place and then moved there. Raises OutputError where one exists (without
    `force`) or cannot be written; then no file is new or changed, unless the machine stops half-way through the moves.
    """
    files = tuple(files)
    targets = tuple(Path(folder, file.path) for file in files)
    _refuse_existing(targets, force)
    staged: list[tuple[Path, Path]] = []
    moved: list[Path] = []
    try:
        for file, target in zip(files, targets, strict=True):
            staged.append((_staged(file, target), target))
        for source, target in staged:
            if force:
                os.replace(source, target)
                continue
            _move_if_free(source, target)
            moved.append(target)
    except OSError as error:
        for path in moved:
            with suppress(OSError):
                path.unlink()
        where = str(error.filename2 or error.filename or folder)
        raise OutputError(path=where, problem=f"cannot be written ({error.strerror or error})") from None
    finally:
        for source, _ in staged:
            with suppress(OSError):
                source.unlink(missing_ok=True)
    return targets


def _move_if_free(source: Path, target: Path) -> None:
    """Unlike a move, a link fails where somebody else was quicker; disks without links get a look and a move."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS} or target.exists():
            raise
        os.replace(source, target)


def _refuse_existing(targets: tuple[Path, ...], force: bool) -> None:
    existing = [str(path) for path in targets if path.is_symlink() or path.exists()]
    if existing and not force:
        problem = "exists already" if len(existing) == 1 else "exist already"
        raise OutputError(path=", ".join(existing), problem=f"{problem}; --force overwrites")
    for path in targets:
        if path.is_dir():
            raise OutputError(path=str(path), problem="is a folder where a file is to be written")


def _staged(file: GeneratedFile, target: Path) -> Path:
    """The file's text beside its place, under a name nobody uses, with the permissions it will have."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    mode = 0o777 if file.executable else 0o666
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)  # the user's umask narrows it
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            stream.write(file.text)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path
