"""One deployment: what `vram estimate`, `max-context` and `max-concurrency` answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram_plugins.programs.files import Files
from vram_plugins.programs.question import arguments_of, pasted_in


def estimate(question: Mapping[str, Any], files: Files) -> Estimate:
    """The answer, with what could not be read of a pasted command. Raises VramError."""
    import vram

    pasted = pasted_in(question)
    found = vram.estimate(**arguments_of(question, files, pasted))
    if pasted is None:
        return found
    return evolve(found, left_out=(*pasted.left_out, *found.left_out), assumed=(*pasted.assumed, *found.assumed))


def limit(found: Estimate, name: str) -> dict[str, Any]:
    """One of the limits beside the whole answer, as the commands of these names give it."""
    return {name: getattr(found.limits, name), "estimate": found.to_dict()}
