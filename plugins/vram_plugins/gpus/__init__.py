"""Built-in GPUs with their overhead profiles: one TOML file per family, read as far as an answer needs it."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.profile import OverheadProfile
from vram.profiles import open_profiles
from vram_plugins.gpus._root import profile_file

FAMILIES = (
    "volta_turing", "ampere", "ada", "hopper", "blackwell_dc", "blackwell_consumer", "gb10_thor", "generic",
    "cdna2", "cdna3", "cdna4", "rdna3", "rdna4", "strix_halo",
)  # fmt: skip


@hookimpl
def vram_overhead_profiles() -> Iterator[OverheadProfile]:
    """Each family's profile and its presets."""
    for family in FAMILIES:
        yield from open_profiles(profile_file(family))
