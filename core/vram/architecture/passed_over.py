"""Engine arguments that decide memory and change no number here: said in the answer, with the direction in which it is off."""

from __future__ import annotations

from collections.abc import Collection

from vram.models.deployment import Deployment
from vram.models.serve_flags import serve_flags
from vram.models.spec import UNREAD_ITEMS
from vram.vllm.environment import unread

_SIZES = (
    "what it says of images and videos is not known to move this model's: they are counted at its own largest, "
    "which is more than smaller ones take and less than larger ones"
)


def passed_over(deployment: Deployment, hints: Collection[str] = ()) -> tuple[str, ...]:
    """A sentence for each argument that was given, decides memory and is not modelled (`serve_flags.txt`), in general or, by the
    model's `hints`, for this one.
    """
    args = deployment.args
    flags = (serve_flags()[name] for name in args.not_modelled)
    found = [f"{flag.spelling} is not modelled: {flag.direction}." for flag in flags]
    if UNREAD_ITEMS in hints:
        found.append(f"--{'mm-processor-kwargs' if args.mm_processor_kwargs else 'limit-mm-per-prompt'}: {_SIZES}.")
    return (*found, *unread(args.environment, deployment.vllm_version))
