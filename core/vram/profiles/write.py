"""A profile as TOML text, in the format that `read_profile` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable

from vram.models.profile import Constant, OverheadProfile
from vram.vllm.versions import format_version


def profile_text(profile: OverheadProfile) -> str:
    """The file of a profile without GPUs: name, description, defaults and constants."""
    lines = [f"name = {_text(profile.name)}", f"description = {_text(profile.description)}"]
    lines += [f"source = {_text(profile.source)}", f"calibrated = {str(profile.calibrated).lower()}"]
    lines.append(f"fragmentation_factor = {profile.fragmentation_factor:g}")
    if profile.gpu is not None:
        lines.append(f"gpu = {_text(profile.gpu)}")
    return "\n".join(lines) + "\n" + constants_text(profile.constants)


def constants_text(constants: Iterable[Constant]) -> str:
    """The constants as `[[constants]]` tables."""
    parts: list[str] = []
    for one in constants:
        parts += [
            "",
            "[[constants]]",
            f"name = {_text(one.name)}",
            f"value = {_number(one.value)}",
            f"low = {_number(one.low)}",
            f"high = {_number(one.high)}",
            f"provenance = {_text(one.provenance)}",
            f"source = {_text(one.source)}",
            f"samples = {one.samples}",
        ]
        if one.since != (0, 0, 0):
            parts.append(f"since = {_text(format_version(one.since))}")
        if one.until is not None:
            parts.append(f"until = {_text(format_version(one.until))}")
    return "\n".join(parts) + "\n"


def _number(value: float) -> str:
    return str(round(value)) if value >= 1000 else f"{value:.4g}"


def _text(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, too, and nothing unprintable remains."""
    return json.dumps("".join(c if c.isprintable() else " " for c in text), ensure_ascii=False)
