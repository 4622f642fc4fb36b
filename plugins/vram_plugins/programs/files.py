"""Which files of this machine a question may be about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from vram.checkpoint import models_only_from
from vram.errors import InputError
from vram.models.record import frozen


@frozen(kw_only=True)
class Files:
    """`folders`, resolved, hold all that may be read; without any nothing is, and None is whoever asks for themselves."""

    folders: tuple[str, ...] | None = ()

    @contextmanager
    def only(self) -> Iterator[None]:
        """Within, no model is opened from elsewhere, whoever names it."""
        with nullcontext() if self.folders is None else models_only_from(*self.folders):
            yield

    def model(self, name: str) -> str:
        """A model's name as the library takes it: what lies in one of the folders by its path."""
        if self.folders is None:
            return name
        return next((path for path in self._candidates(name) if os.path.exists(path)), name)

    def path(self, name: str, given: str) -> str:
        """A file or folder to be read. Raises InputError, which says the same of one that is not there as of a forbidden one."""
        for path in self._candidates(given):
            if os.path.isfile(path) or os.path.isdir(path):
                return path
        problem = "is nothing that may be read here; paste its content, or start the server with --allow-files FOLDER"
        raise InputError(name=name, value=None, problem=problem)

    def root_of(self, path: str) -> str:
        """The folder out of which a file that is read leads to no other."""
        return next(folder for folder in self.folders or () if _is_inside(path, folder))

    def _candidates(self, name: str) -> Iterator[str]:
        """What a name may be in the folders, with every link followed."""
        for folder in self.folders or ():
            try:
                path = os.path.realpath(os.path.join(folder, os.path.expanduser(name)))
            except (OSError, ValueError):  # a name that no file can have
                continue
            if _is_inside(path, folder):
                yield path


def allowed(folders: tuple[str, ...]) -> Files:
    """The files of these folders. Raises InputError for one that is none."""
    there = tuple(os.path.realpath(os.path.expanduser(folder)) for folder in folders)
    for given, folder in zip(folders, there, strict=True):
        if not os.path.isdir(folder):
            raise InputError(name="allow-files", value=given, problem="is no folder")
    return Files(folders=there)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
