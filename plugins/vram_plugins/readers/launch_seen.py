"""What the words of a process are: vLLM's own, a script in them, the file of one with what it is given, or another program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Literal

from vram.models.record import frozen
from vram_plugins.readers.documents import Text, text_at
from vram_plugins.readers.engines import is_own_image, is_vllm_image
from vram_plugins.readers.splitting import split_words
from vram_plugins.readers.wrappers import engine_words

_SHELLS = {"sh", "bash", "dash", "ash", "zsh"}
_MODULES = re.compile(
    r"dynamo\.vllm|vllm_tgis_adapter|vllm\.entrypoints\.(?:openai\.)?api_server|(?:.*/)?vllm/entrypoints/(?:openai/)?api_server\.py"
)
_CLI = re.compile(r"vllm\.entrypoints\.cli\.main|vllm")
_ENDS = {"&&", "||", ";", "|", "&"}


@frozen(kw_only=True)
class Seen:
    """What the words of a process are; of a script, `words` are what it is given."""

    what: Literal["vllm", "script", "file", "other"]
    words: tuple[str, ...] = ()
    script: Text | None = None
    program: str = ""
    assumed: tuple[str, ...] = ()


def seen_in(argv: Sequence[str], *, image: str | None, replaces: bool, line: int) -> Seen:
    """What the words start. Wrappers in front (`env`, `tini`, `numactl`, …) need no list: vLLM's own words are looked for."""
    shell = _shell_script(argv)
    if shell is not None:
        return shell
    words = _serve_words(argv)
    if words is not None:
        return as_vllm(words)
    one = argv[0] if len(argv) == 1 else ""
    if " " in one.strip() and re.match(r"\s*(?:exec\s+|[A-Z_]+=\S*\s+)*(?:\S*/)?(?:vllm|python3?)\s", one):
        return Seen(what="script", script=text_at(str(one), getattr(one, "line", line)))
    bare = bool(argv) and argv[0].startswith("-")
    if argv and not replaces and (is_own_image(image) or (bare and is_vllm_image(image))):
        return as_vllm(argv[1:] if argv[0] == "serve" else argv, image)
    if argv and argv[0].rsplit("/", 1)[-1] in _SHELLS and len(argv) > 1:
        place = next((index for index, word in enumerate(argv) if index and not word.startswith("-")), 0)
        return Seen(what="file", program=argv[place], words=tuple(argv[place + 1 :]))
    if argv and argv[0].endswith(".sh"):
        return Seen(what="file", program=argv[0], words=tuple(argv[1:]))
    return Seen(what="other", program=argv[0] if argv else "")


def as_vllm(words: Sequence[str], image: str | None = None) -> Seen:
    whole, assumed = _split_words(words)
    if image is not None and not is_own_image(image):
        assumed = (*assumed, "the image starts vLLM's server with these arguments")
    return Seen(what="vllm", words=whole, assumed=assumed)


def _shell_script(argv: Sequence[str]) -> Seen | None:
    """The script behind `sh -c`."""
    for index, word in enumerate(argv[:-1]):
        if word.rsplit("/", 1)[-1] not in _SHELLS:
            if index > 3:  # a shell stands in front, behind `exec` or `tini --` at most
                break
            continue
        for option in range(index + 1, len(argv) - 1):
            if not argv[option].startswith(("-", "+")):
                break
            if re.fullmatch(r"-[a-z]*c[a-z]*", argv[option]):
                script = argv[option + 1]
                if len(script.split()) < 2 and len(argv) > option + 2:
                    # a shell would take the further words for its own: what is meant is one command
                    joined = " ".join(_requoted(word) for word in argv[option + 1 :])
                    script = text_at(joined, getattr(script, "line", 1))
                return Seen(what="script", script=text_at(str(script), getattr(script, "line", 1)), program=word)
    return None


def _requoted(word: str) -> str:
    """A word as a script has it, its quotes back where they matter."""
    return shlex.quote(word) if set(word) & set("{}\"' ") and "$" not in word else word


def _serve_words(argv: Sequence[str]) -> Sequence[str] | None:
    """The words behind `vllm serve` or the module of vLLM's server, up to what ends a command."""
    for index, word in enumerate(argv):
        name = word.rsplit("/", 1)[-1]
        following = argv[index + 1] if index + 1 < len(argv) else ""
        start = None
        if name == "vllm" and following == "serve":
            start = index + 2
        elif _MODULES.fullmatch(word):
            start = index + 1
        elif word == "-m" and _CLI.fullmatch(following) and argv[index + 2 : index + 3] == ("serve",):
            start = index + 3
        if start is not None:
            rest = argv[start:]
            end = next((i for i, w in enumerate(rest) if w in _ENDS or re.match(r"\d?>", w)), len(rest))
            return engine_words(word, rest[:end])
    return None


def _split_words(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words apart where one holds a flag and its value (`- --max-model-len 8192`), which vLLM itself would refuse."""
    found: list[str] = []
    assumed: list[str] = []
    for word in words:
        quoted = re.fullmatch(r"(--[A-Za-z][\w.-]*=)(['\"])(.*)\2", word, re.DOTALL)
        if quoted is not None:
            found.append(quoted[1] + quoted[3])
            assumed.append(f"the quotes around the value of {quoted[1][:-1]} are none of it")
            continue
        match = re.fullmatch(r"(--?[A-Za-z][\w.-]*)\s+(.+)", word.strip(), re.DOTALL)
        if match is None:
            found.append(word)
            continue
        rest = match[2].strip()
        parts = [rest] if rest[:1] in "{[" else split_words(rest)
        found += [match[1], *parts]
        assumed.append(f"{match[1]} and its value are two words (they stand as one, which vLLM does not take)")
    return tuple(found), tuple(assumed)
