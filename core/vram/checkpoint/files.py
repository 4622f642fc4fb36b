"""Reading local files without being led astray: regular files only, bounded, errors with their reason."""

from __future__ import annotations

import os
import stat

from vram.errors import CheckpointError

LFS_MARK = b"version https://git-lfs.github.com/spec/"


def is_file(path: str) -> bool:
    """Whether there is a regular file (links followed). Never raises."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def read_prefix(path: str, limit: int) -> tuple[bytes, int]:
    """Up to `limit` bytes from the start, and the file's size. Raises CheckpointError.

    Devices and pipes are refused before they are opened: reading one may never end.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise CheckpointError(path=path, problem="is not a regular file")
        with open(path, "rb") as file:
            return file.read(limit), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise CheckpointError(path=path, problem="does not exist") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(path=path, problem=f"cannot be read ({_reason(error)})") from None


def read_whole(path: str, limit: int) -> bytes:
    """The whole file, refused when it is larger than `limit`. Raises CheckpointError."""
    data, size = read_prefix(path, limit + 1)
    if len(data) > limit:
        raise CheckpointError(path=path, problem=f"is {size:,} bytes, more than any such file ({limit:,})")
    if data.startswith(LFS_MARK):
        raise CheckpointError(path=path, problem="is a Git LFS pointer, not the file; run `git lfs pull` there")
    return data


def lfs_pointer_size(path: str) -> int | None:
    """The size a Git LFS pointer stands for, None where the file is no pointer."""
    try:
        if os.stat(path).st_size > 1024:
            return None
    except OSError:
        return None
    data, _ = read_prefix(path, 1024)
    if not data.startswith(LFS_MARK):
        return None
    for line in data.splitlines():
        if line.startswith(b"size ") and line[5:].isdigit() and len(line) < 25:
            return int(line[5:])
    return None


def list_folder(folder: str) -> tuple[str, ...]:
    """Names in a folder, sorted. Raises CheckpointError."""
    try:
        return tuple(sorted(os.listdir(folder)))
    except OSError as error:
        raise CheckpointError(path=folder, problem=f"cannot be listed ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
