"""How often a script's commands run: loops over words, numbers and lines, as far as the script tells what those are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram_plugins.readers.shell_flow import Flow, Started
from vram_plugins.readers.shell_syntax import Document, For, Simple, While
from vram_plugins.readers.shell_tests import Judged, judged
from vram_plugins.readers.shell_values import Scope, bare, unknown, unset
from vram_plugins.readers.shell_words import Variable, Word, parts_of

_COUNTED = re.compile(
    r"\s*(\w+)\s*=\s*([^;]{1,60});\s*\1\s*(<=?)\s*([^;]{1,60});\s*(?:\1\s*\+\+|\+\+\s*\1|\1\s*\+=\s*([^;]{1,60})|\1\s*=\s*\1\s*\+\s*([^;]{1,60}))\s*"
)
_MAX_ROUNDS = 64  # of a loop over words  # of a loop over words


class Loops(Flow):
    """The loops of a walk."""

    def loop(self, node: For, scope: Scope) -> Iterator[Started]:
        self.repeats += 1
        yield from self.rounds(node, scope)
        self.repeats -= 1

    def rounds(self, node: For, scope: Scope) -> Iterator[Started]:
        if (counted := _COUNTED.fullmatch(node.sums)) and (numbers := self.counted(counted, scope)):
            for number in numbers:
                scope.set(counted[1], str(number))
                yield from self.nodes(node.body, scope)
            return
        if node.words is None:
            inner = Scope(scope)
            if node.name or counted:
                name = node.name or str(counted[1] if counted else "")
                inner.set(name, unset(name) if node.name else unknown(f"${{{name}}}"))
            yield from self.nodes(node.body, inner)
            return
        values = [value for word in node.words for value in self.loop_values(word, scope)]
        if not values and any(_from_elsewhere(word, scope) for word in node.words):
            values = [unknown(f"${{{node.name}}}")]
        if len(values) > _MAX_ROUNDS:
            values[_MAX_ROUNDS:] = [unknown(f"${{{node.name}}}")]
        for value in values:
            scope.set(node.name, value)
            yield from self.nodes(node.body, scope)

    def counted(self, match: re.Match[str], scope: Scope) -> range | None:
        """The numbers of `((i=0; i<8; i++))`; None where they are not known, or many."""
        first, last = self.expand.sum(match[2], scope), self.expand.sum(match[4], scope)
        by = match[5] or match[6]
        step = self.expand.sum(by, scope) if by else 1
        if first is None or last is None or not step or not 0 < step < 1 << 20:
            return None
        numbers = range(first, last + (match[3] == "<="), step)
        return numbers if len(numbers) <= _MAX_ROUNDS else None

    def loop_values(self, word: Word, scope: Scope) -> list[str]:
        match = re.fullmatch(r"\{(\d{1,4})\.\.(\d{1,4})\}", word.plain or "")
        if match:
            return [str(i) for i in range(int(match[1]), int(match[2]) + 1)]
        return self.expand.fields(word, scope)

    def lines(self, node: While, scope: Scope) -> tuple[Simple, list[str]] | None:
        """The `read` of a loop and the lines that it gets; None where the script does not tell them."""
        test = node.test[-1] if node.test else None
        reads = isinstance(test, Simple) and "read" in [word.plain for word in test.words[:2]]
        document, given, file = node.input
        if not isinstance(test, Simple) or not reads:
            return None
        if document is not None:
            text = self.expand.text(parts_of(document.body), scope) if document.expanded else document.body
        elif given is not None:
            text = self.expand.text(given.parts, scope)
        else:
            found = self.beside(bare(self.expand.text(file.parts, scope))) if file is not None else None
            if found is None:
                return None
            text = found
        return test, text.splitlines()[:_MAX_ROUNDS]

    def repeated(self, node: While, scope: Scope) -> Iterator[Started]:
        if (known := self.lines(node, scope)) is not None:
            self.repeats += 1
            for line in known[1]:
                yield from self.simple(known[0]._replace(document=Document(line, 0, expanded=False)), scope)
                yield from self.nodes(node.body, scope)
            self.repeats -= 1
            return
        yield from self.nodes(node.test, scope)
        held = judged(node.test[-1], scope, self.expand) if node.test else Judged(None, sure=False)
        runs = held.value if not node.until or held.value is None else not held.value
        if runs is False and held.sure:
            return
        inner = Scope(scope)
        self.repeats += 1
        yield from self.nodes(node.body, inner)
        self.repeats -= 1
        if runs:
            scope.take(inner)
        elif runs is None:
            scope.take_one_of([inner, Scope(scope)])


def _from_elsewhere(word: Word, scope: Scope) -> bool:
    """Whether a word is an array that nothing here sets: one of a file that is not at hand."""
    names = [
        part.name.lstrip("!") for part in word.parts if isinstance(part, Variable) and "[" in part.name + part.rest
    ]
    return any(scope.get(re.split(r"\[", name)[0]) is None for name in names)
