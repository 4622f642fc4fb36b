"""A command's words as a server gets them: values that nothing tells written out, what only the caller adds left away."""

from __future__ import annotations

import re

from vram.serving.flags import find_flag
from vram_plugins.readers.shell_values import missing, shown, written
from vram_plugins.readers.shell_words import END, UNKNOWN

#: a word behind which the words of vLLM's server stand
SERVES = re.compile(r"vllm(?:\.exe)?|dynamo\.vllm|vllm_tgis_adapter|vllm\.entrypoints\..*|.*api_server(?:\.py)?")


def settled(argv: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """Words with their marks written out, what was assumed of them, and why they are not all of the words.

    A word that only the caller could fill, and that no flag waits for, is left away.
    """
    kept: list[str] = []
    assumed: list[str] = []
    problem = None
    start = next((i for i, word in enumerate(argv) if SERVES.fullmatch(word.rsplit("/", 1)[-1])), 0)
    model = _model_place(argv, start)
    waiting = False
    for index, word in enumerate(argv):
        name = missing(word)
        extra = index > start and not waiting and index != model
        if extra and name is not None and (model is not None or name in {"@", "*"}):
            assumed.append("nothing comes of the caller's arguments" if name in {"@", "*"} else f"{name} is empty")
            continue
        if extra and word.startswith(UNKNOWN):
            problem = f"needs {shown(word)}, which nothing here sets"
        elif index > start and word.startswith("-") and END in word.split("=")[0]:
            problem = f"needs {shown(word.split('=')[0])}, which nothing here sets"
        elif extra and word and not word.strip():
            problem = "has a blank behind a backslash, which ends the command there"
        elif extra and word in {"...", "…", "[...]", "[OPTIONS]", "[options]"}:
            problem = "leaves words out (…)"
        kept.append(written(word))
        waiting = _waits(word)
    return tuple(kept), tuple(dict.fromkeys(assumed)), problem


def _waits(word: str) -> bool:
    """Whether a flag's value comes next."""
    if not word.startswith("-") or "=" in word:
        return False
    flag = find_flag(word)
    return flag is None or flag.takes != "switch"


def _model_place(argv: tuple[str, ...], start: int) -> int | None:
    """The place of the model's word: the first that is not missing and stands where one is, or the value of `--model`."""
    waiting = False
    first_missing = None
    for index in range(start + 1, len(argv)):
        word = argv[index]
        if word.split("=")[0] in {"--model", "--config"}:
            return index
        if index == start + 1 and word == "serve":
            continue
        if not word.startswith("-") and not waiting:
            if missing(word) is None:
                return index
            if first_missing is None and missing(word) not in {"@", "*"}:
                first_missing = index
        waiting = _waits(word)
    return first_missing
