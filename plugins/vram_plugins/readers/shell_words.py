"""A shell script's words, as POSIX shells and bash split them, in one pass: quotes, expansions, here-documents, comments.

What is no shell at all (prose, a broken script) is read as far as it goes: a quote that nothing closes is a letter.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

#: marks inside values: what the surroundings would have set (empty if they do not), and what only a run would tell
UNSET, UNKNOWN, END = "\ue000", "\ue001", "\ue002"
LABELS = "\ue003\ue004\ue005\ue006\ue007\ue008\ue009"  # for letters of a mark's label
_MARKS = str.maketrans("", "", UNSET + UNKNOWN + END + LABELS)

_PLAIN = re.compile(r"[^\s'\"\\$`;&|<>()]+")
_OPERATORS = r";;&|;;|;&|&&|\|\||\|&|&>>|&>|<<<|<<-|<<|>>|>&|<&|>\||<>|[;&|<>()\n]"
_OPERATOR = re.compile(_OPERATORS)
#: blanks, then a word without quotes, a comment, or an operator; none of them before a word that takes more to read
_NEXT = re.compile(
    r"(?:[^\S\n]|\\\r?\n)*(?:([^\s'\"\\$`;&|<>()#][^\s'\"\\$`;&|<>()]*)(?=[\s;&|<>)]|\Z)|(#[^\n]*)|("
    + _OPERATORS
    + "))?"
)
#: `<your model>`, which documentation writes for a word of the reader's own
_BLANK_TO_FILL = re.compile(r"<[A-Za-z](?:[\w ./:|,'-]{0,60}[\w.'])?>")
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9]|[@*#?$!-]")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*\+?=\Z")
_BACKQUOTED = re.compile(r"`([^`\n]*)`")
_IN_DOUBLE = re.compile(r"[^\"\\$`]+")
_DELIMITER = re.compile(r"[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|\\?([\w.+-]+))")
_CONTINUED = re.compile(r"\\\r?\n")
_SPACE = re.compile(r"(?:\s|\\\r?\n)+")
_IN_DOCUMENT = re.compile(r"[^\\$`]+")
_BRACE = re.compile(r"\$\{|\}|\\.|'[^'}\n]*'", re.DOTALL)
#: the same where no double quotes are around: single ones hold braces as well
_BARE_BRACE = re.compile(r"\$\{|\}|\\.|'[^'\n]*'|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_PARENTHESIS = re.compile(
    r"[()]|'[^'\n]*'|\"(?:[^\"\\\n]|\\.)*\"|\\.|<<-?[ \t]*['\"\\]?([A-Za-z_]\w{0,78})['\"]?[^()\n]*\n", re.DOTALL
)
_MAX_SUBSTITUTION = 1 << 14


class Text(NamedTuple):
    """Letters; `quoted` ones are not split at blanks."""

    text: str
    quoted: bool = False


class Variable(NamedTuple):
    """`$name` or `${name…}`: `rest` is what stands behind the name inside the braces."""

    name: str
    rest: str = ""
    quoted: bool = False


class Output(NamedTuple):
    """`$(command)`, a backquoted one, or a process substitution; `at` is the command's place in the text."""

    command: str
    quoted: bool = False
    at: int = 0


class Sum(NamedTuple):
    """`$((expression))`."""

    expression: str
    quoted: bool = False


Part = Text | Variable | Output | Sum


class Word(NamedTuple):
    """One word before its expansion; `array` are the words in the parentheses of `NAME=(…)`.

    `plain` is the word where nothing is to expand and nothing is quoted.
    """

    parts: tuple[Part, ...]
    at: int
    array: tuple[Word, ...] | None = None
    plain: str | None = None


class Operator(NamedTuple):
    """A separator or redirection; a newline is one. `document` is the body of `<<`."""

    text: str
    at: int
    document: tuple[str, int, bool] | None = None  # body, its place, and whether it is expanded


Token = Word | Operator


