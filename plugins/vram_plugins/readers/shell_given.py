"""Texts and files that a command gives to a shell, or takes variables from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vram_plugins.readers.shell_words import Output, Word

SHELLS = {"sh", "bash", "zsh", "dash", "ksh"}


def script_of(argv: Sequence[str]) -> str | None:
    """The text behind `bash -c`, and `nohup bash -c` and its kind."""
    for index, word in enumerate(argv[:4]):
        if word.rsplit("/", 1)[-1] in SHELLS:
            for option in range(index + 1, len(argv) - 1):
                if re.fullmatch(r"-[a-z]*c", argv[option]):
                    return argv[option + 1]
                if not argv[option].startswith(("-", "+")):
                    return None
        elif word not in {"nohup", "exec", "sudo", "time", "env", "setsid", "command"}:
            return None
    return None


def environment_file(word: Word) -> str | None:
    """The file of `export $(grep -v '^#' .env | xargs)` and of its kind."""
    part = word.parts[0]
    match = re.search(r"([\w./-]*\.env[\w.-]*)\b", part.command) if isinstance(part, Output) else None
    return match[1].removeprefix("./") if match else None


def file_run(argv: Sequence[str]) -> list[str]:
    """A script's file and its arguments: `bash serve.sh MODEL 8001`, `nohup ./serve.sh MODEL`."""
    words = list(argv)
    while words and words[0] in {"nohup", "exec", "sudo", "time", "setsid", "command"}:
        words.pop(0)
    if words and words[0].rsplit("/", 1)[-1] in SHELLS:
        words.pop(0)
        while words and re.fullmatch(r"-[a-z]+", words[0]) and "c" not in words[0]:
            words.pop(0)
    return words if words and words[0].endswith((".sh", ".bash")) else []
