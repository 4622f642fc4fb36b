"""Engine arguments that decide memory and change no number here: said in the answer, with the direction in which it is off."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.deployment import EngineArgs
from vram.models.serve_flags import serve_flags

_SIZES = (
    "sizes of items are not modelled: they are counted at the model's own largest, which is more than smaller ones take"
)


def passed_over(args: EngineArgs) -> tuple[str, ...]:
    """A sentence for each argument that was given, decides memory and is not modelled (`serve_flags.txt`)."""
    flags = (serve_flags()[name] for name in args.not_modelled)
    found = [f"{flag.spelling} is not modelled: {flag.direction}." for flag in flags]
    items = (args.limit_mm_per_prompt or {}).values()
    if any(isinstance(item, Mapping) and {*item} - {"count"} for item in items):
        found.append(f"--limit-mm-per-prompt: {_SIZES}.")
    return tuple(found)
