"""Overhead profile files: TOML in, `OverheadProfile` out, everything that is not understood refused.

The format is described in `overhead_profiles/README.md`. Read by hand and not with cattrs: every command that estimates
asks for profiles, and a converter costs more to import than all of the files to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from
from vram.profiles.file import read_profile, read_profiles
from vram.profiles.later import open_profiles

if TYPE_CHECKING:
    from vram.profiles.saved import check_name, read_saved, save_profile, saved_names
else:
    __getattr__ = names_from(__name__, {"vram.profiles.saved": "check_name read_saved save_profile saved_names"})

__all__ = ["check_name", "open_profiles", "read_profile", "read_profiles", "read_saved", "save_profile", "saved_names"]
