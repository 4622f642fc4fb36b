"""Where the profile files lie: in the installed package, else in the repository of an editable install."""

from __future__ import annotations

from pathlib import Path

PACKAGED = Path(__file__).parents[1] / "overhead_profiles"
CHECKOUT = Path(__file__).parents[3] / "overhead_profiles"


def profile_file(name: str) -> Path:
    """The file of one family."""
    root = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    return root / f"{name}.toml"
