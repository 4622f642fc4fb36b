"""The contract of an artifact: a file that deploys an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from vram.models.estimate import Estimate


@frozen(kw_only=True)
class GeneratedFile:
    """A file to write: `path` relative to the output folder, its text, and whether it is a script."""

    path: str
    text: str
    executable: bool = False


class Artifact(ABC):
    """One kind of file that `vram generate --emit NAME` writes. `name` is unique."""

    name: str
    description: str = ""

    @abstractmethod
    def render(self, estimate: Estimate) -> tuple[GeneratedFile, ...]:
        """The files for an answered deployment."""
