"""Where the profile files lie: in the installed package, else in the repository of an editable install."""

from __future__ import annotations

import os

_HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGED = os.path.join(os.path.dirname(_HERE), "overhead_profiles")
CHECKOUT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(_HERE))), "overhead_profiles")


def profile_file(name: str) -> str:
    """The file of one family."""
    return os.path.join(PACKAGED if os.path.isdir(PACKAGED) else CHECKOUT, f"{name}.toml")
