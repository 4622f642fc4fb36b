"""Engine arguments that decide memory and change no number here: said in the answer, with the direction in which it is off."""

from __future__ import annotations

from vram.models.deployment import EngineArgs
from vram.models.serve_flags import serve_flags


def passed_over(args: EngineArgs) -> tuple[str, ...]:
    """A sentence for each argument that was given, decides memory and is not modelled (`serve_flags.txt`)."""
    flags = (serve_flags()[name] for name in args.not_modelled)
    return tuple(f"{flag.spelling} is not modelled: {flag.direction}." for flag in flags)
