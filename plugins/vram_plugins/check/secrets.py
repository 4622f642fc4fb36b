"""No secret of a file is printed: values of its environment and of flags that hold some, and what looks like a token."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram.models.deployment_reader import FoundServer
from vram.serving import printable

_MASK = "***"
#: ends of names that hold one (HF_TOKEN, apiKey, DB_PASSWORD), not what counts tokens (MAX_TOKENS, TOKENIZER)
_SECRET_NAME = re.compile(
    r"(?:token|secret|passw(?:or)?d|passphrase|credentials?|key|auth(?:orization)?)(?:_?(?:id|value|\d+))?",
    re.IGNORECASE,
)
_IN_JSON = re.compile(
    r'"[\w.-]{0,60}?(?:token|secret|passw(?:or)?d|api_?key|credentials?)"\s*:\s*"([^"]+)"', re.IGNORECASE
)
_TOKEN = re.compile(
    r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)"  # before what it may hold itself
    r"|\bhf_(?:(?=[A-Za-z0-9]*[A-Z0-9])[A-Za-z0-9]{8,}|[a-z]{16,})"  # `hf_models` is a folder
    r"|\b(?:sk-|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abp]-|AKIA|nvapi-)[\w-]{6,}"
    r"|\beyJ[\w-]{10,}\.[\w.-]+"
    r"|(?<=Bearer )[\w.~+/-]{8,}=*"
)
_LONGEST = 500  # characters of a sentence; a word of a file may have a million
_SHORTEST = 4  # a value of fewer characters is no secret, and would be found everywhere
_PLAIN = re.compile(r"\d{1,7}|true|false|none|null|auto", re.IGNORECASE)  # nor is one of those


def sayable(text: str, found: FoundServer | None = None) -> str:
    """What a file or a plugin says, as a sentence may hold it: printable, without secrets, no longer than is read."""
    text = masked(printable(text), found)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def masked(text: str, found: FoundServer | None = None) -> str:
    """The text with every secret that `found` has replaced."""
    for value in sorted({*_values(found)} if found else (), key=len, reverse=True):
        if len(value) >= _SHORTEST and not _PLAIN.fullmatch(value):
            text = text.replace(value, _MASK)
    return _TOKEN.sub(_MASK, text)


def _values(found: FoundServer) -> Iterator[str]:
    yield from (value for name, value in found.environment.items() if _names_one(name))
    previous = ""
    for word in found.words:
        flag, _, attached = word.partition("=")
        if flag.startswith("--") and _names_one(flag) and attached:
            yield attached
        elif previous.startswith("--") and _names_one(previous) and not word.startswith("--"):
            yield word
        yield from _IN_JSON.findall(word)
        previous = word


def _names_one(name: str) -> bool:
    return any(match.end() == len(name) for match in _SECRET_NAME.finditer(name))
