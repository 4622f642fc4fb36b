"""Engine arguments that decide memory and change no number here: a test ties each of the others to something it changes."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.deployment import ENGINE_DEFAULTS, EngineArgs

#: no rule here knows how they decide it: said in the answer, with the direction in which its numbers are off
NOT_MODELLED: Mapping[str, str] = {
    "fully_sharded_loras": "LoRA slots are counted as they are without it, which is more than they take with it",
}


def passed_over(args: EngineArgs) -> tuple[str, ...]:
    """A sentence for each argument that was given, decides memory and is not modelled."""
    return tuple(
        f"--{name.replace('_', '-')} is not modelled: {direction}."
        for name, direction in NOT_MODELLED.items()
        if getattr(args, name) != ENGINE_DEFAULTS[name]
    )
