"""Which GPUs people mean, and how many: names with a number before or behind them, clouds' machine types, several with commas.

Every command that takes a number with a GPU reads it here.
"""

from __future__ import annotations

import re

from vram.errors import InputError
from vram.models.record import frozen
from vram_plugins.readers.gpu_names import machine

#: a number behind a name stands apart from it or follows a digit: the x of "rtx 4090" is no sign
_TIMES = re.compile(
    r"(?:(?P<before>\d{1,4})\s*[xX×*]\s*)?(?P<name>\S.*?)(?:(?:\s+[xX]\s*|(?<=\d)[xX]|\s*[×*]\s*)(?P<behind>\d{1,4}))?"
)
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
    return tuple(kind_of(part) for part in parts)


def kind_of(text: str) -> Kind:
    """One of them: "2x H100", "H100 x2", "p5.48xlarge". Raises InputError."""
    match = _TIMES.fullmatch(text.strip())
    if match is None or (match["before"] and match["behind"]):
        raise InputError(name="gpu", value=text, problem="must be the name of a GPU or a machine, such as 4x H100")
    said = match["before"] or match["behind"]
    count = None if said is None else int(said)
    if count == 0:
        raise InputError(name="gpu", value=text, problem="has no GPU")
    name = match["name"]
    held = machine(name) or machine(f"Standard_{name}")  # Azure's names, with and without their first word
    if held is None:
        return Kind(gpu=name, count=count)
    return Kind(gpu=held.gpu, count=count if held.count is None else held.count * (count or 1))
