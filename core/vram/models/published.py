"""A model in another format, by somebody else."""

from __future__ import annotations

from vram.models.record import frozen


@frozen(kw_only=True)
class Published:
    """A checkpoint of the same model that somebody published in another format."""

    id: str
    quantization: str
