"""No secret of a file is printed: values of its environment and of flags that hold some, and what looks like a token."""

from __future__ import annotations

import re

from vram.models.deployment_reader import FoundServer

_MASK = "***"
_SECRET_NAME = re.compile(r"token|secret|passw|credential|key|auth", re.IGNORECASE)
_SECRET_FLAG = re.compile(r"--(?:api[-_]key|hf[-_]token|.*password.*)", re.IGNORECASE)
_TOKEN = re.compile(
    r"\b(?:hf_|sk-|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abp]-|AKIA|nvapi-)[\w-]{6,}|\beyJ[\w-]{10,}\.[\w.-]+|(?<=://)[^\s/@]+:[^\s/@]+(?=@)"
)
_SHORTEST = 4  # a value of fewer characters is no secret, and would be found everywhere


def masked(text: str, found: FoundServer | None = None) -> str:
    """The text with every secret that `found` has replaced."""
    for value in _values(found) if found else ():
        text = text.replace(value, _MASK)
    return _TOKEN.sub(_MASK, text)


def _values(found: FoundServer) -> list[str]:
    values = [value for name, value in found.environment.items() if _SECRET_NAME.search(name)]
    previous = ""
    for word in found.words:
        flag, _, attached = word.partition("=")
        if _SECRET_FLAG.fullmatch(flag) and attached:
            values.append(attached)
        elif _SECRET_FLAG.fullmatch(previous):
            values.append(word)
        previous = word
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)
