"""From a checkpoint and arguments to a question, the same question for another deployment, and its answer with limits.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.ask.answering import answer
    from vram.ask.asking import Model, as_checkpoint, ask
    from vram.ask.resolve import redeploy
    from vram.estimate.question import Question
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.ask.asking": "Model as_checkpoint ask",
            "vram.ask.answering": "answer",
            "vram.ask.resolve": "redeploy",
            "vram.estimate.question": "Question",
        },
    )

__all__ = ["Model", "Question", "answer", "as_checkpoint", "ask", "redeploy"]
