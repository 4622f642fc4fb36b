"""Whether a script's condition holds: yes, no, or only a run would tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from vram_plugins.readers.shell_syntax import Chain, Group, Node, Simple
from vram_plugins.readers.shell_values import Expander, Scope, bare
from vram_plugins.readers.shell_words import END, UNKNOWN, Sum

_NUMBERS = {"-eq", "-ne", "-gt", "-ge", "-lt", "-le"}


#: programs and files of machines with NVIDIA's GPUs, and of those with others
_OURS = "nvidia-smi"
_OTHERS = frozenset(
    [
        "rocm-smi",
        "rocminfo",
        "amd-smi",
        "npu-smi",
        "hl-smi",
        "xpu-smi",
        "sycl-ls",
        "neuron-ls",
        "neuron-top",
        "tpu-info",
        "mx-smi",
    ]
)
_OTHER_FILES = re.compile(r"/opt/rocm(?:/.*)?|/dev/(?:kfd|davinci\w*|accel\w*|neuron\d*)|/usr/local/Ascend(?:/.*)?")


#: regular expressions that mean in Python what they mean in a shell, and that end
_REGULAR = re.compile(r"(?:[\w/:@ -]|\\\.|[|^$]|\((?:[\w/:@|-])*\))+")


class Judged(NamedTuple):
    """`value` is None where only a run would tell; not `sure` where it hangs on arguments or outer variables."""

    value: bool | None
    sure: bool


_UNKNOWN = Judged(None, sure=False)


def _asked_for(words: Sequence[str]) -> str | None:
    """The program that a condition looks for or tries: `command -v rocm-smi`, `which nvidia-smi`, `nvidia-smi`."""
    program = words[0]
    if program in {"command", "which", "type", "hash", "whence"}:
        return next((word for word in words[1:] if not word.startswith("-")), "")
    return program if program in {_OURS, *_OTHERS} else None


def judged(node: Node, scope: Scope, expand: Expander) -> Judged:
    """Whether a command succeeds."""
    if isinstance(node, Chain):
        return _joined(node, scope, expand)
    if isinstance(node, Group) and node.body:
        return judged(node.body[-1], scope, expand)
    if not isinstance(node, Simple) or not node.words:
        return Judged(None, sure=False)
    first = node.words[0]
    if len(first.parts) == 2 and isinstance(total := first.parts[1], Sum) and first.parts[0] == ("((", False):
        value = expand.sum(total.expression, scope)
        return Judged(None if value is None else bool(value), sure=False)
    words = ["".join(expand.fields(w, scope)) if w.plain is None else w.plain for w in node.words]
    if words[0] in {"true", ":", "false"}:
        return Judged(words[0] != "false", sure=True)
    if words[0] == "getopts":
        return Judged(False, sure=False)
    if (program := _asked_for(words)) is not None:
        return Judged(program not in _OTHERS, sure=program in _OTHERS) if program in {*_OTHERS, _OURS} else _UNKNOWN
    if words[0] in {"[", "test", "[["}:
        asked = [w for w in words[1:] if w not in {"]", "]]"}]
        if len(asked) == 2 and asked[0] in {"-f", "-e", "-s", "-r"} and expand.beside(bare(asked[1]).lstrip("/")):
            return Judged(True, sure=False)
        return _test(asked, patterns=words[0] == "[[")
    return Judged(None, sure=False)


def _joined(node: Chain, scope: Scope, expand: Expander) -> Judged:
    held = judged(node.nodes[0], scope, expand)
    if node.joins[0] == "!":
        return Judged(None if held.value is None else not held.value, held.sure)
    for join, one in zip(node.joins[1:], node.nodes[1:], strict=True):
        held = _both(held, judged(one, scope, expand), join) if join != "|" else Judged(None, sure=False)
    return held


def _both(left: Judged, right: Judged, join: str) -> Judged:
    decides = join == "||"  # a true `||` and a false `&&` need no other side
    if left.value is decides:
        return left
    if right.value is decides:
        return right
    if left.value is None or right.value is None:
        return Judged(None, sure=False)
    return Judged(right.value, left.sure and right.sure)


def _test(words: Sequence[str], *, patterns: bool) -> Judged:
    for join, operators in (("||", {"||", "-o"}), ("&&", {"&&", "-a"})):
        for index, word in enumerate(words):
            if word in operators and index:
                left, right = words[:index], words[index + 1 :]
                return _both(_test(left, patterns=patterns), _test(right, patterns=patterns), join)
    if words and words[0] == "!":
        held = _test(words[1:], patterns=patterns)
        return Judged(None if held.value is None else not held.value, held.sure)
    sure = not any(END in word for word in words)
    value = _compared(words, patterns=patterns)
    return Judged(value, sure and value is not None)


def _compared(words: Sequence[str], *, patterns: bool) -> bool | None:
    if len(words) == 2 and words[0] in {"-d", "-e", "-f", "-c", "-x", "-r"}:
        return False if _OTHER_FILES.fullmatch(words[1]) else None
    if len(words) == 2 and words[0] in {"-z", "-n", "-v"}:
        if words[0] == "-v":
            return None
        return (not bare(words[1])) == (words[0] == "-z")
    if len(words) == 1 and words[0] not in {"-z", "-n"}:
        return bool(bare(words[0])) if UNKNOWN not in words[0] else None
    if len(words) == 1:
        return words[0] == "-z"  # an unquoted variable that is unset
    if len(words) != 3 or any(UNKNOWN in word for word in words):
        return None
    left, operator, right = bare(words[0]), words[1], bare(words[2])
    if operator in {"=", "==", "!="}:
        if patterns and set("*?[") & set(right):
            return fnmatchcase(left[:1000], right) == (operator != "!=")
        return (left == right) == (operator != "!=")
    if operator == "=~":
        return re.search(right, left[:1000]) is not None if _REGULAR.fullmatch(right) else None
    if operator in _NUMBERS and all(
        w.lstrip("-").isascii() and w.lstrip("-").isdecimal() for w in (left or "0", right or "0")
    ):
        if max(len(left), len(right)) > 12:
            return None
        one, other = int(left or 0), int(right or 0)
        return {
            "-eq": one == other,
            "-ne": one != other,
            "-gt": one > other,
            "-ge": one >= other,
            "-lt": one < other,
            "-le": one <= other,
        }[operator]
    return None
