"""Any GPU that nobody has calibrated."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.profile import OverheadProfile
from vram.profiles import open_profiles
from vram_plugins.gpus._root import profile_file


@hookimpl
def vram_overhead_profiles() -> Iterable[OverheadProfile]:
    return open_profiles(profile_file("generic"))
