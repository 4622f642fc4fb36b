"""The blocks of code in Markdown, reStructuredText and HTML within them, with the lines where they stand."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import pairwise

from vram.models.record import frozen

_FENCE = re.compile(r"([ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_DIRECTIVE = re.compile(r"([ \t]*)\.\.\s+(?:code-block|code|sourcecode|prompt)::[ \t]*(\S*)")
_LANGUAGE = re.compile(r"[{.]*\s*\.?([A-Za-z0-9_+-]+)")
#: a command that stands in the text without a fence around it: one that names a model or flags, for prose names the program too
BARE = re.compile(
    r"\s*(?:(?:[-*+>]|\d+[.)])\s+)?(?:\$\s+)?(?:[A-Z_]+=\S+\s+)*(?:sudo\s+|uv run\s+|nohup\s+)*(?:[\w.~/-]*/)?"
    r"(?:vllm serve\s+(?=[\w.~$-]*/|--|\$|\\$)|python3?\s+-m\s+vllm\.entrypoints\.\S+\s+(?:--|\\$)|docker run\s+-.*(?:vllm|\\$))"
)
_MOST_LINES = 300  # of a block without a fence  # of a block without a fence
_PREFORMATTED = re.compile(r"\s*<pre\b[^>]*>(?:\s*<code\b[^>]*>)?(.*)", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>\n]{0,200}>", re.IGNORECASE)


@frozen(kw_only=True)
class Block:
    """A block's lines, the first of them at `line`, with the label of its fence."""

    language: str
    lines: tuple[str, ...]
    line: int  # of its first


def blocks_of(lines: list[str]) -> Iterator[Block]:
    """Every block, fenced, indented, preformatted, or a command alone, in its order."""
    index = 0
    hidden = False
    while index < len(lines):
        line = lines[index]
        if hidden or "<!--" in line:
            hidden = "-->" not in line[line.find("<!--") :] if "<!--" in line and not hidden else "-->" not in line
            index += 1
            continue
        if (end := _indented_end(lines, index)) and any(BARE.match(one) for one in lines[index:end]):
            yield from _indented(lines, index, end)
        if end:
            index = end
            continue
        if BARE.match(line):
            start, index = index, index + 1
            while index < len(lines) and lines[index - 1].endswith("\\"):
                index += 1
            bare = (re.sub(r"^\s*(?:(?:[-*+>]|\d+[.)])\s+)?(?:\$\s+)?", "", line), *lines[start + 1 : index])
            yield Block(language="sh", lines=bare, line=start + 1)
            continue
        if (opened := _PREFORMATTED.fullmatch(line)) is not None:
            start, index = (
                index,
                next((i for i in range(index, len(lines)) if "</pre" in lines[i].lower()), len(lines) - 1) + 1,
            )
            body = [opened[1], *lines[start + 1 : index]]
            yield Block(language="", lines=tuple(html.unescape(_TAG.sub("", one)) for one in body), line=start + 1)
            continue
        if "`" not in line and "~" not in line and "::" not in line:
            index += 1
            continue
        fence = _FENCE.match(line)
        directive = _DIRECTIVE.match(line) if fence is None else None
        index += 1
        if fence is not None:
            start, index = index, _fence_end(lines, index, fence[2])
            indent = re.sub(r"[^\s>]", " ", fence[1])
            yield Block(language=_language(fence[3]), lines=_outdented(lines[start:index], indent), line=start + 1)
            index += 1
        elif directive is not None:
            start, index = index, _directive_end(lines, index, len(directive[1]))
            body = lines[start:index]
            skipped = next((i for i, one in enumerate(body) if not one.strip()), 0)
            body, start = body[skipped:], start + skipped
            depths = [len(one) - len(one.lstrip()) for one in body if one.strip()]
            cut = min(depths, default=0)
            yield Block(language=directive[2] or "text", lines=tuple(one[cut:] for one in body), line=start + 1)


def _indented(lines: list[str], start: int, end: int) -> Iterator[Block]:
    """What stands in code by indentation: one block, or where only some of its parts are typed behind a prompt, each part."""
    prompted = [bool(re.match(r"\s*\$ \S", line)) for line in lines[start:end]]
    parts = [start, end]
    if any(prompted) and not prompted[0]:
        parts[1:1] = [index for index in range(start + 1, end) if not lines[index].strip()]
    for first, last in pairwise(parts):
        part = lines[first:last]
        cut = min((len(line) - len(line.lstrip()) for line in part if line.strip()), default=0)
        yield Block(language="", lines=tuple(line[cut:] for line in part), line=first + 1)


def _indented_end(lines: list[str], index: int) -> int:
    """The end of a block that indentation alone makes code; 0 where none begins, or where fences are in it."""
    code = re.compile(r"(?: {4}|\t)\s*\S")
    if not code.match(lines[index]) or (index and lines[index - 1].strip()):
        return 0
    end = index
    while end < min(len(lines), index + _MOST_LINES) and (code.match(lines[end]) or not lines[end].strip()):
        if "```" in lines[end] or "~~~" in lines[end]:
            return 0
        end += 1
    return end


def _language(info: str) -> str:
    match = _LANGUAGE.match(info.strip())
    return match[1] if match else ""


def _fence_end(lines: list[str], index: int, mark: str) -> int:
    close = re.compile(rf"[ \t>]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    while index < len(lines) and not close.match(lines[index]):
        index += 1
    return index


def _directive_end(lines: list[str], index: int, depth: int) -> int:
    while index < len(lines) and (not lines[index].strip() or len(lines[index]) - len(lines[index].lstrip()) > depth):
        index += 1
    return index


def _outdented(lines: list[str], indent: str) -> tuple[str, ...]:
    """A block's lines without the indentation (or quotation) of its fence."""
    if not indent:
        return tuple(lines)
    if ">" in indent:
        return tuple(re.sub(r"^[ \t]*(?:> ?)+", "", line) for line in lines)
    return tuple(line[len(indent) :] if line[: len(indent)].isspace() else line.lstrip() for line in lines)
