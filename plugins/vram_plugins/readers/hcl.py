"""Terraform's language as far as values go: blocks, attributes, templates with variables at their defaults, here-documents. Linear.

Values are those of `documents`: texts that know their line, mappings and lists. What is computed elsewhere stays `${…}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from vram_plugins.readers.documents import Block, Items, Text, empty, items_at, text_at

_SKIP = re.compile(r"(?:\s+|#[^\n]*|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_BLANK = re.compile(r"(?:[^\S\n]+|/\*.*?\*/)+", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DOCUMENT = re.compile(r"<<(-?)([A-Za-z_]\w*)[^\S\n]*\r?\n")
_TRAVERSAL = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[(?:\d+|\"[^\"\n]*\")\])*")
_STRING = re.compile(r'"((?:[^"\\$%]|\\.|\$\{(?:[^{}"]|"[^"\n]*"|\{[^{}]*\})*\}|[$%])*)"', re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_COMPARISON = re.compile(r"\s*([=!]=)\s*")
_QUESTION = re.compile(r"\s*\?\s*")
_MAX_DEPTH = 60
_MAX_ROUNDS = 6
#: where a module's variables usually stand
_BESIDE = ("variables.tf", "vars.tf", "locals.tf", "main.tf")


class Included(Text):
    """The text of another file; `line` is where this one names it."""

    __slots__ = ()


class Unit(NamedTuple):
    """One block at the top: its type, its labels ("aws_instance", "gpu"), its content."""

    kind: str
    labels: tuple[str, ...]
    body: Block
    line: int


def units_of(text: str, beside: Callable[[str], str | None]) -> tuple[Unit, ...]:
    """The blocks of a file, with the defaults of its variables and locals, and of those beside it, put in.

    Never raises; what is broken ends the reading.
    """
    others = [content for name in _BESIDE if (content := beside(name)) is not None and content != text]
    values = beside("terraform.tfvars")
    given = _Reader("{" + values + "\n}", {}, beside).values() if values is not None else {}
    known: dict[str, Any] = {}
    units: tuple[Unit, ...] = ()
    for _ in range(_MAX_ROUNDS):  # locals may name locals
        units = tuple(_Reader(text, known, beside).units())
        found: dict[str, Any] = {}
        for unit in [*(unit for other in others for unit in _Reader(other, known, beside).units()), *units]:
            if unit.kind == "variable" and unit.labels and unit.body.get("default") is not None:
                found[f"var.{unit.labels[0]}"] = unit.body["default"]
            elif unit.kind == "locals":
                found |= {f"local.{name}": value for name, value in unit.body.items()}
        found |= {f"var.{name}": value for name, value in given.items()}
        if found == known:
            break
        known = found
    return units


class _BrokenError(Exception):
    pass


class _Reader:
    def __init__(self, text: str, known: Mapping[str, Any], beside: Callable[[str], str | None]) -> None:
        self.text, self.known, self.beside = text, known, beside
        self.at = 0
        self.counted_to, self.counted = 0, 1
        self.ends: dict[str, list[int]] | None = None

    def line(self) -> int:
        self.counted += self.text.count("\n", self.counted_to, self.at) if self.at >= self.counted_to else 0
        self.counted_to = max(self.at, self.counted_to)
        return self.counted

    def skip(self) -> None:
        if match := _SKIP.match(self.text, self.at):
            self.at = match.end()

    def units(self) -> Iterator[Unit]:
        try:
            while True:
                self.skip()
                line = self.line()
                match = _NAME.match(self.text, self.at)
                if match is None:
                    return
                self.at = match.end()
                labels = self.labels()
                if not self.text.startswith("{", self.at):
                    return
                yield Unit(match[0], labels, self.body(0, line), line)
        except (_BrokenError, RecursionError):
            return

    def values(self) -> Mapping[str, Any]:
        """The attributes of a file of values, whose text stands in braces."""
        try:
            return self.body(0, 1)
        except (_BrokenError, RecursionError):
            return {}

    def labels(self) -> tuple[str, ...]:
        found: list[str] = []
        while True:
            if match := _BLANK.match(self.text, self.at):
                self.at = match.end()
            match = _STRING.match(self.text, self.at) or _NAME.match(self.text, self.at)
            if match is None:
                return tuple(found)
            found.append(match[0].strip('"'))
            self.at = match.end()

    def body(self, depth: int, line: int) -> Block:
        """Attributes and blocks in braces. A block that stands several times is a list."""
        if depth > _MAX_DEPTH:
            raise _BrokenError
        self.at += 1
        block = empty(line)
        while True:
            self.skip()
            if self.at >= len(self.text) or self.text[self.at] == "}":
                self.at += 1
                return block
            here = self.line()
            match = _STRING.match(self.text, self.at) or _NAME.match(self.text, self.at)
            if match is None:
                raise _BrokenError
            name = match[0].strip('"')
            self.at = match.end()
            labels = self.labels()
            if self.text.startswith("{", self.at):
                inner = self.body(depth + 1, here)
                name = labels[0] if name == "dynamic" and labels else name
                inner = inner.block("content") if "content" in inner and name in labels else inner
                items = block.get(name)
                if not isinstance(items, Items):
                    block[name] = items = items_at((), here)
                items.append(inner)
            elif self.text[self.at : self.at + 1] == "=":
                self.at += 1
                block[name] = self.expression(depth + 1)
            else:
                raise _BrokenError
            block.lines.setdefault(name, here)

    def expression(self, depth: int) -> Any:
        """One expression; with operators in it, or more than is read here, what it would give stays unknown."""
        if depth > _MAX_DEPTH:
            raise _BrokenError
        if match := _BLANK.match(self.text, self.at):
            self.at = match.end()
        start = self.at
        value = self.primary(depth)
        if match := _BLANK.match(self.text, self.at):
            self.at = match.end()
        rest = self.text[self.at : self.at + 1]
        if (chosen := self.chosen(value, depth)) is not None:
            return chosen
        if (rest and rest not in ",]})\n\r#/=:") or self.text.startswith(("/ ", "=="), self.at):
            self.skip_rest()
            shown = re.sub(r"[^\w.]+", "_", self.text[start : start + 40]).strip("_")
            return text_at(f"${{{shown}}}", self.line())
        return value

    def chosen(self, value: Any, depth: int) -> Any:
        """What `condition ? a : b` gives, its condition a known value or two compared; None where it is none such."""
        start, held = self.at, value
        if match := _COMPARISON.match(self.text, self.at):
            self.at = match.end()
            other = self.primary(depth + 1)
            known = all(one is None or (isinstance(one, str) and "${" not in one) for one in (value, other))
            held = ((value == other) == (match[1] == "==")) if known else None
        elif isinstance(value, str) and value in {"true", "false"}:
            held = value == "true"
        question = _QUESTION.match(self.text, self.at)
        if question is None or not isinstance(held, bool):
            self.at = start
            return None
        self.at = question.end()
        first = self.expression(depth + 1)
        self.skip()
        if not self.text.startswith(":", self.at):
            self.at = start
            return None
        self.at += 1
        self.skip()
        second = self.expression(depth + 1)
        return first if held else second

    def skip_rest(self) -> None:
        """To the end of an expression that is not read: over what is in brackets and quotes."""
        depth = 0
        pattern = re.compile(r'[\[({]|[\])}]|,|\n|"(?:[^"\\]|\\.)*"', re.DOTALL)
        while match := pattern.search(self.text, self.at):
            if match[0] in "[({":
                depth += 1
            elif match[0] in "])}":
                if depth == 0:
                    self.at = match.start()
                    return
                depth -= 1
            elif match[0] in ",\n" and depth == 0:
                self.at = match.start()
                return
            self.at = match.end()
        self.at = len(self.text)

    def primary(self, depth: int) -> Any:
        text, line = self.text, self.line()
        char = text[self.at : self.at + 1]
        if char == '"' and (match := _STRING.match(text, self.at)):
            self.at = match.end()
            return text_at(self.template(match[1], escapes=True), line)
        if match := _DOCUMENT.match(text, self.at):
            return self.document(match)
        if char == "[":
            return self.items(depth, line)
        if char == "{":
            return self.mapping(depth, line)
        if match := _NUMBER.match(text, self.at):
            self.at = match.end()
            return text_at(match[0], line)
        if match := _TRAVERSAL.match(text, self.at):
            self.at = match.end()
            if text.startswith("(", self.at):
                return self.function(match[0], depth, line)
            if match[0] in {"true", "false"}:
                return text_at(match[0], line)
            return None if match[0] == "null" else self.named(match[0], line)
        self.at += 1
        return text_at("${…}", line)

    def named(self, name: str, line: int) -> Any:
        """A variable's or local's value, below it by names."""
        head = ".".join(name.split(".")[:2])
        head = re.sub(r"\[.*", "", head)
        value = self.known.get(head)
        if value is None:
            return text_at(f"${{{name[:60]}}}", line)
        for key in re.findall(r"\.([\w-]+)|\[\"?([^\]\"]*)\"?\]", name[len(head) :]):
            part = key[0] or key[1]
            if isinstance(value, Items):
                value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Block) else None
        return value if value is not None else text_at(f"${{{name[:60]}}}", line)

    def items(self, depth: int, line: int) -> Items:
        self.at += 1
        found = items_at((), line)
        while True:
            self.skip()
            if self.at >= len(self.text):
                raise _BrokenError
            if self.text[self.at] in "],":
                self.at += 1
                if self.text[self.at - 1] == "]":
                    return found
                continue
            if _NAME.match(self.text, self.at) and self.text.startswith("for ", self.at):
                self.skip_rest()
                continue
            before = self.at
            found.append(self.expression(depth + 1))
            if self.at == before:
                raise _BrokenError

    def mapping(self, depth: int, line: int) -> Block:
        self.at += 1
        block = empty(line)
        while True:
            self.skip()
            if self.at >= len(self.text):
                raise _BrokenError
            if self.text[self.at] in "},":
                self.at += 1
                if self.text[self.at - 1] == "}":
                    return block
                continue
            if self.text.startswith("for ", self.at):
                self.skip_rest()
                continue
            here = self.line()
            match = _STRING.match(self.text, self.at) or _TRAVERSAL.match(self.text, self.at)
            if match is None:
                raise _BrokenError
            name = match[0].strip('"')
            self.at = match.end()
            self.skip()
            if self.text[self.at : self.at + 1] not in {"=", ":"}:
                raise _BrokenError
            self.at += 1
            block[name] = self.expression(depth + 1)
            block.lines[name] = here

    def document(self, match: re.Match[str]) -> Text:
        """A here-document; `<<-` takes off the indentation that all lines have."""
        self.at = match.end()
        start_line = self.line()
        if self.ends is None:
            self.ends = {}
            for one in re.finditer(r"(?m)^[ \t]*([A-Za-z_]\w*)[ \t\r]*$", self.text):
                self.ends.setdefault(one[1], []).append(one.start())
        end = next((e for e in self.ends.get(match[2], ()) if e >= self.at), None)
        if end is None:
            raise _BrokenError
        body = self.text[self.at : end]
        self.at = end + len(re.match(r"[ \t]*\w+", self.text[end : end + 200])[0])  # type: ignore[index]
        if match[1]:
            depths = [len(one) - len(one.lstrip()) for one in body.split("\n") if one.strip()]
            cut = min(depths, default=0)
            body = "\n".join(one[cut:] for one in body.split("\n"))
        return text_at(self.template(body, escapes=False), start_line)

    def template(self, text: str, *, escapes: bool) -> str:
        """A template with what is known put in; `$${` is a shell's own."""

        def put(match: re.Match[str]) -> str:
            if match[0].startswith("$${"):
                return match[0][1:]
            if match[0].startswith("\\"):
                return _ESCAPES.get(match[0][1:], match[0]) if escapes else match[0]
            name = match[1].strip()
            value = self.put(name)
            if value is not None:
                return value
            # no variable of a shell, which would be empty: what stands here is a value, and nothing tells which
            shown = re.sub(r"[^\w.]+", "_", name)[:60].strip("_")
            return f"$({shown})"

        return re.sub(r"\$\$\{|\$\{~?([^{}]*?)~?\}|\\.", put, text, flags=re.DOTALL)

    def put(self, expression: str) -> str | None:
        """The text of a template's expression; None where a part of it is not known."""
        if len(expression) > 400:
            return None
        reader = _Reader(expression, self.known, self.beside)
        try:
            value = reader.expression(1)
        except (_BrokenError, RecursionError):
            return None
        whole = not expression[reader.at :].strip()
        return str(value) if whole and isinstance(value, str) and "${" not in value and "$(" not in value else None

    def function(self, name: str, depth: int, line: int) -> Any:
        self.at += 1
        arguments: list[Any] = []
        while True:
            self.skip()
            if self.at >= len(self.text):
                raise _BrokenError
            if self.text[self.at] in "),":
                self.at += 1
                if self.text[self.at - 1] == ")":
                    break
                continue
            before = self.at
            arguments.append(self.expression(depth + 1))
            if self.text.startswith("...", self.at):
                self.at += 3
            if self.at == before:
                raise _BrokenError
        return self.result(name, arguments, line)

    def result(self, name: str, arguments: list[Any], line: int) -> Any:
        """What a function of Terraform gives; codings are left off, because the content is what counts."""
        first = arguments[0] if arguments else None
        if name in _SAME:
            return first
        if name == "join" and len(arguments) == 2 and isinstance(arguments[1], Items):
            return text_at(str(first).join(str(item) for item in arguments[1]), line)
        if name in {"concat", "flatten", "compact"}:
            found = items_at((), line)
            for argument in arguments:
                found += argument if isinstance(argument, Items) else [argument]
            return found
        if name == "coalesce":
            told = [one for one in arguments if one is not None and one != ""]
            return told[0] if told and "${" not in str(told[0]) else text_at("${coalesce}", line)
        if name == "merge":
            merged = empty(line)
            for argument in arguments:
                merged.update(argument if isinstance(argument, Block) else {})
            return merged
        if name in {"file", "templatefile"} and isinstance(first, Text):
            content = self.beside(re.sub(r"^\$[({]path[._]\w+[)}]/", "", first))
            if content is not None:
                given = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], Block) else empty(line)
                inner = _Reader("", dict(given), lambda _: None)
                text = inner.template(content, escapes=False) if name == "templatefile" else content
                included = Included(text)
                included.line = line
                return included
        return text_at(f"${{{name}}}", line)


#: functions whose result is their argument, as far as servers go
_SAME = frozenset(
    "jsonencode yamlencode base64encode base64gzip tostring tonumber trimspace chomp nonsensitive sensitive toset tolist".split()  # noqa: SIM905
)
