"""Blackwell that shares the host's memory: GB10 (DGX Spark) and Jetson Thor."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.profile import OverheadProfile
from vram.profiles import open_profiles
from vram_plugins.gpus._root import profile_file


@hookimpl
def vram_overhead_profiles() -> Iterable[OverheadProfile]:
    return open_profiles(profile_file("gb10_thor"))
