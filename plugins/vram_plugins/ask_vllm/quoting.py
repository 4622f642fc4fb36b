"""Strangers' words in one line: shortened, without this machine's home folder and without what looks like a token."""

from __future__ import annotations

import os
import re

_MOST = 300
#: tokens as the Hub and the usual services write them, and whatever follows such a name
_SECRET = re.compile(
    r"\b(hf|sk|ghp|gho|glpat|xox[bp])[-_][A-Za-z0-9_-]{8,}|(?i:\b(?:token|secret|password|api_key)\s*[=:]\s*)\S+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+|\x1b\[[0-9;]*m")


def quoted(text: str, *, hidden: str | None = None) -> str:
    """The last line that says something, fit for a sentence; `hidden` is a folder that the reader has never heard of."""
    lines = [
        line
        for line in (_CONTROL.sub(" ", raw).strip() for raw in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines())
        if line
    ]
    said = lines[-1] if lines else ""
    if hidden:
        said = said.replace(hidden, "MODEL")
    home = os.path.expanduser("~")
    if len(home) > 1:
        said = said.replace(home + "/", "~/")
    said = _SECRET.sub("…", said)
    return said if len(said) <= _MOST else said[: _MOST - 1].rstrip() + "…"
