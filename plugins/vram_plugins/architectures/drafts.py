"""Speculative heads: no models to serve. vLLM loads them beside a target, through `speculative_config`.

Source: vLLM 0.33.0 `registry.py:_SPECULATIVE_DECODING_MODELS`. How one is counted beside its target is
`vram.architecture.draft`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from vram.errors import ArchitectureError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram_plugins.architectures import DRAFTS


class DraftOnly(ArchitectureAdapter):
    """Says what a draft's config is for."""

    name = "drafts"
    architectures = tuple(DRAFTS.split())

    def build(self, config: ModelConfig, context: BuildContext) -> NoReturn:
        """Always raises ArchitectureError."""
        del context
        problem = "is a draft, which vLLM loads beside its target only"
        instead = "Estimate the target, and name this in --speculative-config."
        raise ArchitectureError(architecture=config.architecture, problem=problem, next=instead)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Every draft."""
    return [DraftOnly()]
