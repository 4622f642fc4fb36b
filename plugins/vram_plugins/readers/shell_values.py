"""What a script's variables hold, as far as the script tells, and what words and conditions become with them.

A value that the surroundings would set, and one that only a run would tell, stay in it as marks; `shown` makes words of them.
"""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from vram_plugins.readers.expand import literal
from vram_plugins.readers.shell_pipes import printed
from vram_plugins.readers.shell_words import (
    END,
    LABELS,
    UNKNOWN,
    UNSET,
    Output,
    Part,
    Sum,
    Text,
    Variable,
    Word,
    parts_of,
    tokens_of,
)

#: a value, or an array's
Value = str | tuple[str, ...]
_LONGEST = 1 << 15
_MOST_WORDS = 512
_MOST_LETTERS = 1 << 23  # of all expansions of a script together
_MARK = re.compile(f"([{UNSET}{UNKNOWN}])([^{END}]*){END}")
#: letters of labels that a shell would read, as letters that no text has
_HIDDEN = dict(zip(map(ord, "${}()[]"), map(ord, LABELS), strict=True))
_SEEN = {hidden: seen for seen, hidden in _HIDDEN.items()}
#: no name: a default stands here that another value would replace
_DEFAULT = UNSET + END
#: commands that count the machine's GPUs, and texts behind filters
_GPUS_COUNTED = re.compile(
    r"nvidia-smi\s+(?:-L|--list-gpus|--query-gpu=[\w.,]+\s+--format=csv,noheader(?:,nounits)?)(?:\s+2>/dev/null)?\s*\|\s*wc\s+-l"
    r"|nvidia-smi\s+--query-gpu=count\s+--format=csv,noheader(?:,nounits)?\s*\|\s*head\s+-(?:n\s*)?1"
)
_PIPED = re.compile(
    r"""(?:echo|printf\s+['"]?%s(?:\\n)?['"]?)\s+("[^"|`;]*"|[^\s"'|`;<>&]+)\s*\|\s*([^`;<>&$(]*(?:\$\w+[^`;<>&$(]*)?)"""
)
_PRINTED = re.compile(r"""printf\s+(['"]?)%[qsd](?:\\n)?\1\s+("[^"]*"|\$\{?\w+\}?)""")
#: the folder that a script stands in: `$(dirname "$0")`, `$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)`
_OWN_FOLDER = re.compile(
    r"(?:cd\s+(?:-P\s+|--\s+)?)?\"?(?:\$\(\s*)?dirname\s+(?:--\s+)?\"?(?:\$\((?:readlink\s+-[ef]+|realpath)\s+(?:--\s+)?)?\"?"
    r"(?:\$0|\$\{0\}|\$BASH_SOURCE|\$\{BASH_SOURCE(?:\[0\])?(?::-\$0)?\})\"?\)?\"?\s*\)?(/[\w./-]{0,100})?\"?"
    r"(?:\s*&?>\s*/dev/null(?:\s+2>&1)?)?(?:\s*(?:&&|;)\s*pwd(?:\s+-P)?)?"
)
#: a here-document that `cat` gives back
_DOCUMENT = re.compile(r"cat[ \t]*<<-?[ \t]*([\"'\\]?)(\w+)[\"']?[ \t]*")
_PATHS = {"basename", "dirname", "realpath", "readlink"}
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[[^\]]*\])?(\+?)=")


def unset(name: str) -> str:
    """The mark of a variable that the script does not set."""
    return f"{UNSET}{name}{END}"


def unknown(label: str) -> str:
    """The mark of what a run would give. Its label means nothing to a shell that gets it in a text."""
    return f"{UNKNOWN}{label.translate(_HIDDEN)}{END}"


def shown(value: str) -> str:
    """A value with its marks as the script would write them."""
    if END not in value:
        return value

    def put(match: re.Match[str]) -> str:
        if match[1] == UNKNOWN:
            return match[2].translate(_SEEN)
        return f"${{{match[2]}}}" if match[2] else ""

    return _MARK.sub(put, value)


def written(value: str) -> str:
    """A value as a word of a command: its marks look like variables, and a dollar sign that is left stood in quotes."""
    found: list[str] = []
    at = 0
    for match in _MARK.finditer(value) if END in value else ():
        found += [literal(value[at : match.start()]), shown(match[0])]
        at = match.end()
    return "".join([*found, literal(value[at:])])


def bare(value: str) -> str:
    """A value as a run without arguments and outer variables has it: what nothing sets is empty."""
    return re.sub(f"{UNSET}[^{END}]*{END}", "", value) if END in value else value


def missing(value: str) -> str | None:
    """The name of the unset variable that a value is made of alone."""
    match = _MARK.fullmatch(value.replace(_DEFAULT, "")) if END in value else None
    return match[2] if match and match[1] == UNSET else None


