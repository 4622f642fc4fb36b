"""Words as a shell splits them, where a file gives one text for a whole command."""

from __future__ import annotations

import shlex


def split_words(text: str) -> list[str]:
    """Words as a shell splits them; at blanks where a quote is left open."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
