"""Why the installed vLLM could not be asked, in one sentence each."""

from __future__ import annotations

from typing import ClassVar

from vram.errors import VramError


class AskError(VramError):
    """The installed vLLM gave no answer. data: problem, and `next` where there is something to do."""

    message: ClassVar[str] = "vLLM could not be asked: {problem}."
