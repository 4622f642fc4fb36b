"""From a checkpoint and arguments to a question, the same question for another deployment, and its answer with limits.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.ask.answering import answer
    from vram.ask.asking import as_checkpoint, ask
    from vram.ask.describe import build_spec, with_graph
    from vram.ask.given import check_types
    from vram.ask.limits import longest_context
    from vram.ask.resolve import pose, redeploy
    from vram.ask.variants import Variant, online_variants, own_variant, published_variants
    from vram.estimate.question import Question
    from vram.estimate.verdict.cell import Cell, judge_cell
    from vram.models.checkpoint import Model
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.ask.asking": "as_checkpoint ask",
            "vram.ask.answering": "answer",
            "vram.ask.describe": "build_spec with_graph",
            "vram.ask.given": "check_types",
            "vram.ask.limits": "longest_context",
            "vram.ask.resolve": "pose redeploy",
            "vram.ask.variants": "Variant online_variants own_variant published_variants",
            "vram.estimate.question": "Question",
            "vram.estimate.verdict.cell": "Cell judge_cell",
            "vram.models.checkpoint": "Model",
        },
    )

__all__ = [
    "Cell",
    "Model",
    "Question",
    "Variant",
    "answer",
    "as_checkpoint",
    "ask",
    "build_spec",
    "check_types",
    "judge_cell",
    "longest_context",
    "online_variants",
    "own_variant",
    "pose",
    "published_variants",
    "redeploy",
    "with_graph",
]
