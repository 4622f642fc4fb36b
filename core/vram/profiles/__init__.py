"""Overhead profile files: TOML in, `OverheadProfile` out, everything that is not understood refused.

The format is described in `overhead_profiles/README.md`. Read by hand and not with cattrs: every command that estimates
asks for profiles, and a converter costs more to import than all of the files to read.
"""

from __future__ import annotations

from vram.profiles.file import read_profile, read_profiles
from vram.profiles.later import open_profiles

__all__ = ["open_profiles", "read_profile", "read_profiles"]
