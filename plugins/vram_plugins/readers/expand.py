"""Variables in words: `$(NAME)` of Kubernetes, `$NAME` and `${NAME:-default}` of compose and shells. Linear, and nothing is run.

What nothing sets stays as it stands, to be told by `unset_in`. A dollar sign that the file doubles is no variable: until `plain`
it is a character that no text has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_DOLLAR = "\ufdd0"  # a character that Unicode keeps from texts
_KUBERNETES = re.compile(r"\$\$|\$\(([A-Za-z_.\-][\w.\-]{0,200})\)")
_BRACE = re.compile(r"[{}]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSET = re.compile(
    r"\$\([^()\s]{0,80}\)?|\$\{[^{}\s]{0,80}\}?|\$[A-Za-z_][A-Za-z0-9_]{0,80}|\{\{[^{}]{0,80}\}?\}?|(?<!\ufdd0)\{%"
    r"|<[A-Za-z][^<>\n]{0,60}>|(?<![{\w\"'\ufdd0])\{[A-Za-z_][\w.]{0,60}\}"
)
_PLACEHOLDER = re.compile(
    r"(?:your|my)[-_ ].*|(?:.*/)?your(?:[-_ ][^/]*)?(?:/.*)?|(?:.*/)?path[-_/]to[-_/].*"
    r"|.*(?<![A-Za-z0-9])(?:REPLACE|CHANGE)[_-]?(?:ME|THIS|WITH).*|\.\.\.|TODO|XXX+",
    re.IGNORECASE,
)
_MAX_DEPTH = 8
_LONGEST = 1 << 16  # characters that a word grows to: a variable of two others of two others doubles with each line


def in_kubernetes(word: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` put in, `$$` a dollar sign (Kubernetes' docs, define-command-argument-container)."""

    grown = 0

    def put(match: re.Match[str]) -> str:
        nonlocal grown
        if match[1] is None:
            return _DOLLAR
        value = environment.get(match[1], match[0])
        grown += len(value)
        return value if grown <= _LONGEST else match[0]

    return _KUBERNETES.sub(put, word) if "$" in word else word


def in_shell(word: str, environment: Mapping[str, str], *, doubled: bool = False) -> str:
    """`$NAME`, `${NAME}` and those with a default or an alternative put in; `doubled` where `$$` is a dollar sign (compose)."""
    return _put(word, environment, doubled, 0) if "$" in word else word


def _put(word: str, environment: Mapping[str, str], doubled: bool, depth: int) -> str:
    parts: list[str] = []
    index, closings, grown = 0, _closings(word), 0
    while index < len(word):
        dollar = word.find("$", index)
        if dollar < 0:
            break
        parts.append(word[index:dollar])
        index = dollar + 1
        if doubled and word.startswith("$", index):
            parts.append(_DOLLAR)
            index += 1
        elif word.startswith("{", index) and (end := closings.get(index)) is not None:
            value = _braced(word[index + 1 : end], environment, doubled, depth)
            grown += len(value)
            parts.append(value if grown <= _LONGEST else word[dollar : end + 1])
            index = end + 1
        elif match := _NAME.match(word, index):
            value = environment.get(match[0], f"${match[0]}")
            grown += len(value)
            parts.append(value if grown <= _LONGEST else f"${match[0]}")
            index = match.end()
        else:
            parts.append("$")
    return "".join([*parts, word[index:]])


def _closings(word: str) -> dict[int, int]:
    """Where each brace closes, by where it opens."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for match in _BRACE.finditer(word):
        if match[0] == "{":
            opened.append(match.start())
        elif opened:
            found[opened.pop()] = match.start()
    return found


def _braced(inner: str, environment: Mapping[str, str], doubled: bool, depth: int) -> str:
    """What stands between the braces of `${…}`."""
    match = _NAME.match(inner)
    if match is None or depth > _MAX_DEPTH:
        return f"${{{inner}}}"
    name, rest = match[0], inner[match.end() :]
    value = environment.get(name)
    operator = rest[:2] if rest[:1] == ":" else rest[:1]
    word = rest[len(operator) :]
    has = bool(value) if operator[:1] == ":" else value is not None
    if operator in {"-", ":-", "=", ":="}:
        return value if has and value is not None else _put(word, environment, doubled, depth + 1)
    if operator in {"+", ":+"}:
        return _put(word, environment, doubled, depth + 1) if has else ""
    if value is None or operator not in {"", "?", ":?"}:
        return f"${{{name}}}" if value is None else f"${{{inner}}}"
    return value


def unset_in(word: str) -> str | None:
    """A variable, a template's or a reader's blank (`<your model>`) that nothing fills, as it stands in the word.

    A path may have any brackets in it, which leave it what it is: a path of somewhere else.
    """
    marks = set("$") if word.startswith("/") else set("$<{")
    match = _UNSET.search(word) if marks & set(word) else None
    return match[0] if match else word if _PLACEHOLDER.fullmatch(word) else None


def literal(word: str) -> str:
    """A word whose dollar signs are no variables: it stood in quotes."""
    return word.replace("$", _DOLLAR)


def plain(word: str) -> str:
    """The word with dollar signs where the file doubled them."""
    return word.replace(_DOLLAR, "$")
