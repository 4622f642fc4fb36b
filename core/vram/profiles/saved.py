"""The user's own profiles: corrections from `vram reconcile --save` and measurements from `vram calibrate`.

They lie in the platform's folder for applications' settings, or in $VRAM_HOME, under `profiles/NAME.toml`.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from vram.errors import InputError, ProfileError
from vram.models.profile import OverheadProfile
from vram.profiles.file import parse, read_profile
from vram.profiles.write import profile_text

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOME = "VRAM_HOME"


def saved_folder() -> Path:
    """Where saved profiles lie; it need not exist."""
    home = os.environ.get(_HOME)
    if home:
        return Path(home).expanduser() / "profiles"
    import click

    return Path(click.get_app_dir("vram")) / "profiles"


def saved_names() -> tuple[str, ...]:
    """Names of the profiles that the user saved."""
    try:
        found = [path.stem for path in saved_folder().iterdir() if path.suffix == ".toml"]
    except OSError:
        return ()
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def read_saved(name: str) -> OverheadProfile:
    """One saved profile. Raises ProfileError, InputError."""
    return read_profile(_path(name))


def save_profile(profile: OverheadProfile) -> Path:
    """Write a profile under its name, whole or not at all. Raises InputError, ProfileError."""
    path = _path(profile.name)
    text = profile_text(profile)
    parse(path, text)  # what is written can be read again
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        raise ProfileError(path=str(path), problem=f"cannot be written ({error.strerror or error})") from None
    return path


def check_name(name: str, taken: tuple[str, ...] = ()) -> str:
    """A name for a saved profile. Raises InputError for one that is no file name, or belongs to a plugin's profile."""
    if not _NAME.fullmatch(name):
        problem = "must be letters, digits, dots, hyphens and underscores"
        raise InputError(name="profile name", value=name[:80], problem=problem)
    if name in taken:
        raise InputError(name="profile name", value=name, problem="belongs to a profile that is already there")
    return name


def _path(name: str) -> Path:
    return saved_folder() / f"{check_name(name)}.toml"
