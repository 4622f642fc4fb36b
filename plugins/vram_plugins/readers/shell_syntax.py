"""A script's commands from its words and operators: lists, pipes, conditions, loops, functions. Never raises.

What does not close (prose, a broken script) closes at the end; no command is lost for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vram_plugins.readers.shell_words import Operator, Sum, Token, Word

_MAX_DEPTH = 40  # deeper ones are read as plain words
_REDIRECTIONS = {"<", ">", ">>", ">&", "<&", ">|", "<>", "&>", "&>>", "<<", "<<-", "<<<"}
_ENDS = {";", "&", "\n", ";;", ";&", ";;&", "&&", "||", "|", "|&", "(", ")"}
_CLOSING = {"then", "do", "done", "fi", "esac", "else", "elif", "}"}


class Document(NamedTuple):
    """A here-document, its place in the text, and whether variables are put in."""

    body: str
    at: int
    expanded: bool


class Simple(NamedTuple):
    """One command: its words, the assignments in front among them; `target` is the file its output goes to."""

    words: tuple[Word, ...]
    at: int
    document: Document | None = None
    given: Word | None = None  # <<<
    target: Word | None = None


class Chain(NamedTuple):
    """Commands joined by `&&`, `||`, or (all of them run) `|`; `joins` has the operator in front of each."""

    nodes: tuple[Node, ...]
    joins: tuple[str, ...]


class If(NamedTuple):
    """Conditions with what follows each, and what follows if none holds."""

    branches: tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...] | None


class For(NamedTuple):
    """A loop over words; None for those of `"$@"` or of an arithmetic loop, whose expressions are `sums`."""

    name: str
    words: tuple[Word, ...] | None
    body: tuple[Node, ...]
    sums: str = ""


class Input(NamedTuple):
    """What a loop reads: a here-document, the word of `<<<`, or that of the file behind `<`."""

    document: Document | None = None
    given: Word | None = None
    file: Word | None = None


class While(NamedTuple):
    """`while` and `until`."""

    test: tuple[Node, ...]
    body: tuple[Node, ...]
    until: bool
    input: Input = Input()


class Case(NamedTuple):
    """A word and the branches for its patterns."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], tuple[Node, ...]], ...]


class Function(NamedTuple):
    """A definition."""

    name: str
    body: tuple[Node, ...]


class Group(NamedTuple):
    """Braces, or parentheses (`alone`: what they set stays inside)."""

    body: tuple[Node, ...]
    alone: bool


Node = Simple | Chain | If | For | While | Case | Function | Group


