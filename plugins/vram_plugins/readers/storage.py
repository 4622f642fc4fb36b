"""Models by URI, as KServe, llm-d and KubeAI name them."""

from __future__ import annotations

import re

from vram.models.record import frozen

MODELS = "/mnt/models"  # where KServe's storage initializer puts what a URI names
_HUB = re.compile(r"hf://([^/:@?\s]+/[^/:@?\s]+)(?:[:@]([^/?\s]+))?/?(?:\?.*)?")


@frozen(kw_only=True)
class StoredModel:
    """A model of the Hub."""

    model: str
    revision: str | None = None


def stored_model(uri: str | None) -> StoredModel | None:
    """The model of `hf://org/model:revision`; None for other places, whose files are copied into a folder first."""
    match = _HUB.fullmatch(uri or "")
    return StoredModel(model=match[1], revision=match[2]) if match else None