class Fields(tuple[str, ...]):
    """Words that are whole, so that blanks in them split nothing."""

    __slots__ = ()


class Table(tuple[str, ...]):
    """An associative array: its values, and `keys`, one for each."""

    keys: tuple[str, ...]

    @classmethod
    def of(cls, pairs: Mapping[str, str]) -> Table:
        """The array of these pairs."""
        made = cls(pairs.values())
        made.keys = tuple(pairs)
        return made

    def pairs(self) -> dict[str, str]:
        """What stands under each key."""
        return dict(zip(self.keys, self, strict=True))


class Scope:
    """Variables; those of a branch lie over those around it until it is known to be taken."""

    __slots__ = ("exported", "parent", "values")

    def __init__(self, parent: Scope | None = None) -> None:
        self.values: dict[str, Value | None] = {}
        self.parent = parent
        self.exported: set[str] = parent.exported if parent else set()

    def get(self, name: str) -> Value | None:
        """A variable's value; None where it is unset."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return None

    def set(self, name: str, value: Value | None) -> None:
        """Give a variable its value; one that has grown out of all bounds is unknown."""
        if value is not None and (len(value) > (_LONGEST if isinstance(value, str) else _MOST_WORDS)):
            value = unknown(f"${{{name}}}")
        self.values[name] = value

    def take(self, branch: Scope) -> None:
        """What a branch has set, for good."""
        self.values.update(branch.values)

    def take_one_of(self, branches: Sequence[Scope]) -> None:
        """What branches have set of which one was taken: where they disagree, nobody knows."""
        for name in {name for branch in branches for name in branch.values}:
            values = {branch.get(name) for branch in branches}
            self.values[name] = values.pop() if len(values) == 1 else unknown(f"${{{name}}}")

    def environment(self) -> dict[str, str]:
        """Exported variables whose values are known."""
        found = {name: self.get(name) for name in sorted(self.exported)}
        return {name: shown(value) for name, value in found.items() if isinstance(value, str)}


class Expander:
    """Words to fields. `positional` are `$1`, `$2`, …; None where the caller gives them."""

    def __init__(self, beside: Callable[[str], str | None] = lambda _: None) -> None:
        self.beside = beside
        self.positional: tuple[str, ...] | None = None
        self.least = 0  # arguments that a script insists on
        self.letters = 0

    def fields(self, word: Word, scope: Scope) -> list[str]:
        """The words that one becomes: unquoted values are split at blanks, `"${A[@]}"` gives one for each."""
        if (plain := word.plain) is not None:
            return [plain]
        found: list[str] = []
        current: str | None = None
        for part in word.parts:
            if isinstance(part, Text):
                current = (current or "") + part.text
                continue
            value = self.value(part, scope)
            pieces: list[str]
            if isinstance(value, tuple):
                whole = part.quoted or isinstance(value, Fields)
                pieces = list(value) if whole else [p for item in value for p in item.split()]
                glued = bool(pieces)
            elif part.quoted:
                current = (current or "") + value
                continue
            else:
                pieces = value.split()
                glued = not value[:1].isspace()
            if not pieces:
                continue
            if current is not None and not glued:
                found.append(current)
                current = None
            found += [(current or "") + pieces[0], *pieces[1:]]
            current = found.pop()
            if isinstance(value, str) and value[-1:].isspace():
                found.append(current)
                current = None
        return found if current is None else [*found, current]

    def text(self, parts: Sequence[Part], scope: Scope) -> str:
        """Parts as one text, nothing split."""
        found = []
        for part in parts:
            value = part.text if isinstance(part, Text) else self.value(part, scope)
            found.append(value if isinstance(value, str) else " ".join(value))
        return "".join(found)

    def value(self, part: Part, scope: Scope) -> Value:
        """What an expansion gives."""
        if self.letters > _MOST_LETTERS:
            return unknown("${…}")
        if isinstance(part, Variable):
            value = self._variable(part, scope)
        elif isinstance(part, Sum):
            number = self.sum(part.expression, scope)
            value = unknown("$((…))") if number is None else str(number)
        else:
            value = self._output(part, scope) if isinstance(part, Output) else part.text
        self.letters += len(value) if isinstance(value, str) else sum(map(len, value))
        return value

    def _held(self, name: str, scope: Scope) -> Value | None:
        """A variable's or parameter's value; None where it is unset."""
        if name in {"@", "*"}:
            return self.positional
        if name == "#":
            return (str(self.least) if self.least else None) if self.positional is None else str(len(self.positional))
        if name.isdigit():
            index = int(name) - 1
            known = self.positional or ()
            return known[index] if 0 <= index < len(known) else None if index >= 0 else unknown("$0")
        return unknown(f"${name}") if name in {"?", "$", "!", "-"} else scope.get(name)

    def _variable(self, part: Variable, scope: Scope) -> Value:
        name, rest = part.name, part.rest
        held = self._held(name, scope)
        if rest == "!keys":
            items = held if isinstance(held, tuple) else () if held is None else (held,)
            return held.keys if isinstance(held, Table) else tuple(str(number) for number in range(len(items)))
        if rest == "#[@]":
            return unknown("${#…}") if held is None else str(len(held) if isinstance(held, tuple) else 1)
        if rest.startswith("[") and "]" in rest:
            index, rest = rest[1:].split("]", 1)
            if isinstance(held, Table) and index not in {"@", "*"}:
                key = bare(self.text(parts_of(index.strip("\"'")), scope))
                return self._under(part, name, held.pairs().get(key), rest, scope)
            if index not in {"@", "*"} and not index.isdigit() and (number := self.sum(index, scope)) is not None:
                index = str(number)
            held = _indexed(held, index)
        elif isinstance(held, tuple) and name not in {"@", "*"}:
            held = held[0] if held else None
        return self._under(part, name, held, rest, scope)

    def _under(self, part: Variable, name: str, held: Value | None, rest: str, scope: Scope) -> Value:
        """A value with what stands behind its name: its length, a default, a part of it."""
        if rest == "#":
            return unknown("${#…}") if held is None else str(len(held))
        match = re.match(r":?[-=+?]", rest)
        if match:
            return self._chosen(part, held, match[0], rest[match.end() :], scope)
        if held is None:
            return unset(name)
        if rest and isinstance(held, str):
            return _trimmed(held, self.text(parts_of(rest), scope)) if UNKNOWN not in held else held
        return held

    def _chosen(self, part: Variable, held: Value | None, operator: str, word: str, scope: Scope) -> Value:
        """`${name:-word}` and its kind."""
        name = part.name
        there = held is not None
        if there and operator[0] == ":":
            there = bool(bare(held)) if isinstance(held, str) else bool(held)
        if operator[-1] == "+":
            return self._alternative(part, word, scope) if there else ""
        if there and held is not None:
            return held
        if operator[-1] == "?":
            return unset(name)
        default = self.text(parts_of(_unquoted(word)), scope)
        if operator[-1] == "=":
            scope.set(name, default)
        return default + _DEFAULT if default else unset(name)

    def _alternative(self, part: Variable, word: str, scope: Scope) -> Value:
        """The word of `${name:+word}`: its own quotes keep blanks together (`${A[@]+"${A[@]}"}`, `${V:+--x "$V"}`)."""
        tokens = tokens_of(word) if '"' in word or "'" in word else []
        words = [token for token in tokens if isinstance(token, Word)]
        if not words or len(words) < len(tokens) or (part.quoted and "[@]" not in word):
            return self.text(parts_of(_unquoted(word)), scope)
        return Fields(field for one in words for field in self.fields(one, scope))

    def _output(self, part: Output, scope: Scope) -> Value:
        words = part.command.split()
        if words[:1] == ["seq"] and 2 <= len(words) <= 3:
            numbers = [bare(self.text(parts_of(word), scope)) for word in words[1:]]
            if all(n.isascii() and n.isdecimal() and len(n) < 4 for n in numbers):
                first, last = (1, int(numbers[0])) if len(numbers) == 1 else (int(numbers[0]), int(numbers[1]))
                return " ".join(map(str, range(first, last + 1)))
        if words[:1] == ["getopt"] and self.positional is None:
            return "--"  # GNU's getopt ends the options of its output with it, and there are none
        head, *lines = part.command.strip().split("\n")
        if lines and (document := _DOCUMENT.fullmatch(head)) and lines[-1].strip() == document[2]:
            content = "\n".join(lines[:-1])
            if content.startswith("#!"):
                return unknown("$(cat)")  # a script, which is read where it stands
            return content if document[1] else self.text(parts_of(content), scope)
        if words[:1] == ["echo"] and not set("|;&<>`") & set(part.command):
            return self.text(parts_of(" ".join(words[1:]).strip("\"'")), scope)
        if words[:1] and words[0] in _PATHS and (path := self._path(words, scope)) is not None:
            return path
        if part.command.strip() == "pwd":
            return "."
        if (counted := self._counted(part.command.strip(), scope)) is not None:
            return counted
        if printed := _PRINTED.fullmatch(part.command.strip()):
            return self.text(parts_of(printed[2].strip('"')), scope)
        if match := _OWN_FOLDER.fullmatch(part.command.strip()):
            return "." + (match[1] or "")
        program = re.sub(r"[^\w.+-].*", "", words[0].rsplit("/", 1)[-1]) if words else ""
        return unknown(f"$({program[:40]})")

    def _path(self, words: Sequence[str], scope: Scope) -> str | None:
        """What `basename`, `dirname`, `realpath` and `readlink -f` make of a known path."""
        tokens = tokens_of(" ".join(words[1:]))
        fields = [field for one in tokens if isinstance(one, Word) for field in self.fields(one, scope)]
        paths = [field.replace(_DEFAULT, "") for field in fields if not field.startswith("-")]
        if len(tokens) != len(fields) or not paths or {UNKNOWN, UNSET} & set("".join(paths)):
            return None
        path = paths[0].rstrip("/") or "/"
        if words[0] == "basename":
            return path.rsplit("/", 1)[-1].removesuffix(paths[1] if len(paths) > 1 else "")
        if words[0] == "dirname":
            return (path.rsplit("/", 1)[0] or "/") if "/" in path else "."
        return path

    def _counted(self, command: str, scope: Scope) -> str | None:
        """How many GPUs a command counts, where the job says how many; what a known text is behind filters."""
        if _GPUS_COUNTED.fullmatch(command):
            held = [
                scope.get(name) for name in ("SLURM_GPUS_ON_NODE", "SKYPILOT_NUM_GPUS_PER_NODE", "DSTACK_GPUS_PER_NODE")
            ]
            return next((one for one in held if isinstance(one, str) and one.isdecimal()), None)
        match = _PIPED.fullmatch(command)
        text = self.text(parts_of(match[1].strip('"')), scope).replace(_DEFAULT, "") if match else UNKNOWN
        return printed(bare(text), match[2]) if match and not {UNKNOWN, UNSET} & set(text) else None

    def sum(self, expression: str, scope: Scope) -> int | None:
        """The value of an arithmetic expression; None where something in it is unknown."""
        if len(expression) > 200:
            return None
        text = self.text(parts_of(expression), scope)

        def number(match: re.Match[str]) -> str:
            value = scope.get(match[0])
            return bare(value) if isinstance(value, str) else "?"

        filled = re.sub(r"[A-Za-z_]\w*", number, bare(text))
        filled = filled.replace("&&", " and ").replace("||", " or ")
        try:
            return _arithmetic(ast.parse(filled.strip(), mode="eval").body)
        except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
            return None


def assignment(word: Word) -> re.Match[str] | None:
    """`NAME=`, `NAME+=` or `NAME[1]=` at the start of a word."""
    first = word.parts[0]
    return _ASSIGNMENT.match(first.text) if isinstance(first, Text) and not first.quoted else None


def _indexed(held: Value | None, index: str) -> Value | None:
    if held is None:
        return None
    items = held if isinstance(held, tuple) else (held,)
    if index in {"@", "*"}:
        return items
    if index.isdigit() and len(index) < 5:
        return items[int(index)] if int(index) < len(items) else None
    return unknown("${…[…]}")


def _unquoted(word: str) -> str:
    """The word of `${name:-word}` without the quotes around (parts of) it."""
    return (
        re.sub(r"\"([^\"]*)\"|'([^']*)'", lambda m: m[1] or m[2] or "", word)
        if word[:1] in "\"'" or ' "' in word
        else word
    )


def _trimmed(value: str, rest: str) -> str:
    """`${name##*/}`, `${name%.sh}`, `${name//a/b}`, `${name,,}`; unknown for what is rarer."""
    if match := re.match(r"(##?|%%?)(.*)", rest, re.DOTALL):
        pattern = match[2]
        places: Iterator[int] | range = range(len(value) + 1)
        if match[1] in {"##", "%"}:
            places = reversed(range(len(value) + 1))
        if len(value) > 400:
            return unknown("${…}")
        for at in places:
            piece = value[:at] if "#" in match[1] else value[at:]
            if fnmatch.fnmatchcase(piece, pattern):
                return value[at:] if "#" in match[1] else value[:at]
        return value
    if match := re.fullmatch(r"(//?)([^/*?\[]+)/?([^/]*)", rest):
        return value.replace(match[2], match[3], -1 if match[1] == "//" else 1)
    if rest in {",,", "^^"}:
        return value.lower() if rest == ",," else value.upper()
    return unknown("${…}")


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a // b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}
_COMPARED: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


def _arithmetic(node: ast.expr) -> int:
    """Whole numbers, the four operations and comparisons. Raises ValueError for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and abs(node.value) < 1 << 40:
        return int(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_arithmetic(node.left), _arithmetic(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_arithmetic(node.operand)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARED:
        return int(_COMPARED[type(node.ops[0])](_arithmetic(node.left), _arithmetic(node.comparators[0])))
    raise ValueError