def commands_of(tokens: Sequence[Token]) -> tuple[Node, ...]:
    """The commands of a whole script."""
    parser = _Parser(tokens)
    found: list[Node] = []
    while parser.at < len(tokens):
        found += parser.listed(frozenset(), 0)
        parser.at += 1  # a closing word that nothing opened
    return tuple(found)


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.read = Input()

    def word(self) -> str | None:
        """The token at hand where it is a plain word."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        return token.plain if isinstance(token, Word) else None

    def operator(self) -> str | None:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        return token.text if isinstance(token, Operator) else None

    def skip(self, *operators: str) -> None:
        while self.operator() in operators:
            self.at += 1

    def listed(self, ends: frozenset[str], depth: int) -> tuple[Node, ...]:
        """Commands up to one of the words (or operators) that end the list, which is left at hand."""
        found: list[Node] = []
        while self.at < len(self.tokens):
            start = self.at
            self.skip(";", "&", "\n")
            if self.word() in ends or self.operator() in ends:
                break
            if self.word() in _CLOSING or self.operator() in {";;", ";&", ";;&", ")"}:
                if depth:
                    break
                self.at += 1
                continue
            node = self.chain(depth)
            if node is not None:
                found.append(node)
            if self.at == start:
                self.at += 1
        return tuple(found)

    def chain(self, depth: int) -> Node | None:
        nodes: list[Node] = []
        joins: list[str] = [""]
        while True:
            node = self.command(depth)
            if node is not None:
                nodes.append(node)
            join = self.operator()
            if join not in {"&&", "||", "|", "|&"}:
                break
            self.at += 1
            self.skip("\n")
            if node is not None:
                joins.append("|" if join == "|&" else str(join))
        if not nodes:
            return None
        return nodes[0] if len(nodes) == 1 else Chain(tuple(nodes), tuple(joins[: len(nodes)]))

    def command(self, depth: int) -> Node | None:
        word = self.word()
        if self.operator() == "(" and depth < _MAX_DEPTH:
            self.at += 1
            body = self.listed(frozenset({")"}), depth + 1)
            self.at += self.operator() == ")"
            self.redirections()
            return Group(body, alone=True)
        if word is None or depth >= _MAX_DEPTH:
            return self.simple()
        if word == "{":
            self.at += 1
            return self.braced(depth)
        if word == "if":
            return self.condition(depth)
        if word in {"while", "until"}:
            self.at += 1
            test = self.listed(frozenset({"do"}), depth + 1)
            body = self.block("do", "done", depth)
            return While(test, body, word == "until", self.read)
        if word == "for" and (loop := self.loop(depth)) is not None:
            return loop
        if word == "case" and (case := self.case(depth)) is not None:
            return case
        if word in {"!", "time"}:
            self.at += 1
            node = self.command(depth)
            return Chain((node,), ("!",)) if word == "!" and node is not None else node
        if (name := self.function()) is not None:
            inner = self.command(depth + 1)
            return Function(name, inner.body if isinstance(inner, Group) else () if inner is None else (inner,))
        return self.simple()

    def braced(self, depth: int) -> Group:
        body = self.listed(frozenset({"}"}), depth + 1)
        self.at += self.word() == "}"
        self.redirections()
        return Group(body, alone=False)

    def block(self, start: str, end: str, depth: int) -> tuple[Node, ...]:
        self.skip(";", "\n")
        self.at += self.word() == start
        body = self.listed(frozenset({end}), depth + 1)
        self.at += self.word() == end
        self.redirections()
        return body

    def condition(self, depth: int) -> If:
        branches = []
        otherwise = None
        while self.word() in {"if", "elif"}:
            self.at += 1
            test = self.listed(frozenset({"then"}), depth + 1)
            self.at += self.word() == "then"
            branches.append((test, self.listed(frozenset({"elif", "else", "fi"}), depth + 1)))
        if self.word() == "else":
            self.at += 1
            otherwise = self.listed(frozenset({"fi"}), depth + 1)
        self.at += self.word() == "fi"
        self.redirections()
        return If(tuple(branches), otherwise)

    def loop(self, depth: int) -> Node | None:
        """`for NAME in …; do`, `for ((…)); do`; None for prose that begins so."""
        start = self.at
        self.at += 1
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if isinstance(token, Word) and token.plain is None:  # ((
            self.at += 1
            sums = next((part.expression for part in token.parts if isinstance(part, Sum)), "")
            return For("", None, self.block("do", "done", depth), sums)
        name = self.word() or ""
        self.at += 1
        words: list[Word] | None = None
        self.skip("\n")
        if self.word() == "in":
            self.at += 1
            words = []
            while self.at < len(self.tokens) and isinstance(found := self.tokens[self.at], Word):
                words.append(found)
                self.at += 1
        self.skip(";", "\n")
        if not name.isidentifier() or self.word() != "do":
            self.at = start
            return None
        return For(name, None if words is None else tuple(words), self.block("do", "done", depth))

    def case(self, depth: int) -> Node | None:
        start = self.at
        self.at += 1
        subject = self.tokens[self.at] if self.at < len(self.tokens) else None
        self.at += 1
        self.skip("\n")
        if not isinstance(subject, Word) or self.word() != "in":
            self.at = start
            return None
        self.at += 1
        branches = []
        while self.at < len(self.tokens) and self.word() != "esac":
            self.skip("\n", ";", "(", ";;", ";&", ";;&")
            patterns = []
            while self.at < len(self.tokens) and self.operator() in {None, "|"} and self.word() != "esac":
                if isinstance(token := self.tokens[self.at], Word):
                    patterns.append(token)
                self.at += 1
            if self.operator() != ")":
                break
            self.at += 1
            branches.append((tuple(patterns), self.listed(frozenset({";;", ";&", ";;&", "esac"}), depth + 1)))
        self.at += self.word() == "esac"
        self.redirections()
        return Case(subject, tuple(branches))

    def function(self) -> str | None:
        """The name of a function whose definition begins here; the reader's place is then its body."""
        start, name = self.at, self.word()
        if name == "function":
            self.at += 1
            name = self.word()
            self.at += 1
            keyword = True
        else:
            self.at += 1
            keyword = False
        parentheses = self.operator() == "("
        if parentheses:
            self.at += 1
            parentheses = self.operator() == ")"
            self.at += 1
        self.skip("\n")
        opens = self.word() == "{" or self.operator() == "("
        if name and opens and (parentheses or keyword):
            return name
        self.at = start
        return None

    def redirections(self) -> None:
        """Those behind a loop or a group; `read` is what the last of them gives it to read."""
        self.read = Input()
        while self.operator() in _REDIRECTIONS:
            token = self.tokens[self.at]
            assert isinstance(token, Operator)
            self.at += 1
            if token.document is not None:
                self.read = Input(document=Document(*token.document))
                continue
            word = self.tokens[self.at] if self.at < len(self.tokens) else None
            if isinstance(word, Word):
                self.at += 1
                if token.text in {"<", "<<<"}:
                    self.read = Input(file=word) if token.text == "<" else Input(given=word)

    def simple(self) -> Simple | None:
        words: list[Word] = []
        document = given = target = None
        at = -1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if isinstance(token, Word):
                at = token.at if at < 0 else at
                words.append(token)
                self.at += 1
                if token.plain == "[[":
                    self.tested(words)
                continue
            if token.text in _ENDS and not (token.text == "(" and words and not words[-1].parts):
                break
            self.at += 1
            if token.document is not None:
                document = Document(*token.document)
            if token.text in {"<<", "<<-"}:
                continue
            if self.at < len(self.tokens) and isinstance(following := self.tokens[self.at], Word):
                self.at += 1
                if token.text in {">", ">>", ">|"}:
                    target = following if not (words and words[-1].plain in {"1", "2"}) else target
                elif token.text == "<<<":
                    given = following
                if words and words[-1].plain in {"0", "1", "2"} and self.glued(words[-1], token):
                    words.pop()
        return Simple(tuple(words), at, document, given, target) if words or document is not None else None

    @staticmethod
    def glued(word: Word, operator: Operator) -> bool:
        """Whether a number is the redirection's (`2>`), not an argument."""
        return word.at + 1 == operator.at

    def tested(self, words: list[Word]) -> None:
        """The rest of `[[ … ]]`, in which operators are words."""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if isinstance(token, Operator):
                if token.text == "\n":
                    return
                from vram_plugins.readers.shell_words import Text

                token = Word((Text(token.text),), token.at, None, token.text)
            words.append(token)
            self.at += 1
            if token.plain == "]]":
                return
