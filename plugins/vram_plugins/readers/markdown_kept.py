"""What a reader's shell and Python keep from one block of a page for those behind it: variables, imports of vLLM, constants."""

from __future__ import annotations

import re
import shlex
from itertools import islice

_SET = re.compile(
    r"^(?:[^\S\n]*(?:\$[^\S\n]+)?(export[^\S\n]+)|(?:\$[^\S\n]+)?)([A-Za-z_]\w*)=(\"[^\"$`\\]*\"|'[^']*'|[^\s\"'$`\\;&|]+)"
    r"[^\S\n]*(?:#.*)?$",
    re.MULTILINE,
)
_KEPT = re.compile(
    r"^(from vllm[\w.]* import [\w, ]+|import vllm[\w. ]*|[A-Za-z_]\w*[ \t]*=[ \t]*(?:\"[^\"\n\\]*\"|'[^'\n\\]*'|[\d._]+))[ \t]*(?:#.*)?$",
    re.MULTILINE,
)
_MOST, _LONGEST = 100, 2000  # statements of a block that are kept, and letters of all of them
_QUOTES = "\"'"


class Kept:
    """The statements that stand in front of the next block, of a shell by their variable."""

    def __init__(self) -> None:
        self._shell: dict[str, str] = {}
        self._python: dict[str, None] = {}

    def before(self, name: str) -> str:
        """What comes before a block of that kind; Python's is a line of its own."""
        if name == "sh":
            return "".join(self._shell.values())
        return f"{'; '.join(self._python)}\n" if name == "py" and self._python else ""

    def take(self, name: str, content: str) -> None:
        """Keep what a block sets."""
        for match in islice(_KEPT.finditer(content), _MOST) if name == "py" else ():
            if sum(map(len, self._python)) < _LONGEST:
                self._python[match[1]] = None
        for exported, key, value in islice(_SET.findall(content), _MOST) if name == "sh" else ():
            if key in self._shell or sum(map(len, self._shell.values())) < _LONGEST:
                self._shell[key] = f"{exported and 'export '}{key}={shlex.quote(value.strip(_QUOTES))}; "
