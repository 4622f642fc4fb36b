"""YAML and JSON as people's files have it: values that know their line, safe and bounded.

Only events of the parser are read, so that no tag makes an object. Scalars stay the text that stands in the file (`0.90`,
`no`): in a word of a command "8192" and 8192 are the same, and what YAML 1.1 makes of `12:30` nobody means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from vram.errors import CheckpointError
from vram_plugins.readers.go_template import is_template

_MAX_NODES = 100_000  # with aliases put in: a manifest of hundreds of objects has a tenth of it
_MAX_DEPTH = 64
_NULL = {"", "~", "null", "Null", "NULL"}
#: ends of names of files in which YAML may stand, but which are none
_OTHERS = (
    ".sh", ".bash", ".zsh", ".slurm", ".sbatch", ".md", ".markdown", ".mdx", ".rst", ".py", ".ipynb", ".tf", ".hcl", ".service",
    ".container", "dockerfile", "containerfile", "makefile", "justfile", "procfile", ".mk", ".just", ".toml", ".env", ".ini", ".cfg",
)  # fmt: skip
_STANDARD = "tag:yaml.org,2002:"
#: tags of CloudFormation for a text with references in it, and for one reference (docs of AWS, "Intrinsic function reference")
_ARE_TEXT, _REFERENCES = {"!", "!Sub", "!Base64"}, {"!Ref", "!GetAtt"}


class Text(str):
    """A scalar; `line` is where its content begins (a block's is the line behind the bar), counted from 1."""

    __slots__ = ("line",)
    line: int


class Block(dict[str, Any]):
    """A mapping. `lines` has the line of each key, `line` that of the first."""

    __slots__ = ("line", "lines")
    line: int
    lines: dict[str, int]

    def at(self, *keys: str) -> Any:
        """The value below keys, None where one is missing or not a mapping."""
        found: Any = self
        for key in keys:
            found = found.get(key) if isinstance(found, Block) else None
        return found

    def block(self, *keys: str) -> Block:
        """The mapping below keys; an empty one where there is none."""
        found = self.at(*keys)
        return found if isinstance(found, Block) else empty(self.line)

    def blocks(self, *keys: str) -> list[Block]:
        """The mappings of the list below keys."""
        found = self.at(*keys)
        return [item for item in found if isinstance(item, Block)] if isinstance(found, Items) else []

    def text(self, *keys: str) -> str | None:
        """The scalar below keys; None for a mapping, a list, null or nothing."""
        found = self.at(*keys)
        return found if isinstance(found, Text) else None

    def line_of(self, key: str) -> int:
        """Where a key stands."""
        return self.lines.get(key, self.line)


class Items(list[Any]):
    """A sequence, with the line of its first item."""

    __slots__ = ("line",)
    line: int

    def texts(self) -> list[str]:
        """Its scalars."""
        return [item for item in self if isinstance(item, Text)]


def empty(line: int) -> Block:
    """A mapping without keys, at a line."""
    block = Block()
    block.line, block.lines = line, {}
    return block


def items_at(values: Iterable[Any], line: int) -> Items:
    """A sequence that some reader made, at a line."""
    items = Items(values)
    items.line = line
    return items


def text_at(value: str, line: int) -> Text:
    """A scalar that some reader made, at a line."""
    text = Text(value)
    text.line = line
    return text


def with_texts(value: Any, changed: Callable[[Text], Any]) -> Any:
    """A value with each scalar in it as `changed` gives it; keys and lines stay."""
    if isinstance(value, Text):
        return changed(value)
    if isinstance(value, Items):
        return items_at((with_texts(inner, changed) for inner in value), value.line)
    if not isinstance(value, Block):
        return value
    block = empty(value.line)
    for key, inner in value.items():
        block[key] = with_texts(inner, changed)
        block.lines[key] = value.line_of(key)
    return block


def truth(value: object) -> bool | None:
    """What YAML 1.1 and Go take for true and false; None for anything else."""
    word = value.lower() if isinstance(value, str) else ""
    return True if word in {"true", "yes", "on"} else False if word in {"false", "no", "off"} else None


def number(value: object) -> int | None:
    """A whole number that stands as such or in quotes."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 9 else None


def documents(path: str, text: str) -> tuple[Block, ...]:
    """The mappings that are a file's documents, a list's items among them.

    Nothing for a template, which is no YAML before it is rendered, and for a file that is called something else.
    Raises CheckpointError for what is broken or would not end.
    """
    if is_template(text):
        return ()
    if path.rsplit("/", 1)[-1].lower().endswith(_OTHERS):
        return ()
    try:
        return _documents(str(text))  # the parser takes no subclass
    except _BrokenError as error:
        if "{{" in text or "{%" in text:
            return ()
        raise CheckpointError(path=path, problem=str(error)) from None


class _BrokenError(Exception):
    pass


@lru_cache(maxsize=2)  # several readers ask for the same file in turn
def _documents(text: str) -> tuple[Block, ...]:
    import yaml  # slow to import, needed by files of this kind alone

    loader_class: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[Block] = []
    try:
        loader = loader_class(text)
        try:
            building = _Builder(found)
            while loader.check_event():
                building.take(loader.get_event())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise _BrokenError(f"is not valid YAML{f' in line {line + 1}' if line is not None else ''}") from None
    except (RecursionError, ValueError):
        raise _BrokenError("is not valid YAML") from None
    return tuple(found)


class _Open:
    """A mapping or a sequence whose end has not come."""

    __slots__ = ("anchor", "key", "key_line", "merged", "size", "value")

    def __init__(self, value: Block | Items, anchor: str | None) -> None:
        self.value, self.anchor, self.size = value, anchor, 1
        self.key: Text | None = None
        self.key_line = 0
        self.merged: list[Block] = []


class _Builder:
    """Values from a parser's events. What an alias names is built once, and counted as often as it is named."""

    def __init__(self, found: list[Block]) -> None:
        self._found = found
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._events = 0

    def take(self, event: Any) -> None:
        self._events += 1
        if self._events > _MAX_NODES:
            raise _BrokenError("has more in it than any deployment file")
        match type(event).__name__:
            case "ScalarEvent":
                self._put(_scalar(event), 1, event.anchor, event)
            case "MappingStartEvent":
                self._start(empty(event.start_mark.line + 1), event.anchor)
            case "SequenceStartEvent":
                self._start(items_at((), event.start_mark.line + 1), event.anchor)
            case "MappingEndEvent" | "SequenceEndEvent":
                self._end(event)
            case "AliasEvent":
                if event.anchor not in self._anchors:
                    raise _BrokenError(f"has an alias that names nothing before line {event.start_mark.line + 1}")
                self._put(*self._anchors[event.anchor], None, event)
            case "DocumentStartEvent":
                self._anchors.clear()

    def _start(self, value: Block | Items, anchor: str | None) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise _BrokenError("is nested too deeply")
        self._open.append(_Open(value, anchor))

    def _end(self, event: Any) -> None:
        done = self._open.pop()
        for other in done.merged:
            for name, value in other.items():
                if isinstance(done.value, Block) and name not in done.value:
                    done.value[name] = value
                    done.value.lines[name] = other.line_of(name)
        self._put(done.value, done.size, done.anchor, event)

    def _put(self, value: Any, size: int, anchor: str | None, event: Any) -> None:
        """A value that is whole, into what is open around it."""
        if size > _MAX_NODES:
            raise _BrokenError("has more in it than any deployment file")
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self._found.extend(_tops(value))
            return
        around = self._open[-1]
        around.size += size
        if isinstance(around.value, Items):
            around.value.append(value)
        elif around.key is None:
            around.key = text_at(value if isinstance(value, str) else "", 0)
            around.key_line = event.start_mark.line + 1
        else:
            key, around.key = around.key, None
            if key == "<<":
                around.merged += [v for v in (value if isinstance(value, Items) else [value]) if isinstance(v, Block)]
            else:
                around.value[str(key)] = value
                around.value.lines[str(key)] = around.key_line


def _tops(value: Any) -> Iterator[Block]:
    for item in value if isinstance(value, Items) else [value]:
        if isinstance(item, Block):
            yield item


def _scalar(event: Any) -> Text | None:
    tag = event.tag or ""
    plain = event.style in (None, "")
    if tag in {_STANDARD + "null", "!reset"} or (not tag and plain and event.value in _NULL):
        return None
    # a tag of somebody's own (`!vault`) stands for a value that is not here; CloudFormation's name it, or are it
    known = not tag or tag.startswith(_STANDARD) or tag in _ARE_TEXT
    value = event.value if known else f"${{{event.value if tag in _REFERENCES else tag}}}"
    return text_at(value, event.start_mark.line + (2 if event.style in ("|", ">") else 1))
