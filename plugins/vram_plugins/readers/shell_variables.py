"""Commands of the shell's own that give variables and arguments their values: assignments, `export`, `set`, `read`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from vram_plugins.readers.compose import variables as variables_of
from vram_plugins.readers.shell_arrays import elements, joined, with_element
from vram_plugins.readers.shell_flow import Flow
from vram_plugins.readers.shell_given import environment_file
from vram_plugins.readers.shell_reads import read_names, read_values
from vram_plugins.readers.shell_syntax import Simple
from vram_plugins.readers.shell_values import Scope, Table, Value, assignment, bare, unknown
from vram_plugins.readers.shell_words import Text, Word, parts_of

_NAME = re.compile(r"[A-Za-z_]\w*")
_INDEXED = re.compile(r"([A-Za-z_]\w*)\[([^\[\]=]*)")
_CLOSED = re.compile(r"\]\+?=")


class Variables(Flow):
    """The variables of a walk."""

    def __init__(self, beside: Callable[[str], str | None]) -> None:
        super().__init__(beside)
        self.all_exported = False

    @staticmethod
    def has_command(node: Simple) -> bool:
        return any(assignment(word) is None for word in node.words)

    def assign(self, word: Word, match: re.Match[str], into: Scope | dict[str, Value | None], scope: Scope) -> None:
        """One assignment, into variables or (in front of a command) into what that gets."""
        name, index, adds = match[1], match[2], match[3]
        old = scope.get(name)
        value: Value
        if word.array is not None:
            fields = tuple(field for item in word.array for field in self.expand.fields(item, scope))
            value = elements(fields, old)
            old = () if isinstance(value, Table) and not adds else old
        else:
            first = word.parts[0]
            rest = (Text(first.text[match.end() :]), *word.parts[1:]) if isinstance(first, Text) else word.parts
            value = self.expand.text(rest, scope)
        if index:
            key = self.expand.text(parts_of(index[1:-1]), scope)
            value = with_element(name, old, bare(key), value if isinstance(value, str) else "")
        elif adds and old is not None:
            value = joined(old, value)
        if isinstance(into, Scope):
            into.set(name, value)
            if self.all_exported:
                into.exported.add(name)
        else:
            into[name] = value

    def assign_element(self, word: Word, scope: Scope) -> bool:
        """`NAME["key"]=value`, whose index is quoted; False where the word is none."""
        first = word.parts[0]
        opened = _INDEXED.fullmatch(first.text) if isinstance(first, Text) and not first.quoted else None
        if opened is None:
            return False
        for place, part in enumerate(word.parts[1:], start=1):
            if isinstance(part, Text) and not part.quoted and (closed := _CLOSED.match(part.text)):
                key = opened[2] + self.expand.text(word.parts[1:place], scope)
                value = self.expand.text((Text(part.text[closed.end() :]), *word.parts[place + 1 :]), scope)
                scope.set(opened[1], with_element(opened[1], scope.get(opened[1]), bare(key), value))
                return True
        return False

    def declare(self, words: Sequence[Word], scope: Scope) -> None:
        options = [word.plain for word in words[1:] if (word.plain or "").startswith("-")]
        exports = words[0].plain == "export" or any("x" in option for option in options if option)
        tables = any("A" in option for option in options if option)
        for word in words[1:]:
            if exports and (file := environment_file(word)):
                given = variables_of(self.beside(file))
                scope.values.update(given)
                scope.exported.update(given)
                continue
            match = assignment(word)
            name = match[1] if match else word.plain or ""
            if tables and _NAME.fullmatch(name) and not isinstance(scope.get(name), Table):
                scope.set(name, Table.of({}))
            if match:
                self.assign(word, match, scope, scope)
            if exports and _NAME.fullmatch(name):
                scope.exported.add(name)

    def set_options(self, words: Sequence[str]) -> None:
        for index, word in enumerate(words):
            if word == "--":
                self.expand.positional = tuple(words[index + 1 :])
                return
            if re.fullmatch(r"[-+][a-z]*a[a-z]*", word):
                self.all_exported = word[0] == "-"
            if word in {"-o", "+o"} and words[index + 1 : index + 2] == ["allexport"]:
                self.all_exported = word[0] == "-"

    def read(self, node: Simple, words: Sequence[str], before: Mapping[str, Value | None], scope: Scope) -> None:
        """`read` and `mapfile`: a text of the script's own is known, what a person is asked for is an argument, the rest a run's."""
        names = read_names(words)
        if not names:
            return
        if words[0] != "read":
            scope.set(names[-1], (unknown(f"${{{names[-1]}[…]}}"),))
            return
        text = None
        if node.document is not None:
            document = node.document
            text = self.expand.text(parts_of(document.body), scope) if document.expanded else document.body
        elif node.given is not None:
            text = self.expand.text(node.given.parts, scope)
        asked = text is None and not self.repeats and any(re.fullmatch(r"-\w*p", word) for word in words[1:])
        separators = before.get("IFS", " \t\n")
        values = read_values(words, names, text, separators if isinstance(separators, str) else " ")
        for name, value in zip(names, values, strict=True):
            scope.set(name, None if asked and value is None else unknown(f"${{{name}}}") if value is None else value)
