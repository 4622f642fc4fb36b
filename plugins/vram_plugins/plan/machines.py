"""Which machines a plan is for: GPUs by name, how many of them, cloud instance types, or several of these."""

from __future__ import annotations

import re

from vram.errors import InputError
from vram.models.record import frozen
from vram_plugins.readers.gpu_names import machine

_TIMES = re.compile(r"(?:(\d{1,4})\s*[x×*]\s*)?(\S.*?)(?:\s*[x×*]\s*(\d{1,4}))?")
_MOST = 16


@frozen(kw_only=True)
class Kind:
    """One kind of machine: the GPU's name, and how many there are where that was said."""

    gpu: str | None
    count: int | None


def kinds_of(text: str | None) -> tuple[Kind, ...]:
    """ "H100", "8x H100, 4x L40S", "p5.48xlarge, g6e.12xlarge" as kinds of machine. Raises InputError."""
    if text is None:
        return (Kind(gpu=None, count=None),)
    parts = text.split(",") if isinstance(text, str) else ()
    if not 1 <= len(parts) <= _MOST:
        raise InputError(name="gpu", value=text, problem=f"must be names of GPUs or machines, {_MOST} at most")
    return tuple(_kind(part.strip()) for part in parts)


def _kind(text: str) -> Kind:
    match = _TIMES.fullmatch(text)
    if match is None or (match[1] and match[3]):
        raise InputError(name="gpu", value=text, problem="must be the name of a GPU or a machine, such as 4x H100")
    count = int(match[1] or match[3] or 0) or None
    held = machine(match[2])
    if held is None:
        return Kind(gpu=match[2], count=count)
    each = held.count
    return Kind(gpu=held.gpu, count=count if each is None else each * (count or 1))