def tokens_of(text: str, *, marked: bool = False) -> list[Token]:
    """The words and operators of a script, with the place of each in the text. Linear in the text; never raises.

    `marked` says that the text is some command's word, whose marks stand for values.
    """
    return _Lexer(text if marked else text.translate(_MARKS)).run()


def moved(token: Token, by: int) -> Token:
    """A token of a text that stands `by` letters behind the start of another."""
    if isinstance(token, Operator):
        body = token.document and (token.document[0], token.document[1] + by, token.document[2])
        return token._replace(at=token.at + by, document=body)
    parts = tuple(part._replace(at=part.at + by) if isinstance(part, Output) else part for part in token.parts)
    array = None if token.array is None else tuple(_word_moved(word, by) for word in token.array)
    return token._replace(parts=parts, at=token.at + by, array=array)


def _word_moved(word: Word, by: int) -> Word:
    found = moved(word, by)
    assert isinstance(found, Word)
    return found


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of what stands inside double quotes or a here-document."""
    return tuple(_Lexer(text.translate(_MARKS)).document())


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.ends: dict[str, list[int]] | None = None  # by their content: where lines start
        self.pending: list[tuple[int, str, bool, bool]] = []  # index of the operator, delimiter, strip tabs, expand
        self.tokens: list[Token] = []
        self.unclosed: dict[str, int] = {}  # by quote: from where on nothing closes one
        self.in_array = False
        self.patience = 2 * len(text) + _MAX_SUBSTITUTION  # letters to look through for ends that are not there

    def line_end(self, at: int | None = None) -> int:
        end = self.text.find("\n", self.at if at is None else at)
        return end if end >= 0 else len(self.text)

    def run(self) -> list[Token]:
        size, add = len(self.text), self.tokens.append
        while self.at < size:
            match = _NEXT.match(self.text, self.at)
            plain, comment, operator = match.groups() if match else (None, None, None)
            if match and (plain or comment):
                self.at = match.end()
                if plain:
                    add(Word((Text(plain),), match.start(1), None, plain))
                continue
            if match:
                self.at = match.end() - len(operator or "")
            if operator:
                self.operator(operator)
            elif self.at < size and (word := self.word()) is not None:
                add(word)
        return self.tokens

    def operator(self, spelling: str) -> None:
        at = self.at
        if spelling == "(" and self.text.startswith("((", self.at):
            end = self.text.find("))", self.at, self.at + 400)
            if end > 0:
                self.tokens.append(Word((Text("(("), Sum(self.text[self.at + 2 : end])), at))
                self.at = end + 2
                return
        if spelling == "<" and _BLANK_TO_FILL.match(self.text, self.at):
            word = self.word()
            if word is not None:
                self.tokens.append(word)
            return
        if spelling in {"<", ">"} and self.text.startswith("(", self.at + 1):
            self.at += 1
            self.tokens.append(Word((self.output(quoted=False),), at))
            return
        self.at += len(spelling)
        self.tokens.append(Operator(spelling, at))
        if spelling in {"<<", "<<-"}:
            self.delimiter(strip=spelling == "<<-")
        elif spelling == "\n" and self.pending:
            self.documents()

    def delimiter(self, *, strip: bool) -> None:
        match = _DELIMITER.match(self.text, self.at)
        if match is None:
            return
        name = next(group for group in match.groups() if group is not None)
        expand = match[3] is not None and "\\" not in match[0]
        self.pending.append((len(self.tokens) - 1, name, strip, expand))
        self.at = match.end()

    def documents(self) -> None:
        """The bodies of the here-documents that the line before announced; one without an end is none."""
        if self.ends is None:
            self.ends = {}
            for match in re.finditer(r"(?m)^[ \t]*([^\s].{0,78}?)[ \t\r]*$", self.text):
                self.ends.setdefault(match[1], []).append(match.start())
        for index, name, strip, expand in self.pending:
            ends = self.ends.get(name, [])
            position = bisect_right(ends, self.at - 1)
            if position == len(ends):
                continue
            end = ends[position]
            body = self.text[self.at : end]
            if strip:
                body = re.sub(r"(?m)^\t+", "", body)
            operator = self.tokens[index]
            assert isinstance(operator, Operator)
            self.tokens[index] = Operator(operator.text, operator.at, (body, self.at, expand))
            self.at = min(self.line_end(end) + 1, len(self.text))
        self.pending = []

    def word(self) -> Word | None:
        text, start = self.text, self.at
        parts: list[Part] = []
        array = None
        while self.at < len(text):
            if match := _PLAIN.match(text, self.at):
                parts.append(Text(match[0]))
                self.at = match.end()
                if (
                    text.startswith("(", self.at)
                    and len(parts) == 1
                    and not self.in_array
                    and _ASSIGNED.match(match[0])
                ):
                    array = self.array()
                    break
                continue
            char = text[self.at]
            if char in "'\"":
                self.quote(char, start, parts)
            elif char == "\\":
                if _CONTINUED.match(text, self.at):
                    self.at = text.index("\n", self.at) + 1
                    continue
                parts.append(Text(text[self.at + 1 : self.at + 2] or "\\", quoted=True))
                self.at += 2
            elif char in "$`":
                parts.append(self.expansion(quoted=False))
            elif char == "<" and (match := _BLANK_TO_FILL.match(text, self.at)):
                parts.append(Text(match[0], quoted=True))
                self.at = match.end()
            else:
                break
        if not parts:
            return None
        only = parts[0]
        plain = only.text if len(parts) == 1 and isinstance(only, Text) and not only.quoted else None
        return Word(tuple(parts), start, array, plain)

    def array(self) -> tuple[Word, ...]:
        """The words in the parentheses of `NAME=(`; without an end, those of the line."""
        self.at += 1
        self.in_array = True
        words: list[Word] = []
        text = self.text
        while self.at < len(text) and text[self.at] != ")":
            if match := _SPACE.match(text, self.at):
                self.at = match.end()
            elif text[self.at] == "#":
                self.at = self.line_end()
            elif (match := _OPERATOR.match(text, self.at)) is not None:
                self.at = match.end()
            elif (word := self.word()) is not None:
                words.append(word)
        self.at += 1
        self.in_array = False
        return tuple(words)

    def quote(self, char: str, start: int, parts: list[Part]) -> None:
        """One quoted part, or the quote as a letter where it opens nothing."""
        open_at, text = self.at, self.text
        if parts and isinstance(parts[-1], Text) and parts[-1].text == "$" and not parts[-1].quoted and char == "'":
            parts.pop()
            ansi = True
        else:
            ansi = False
        if open_at < self.unclosed.get(char, len(text)):
            if char == "'":
                end = text.find("'", open_at + 1)
                if end >= 0 and self.closes(open_at, end, start):
                    inside = text[open_at + 1 : end]
                    parts.append(Text(inside.replace("\\n", "\n") if ansi else inside, quoted=True))
                    self.at = end + 1
                    return
            else:
                inner = self.double()
                if inner is not None and self.closes(open_at, self.at - 1, start):
                    parts += inner or [Text("", quoted=True)]
                    return
                end = -1 if inner is None else 0
                self.at = open_at
            if end < 0:
                self.unclosed[char] = open_at
        parts.append(Text(char))
        self.at = open_at + 1

    def closes(self, start: int, end: int, word: int) -> bool:
        """Whether two quotes are a pair: in one line always; over lines not where one stands inside a word of prose."""
        text = self.text
        if text.find("\n", start, end) < 0:
            return True
        before, after = text[start - 1 : start] if start > word else "", text[end + 1 : end + 2]
        return not before.isalnum() and not (after.isalnum() and text[end - 1 : end].isalnum())

    def double(self) -> list[Part] | None:
        """The parts inside the double quotes at hand; None where nothing closes them."""
        self.at += 1
        parts: list[Part] = []
        text = self.text
        while self.at < len(text):
            if match := _IN_DOUBLE.match(text, self.at):
                parts.append(Text(match[0], quoted=True))
                self.at = match.end()
                continue
            char = text[self.at]
            if char == '"':
                self.at += 1
                return parts
            parts.append(self.escape() if char == "\\" else self.expansion(quoted=True))
        return None

    def document(self) -> list[Part]:
        parts: list[Part] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                parts.append(self.escape())
            elif char in "$`":
                parts.append(self.expansion(quoted=True))
            else:
                match = _IN_DOCUMENT.match(self.text, self.at)
                parts.append(Text(match[0] if match else char, quoted=True))
                self.at += len(parts[-1][0])
        return parts

    def escape(self) -> Part:
        """A backslash inside double quotes: it stays before a letter that means nothing to the shell."""
        following = self.text[self.at + 1 : self.at + 2]
        if self.text.startswith("\r\n", self.at + 1):
            self.at += 3
            return Text("", quoted=True)
        self.at += 2
        if following == "\n":
            return Text("", quoted=True)
        return Text(following if following in '"\\$`' and following else f"\\{following}", quoted=True)

    def expansion(self, *, quoted: bool) -> Part:
        text = self.text
        if text[self.at] == "`":
            match = _BACKQUOTED.match(text, self.at)
            self.at = match.end() if match else self.at + 1
            return Output(match[1], quoted, match.start(1)) if match else Text("`", quoted)
        if text.startswith("$((", self.at):
            end = text.find("))", self.at, self.at + 400)
            if end > 0:
                expression = text[self.at + 3 : end]
                self.at = end + 2
                return Sum(expression, quoted)
        if text.startswith("$(", self.at):
            self.at += 1
            return self.output(quoted=quoted)
        if text.startswith("${", self.at):
            return self.braces(quoted=quoted)
        if match := _NAME.match(text, self.at + 1):
            self.at = match.end()
            return Variable(match[0], "", quoted)
        self.at += 1
        return Text("$", quoted)

    def braces(self, *, quoted: bool) -> Part:
        """`${name…}`, with braces and quotes inside."""
        text, depth, at = self.text, 1, self.at + 2
        limit = min(len(text), at + min(_MAX_SUBSTITUTION, self.patience))
        pattern = _BRACE if quoted else _BARE_BRACE
        while depth and (match := pattern.search(text, at, limit)):
            depth += 1 if match[0] == "${" else -1 if match[0] == "}" else 0
            at = match.end()
        inner = text[self.at + 2 : at - 1]
        length = inner.startswith("#") and len(inner) > 1
        name = _NAME.match(inner[1:] if length or inner.startswith("!") else inner)
        if depth or name is None:
            self.patience = max(self.patience - (limit if depth else at) + self.at, 0)
            self.at += 1
            return Text("$", quoted)
        self.at = at
        if length:
            whole = inner[1 + name.end() :] in {"[@]", "[*]"}
            return Variable(name[0], "#[@]" if whole else "#", quoted)
        if inner.startswith("!"):
            keys = inner[1 + name.end() :] in {"[@]", "[*]"}
            return Variable(name[0], "!keys", quoted) if keys else Output("indirect", quoted)
        return Variable(name[0], inner[name.end() :], quoted)

    def output(self, *, quoted: bool) -> Output:
        start = self.at + 1
        return Output(self.parenthesis(), quoted, start)

    def parenthesis(self) -> str:
        """The text in the parentheses at hand, the reader's place behind them; without an end, the line's rest."""
        text, depth, at = self.text, 0, self.at
        limit = min(len(text), at + min(_MAX_SUBSTITUTION, self.patience))
        start = at
        endless: set[str] = set()
        while match := _PARENTHESIS.search(text, at, limit):
            depth += 1 if match[0] == "(" else -1 if match[0] == ")" else 0
            at = match.end()
            if match[1] and match[1] not in endless:  # a here-document: what stands in it opens and closes nothing
                end = re.compile(rf"^[ \t]*{match[1]}[ \t\r]*$", re.MULTILINE).search(text, at - 1, limit)
                endless |= set() if end else {match[1]}
                at = end.end() if end else at
            if depth == 0:
                self.at = at
                return text[start + 1 : at - 1]
        self.patience = max(self.patience - limit + start, 0)
        self.at = max(self.line_end(), start + 1)
        return text[start + 1 : self.at]
