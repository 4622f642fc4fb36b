"""What a script would start, walked through without running anything: each command with its words, variables and place.

It is walked as a run without arguments and outer variables goes; where a condition hangs on those, both branches are looked through
and the branch that such a run takes counts for what follows. Where only a run would tell, what the branches disagree on is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vram_plugins.readers.compose import variables as variables_of
from vram_plugins.readers.shell_syntax import (
    Case,
    Chain,
    Document,
    For,
    Function,
    Group,
    If,
    Node,
    Simple,
    While,
    commands_of,
)
from vram_plugins.readers.shell_tests import Judged, judged
from vram_plugins.readers.shell_values import Expander, Scope, Value, assignment, bare, missing, shown, unknown, unset
from vram_plugins.readers.shell_words import END, UNKNOWN, UNSET, Output, Text, Variable, Word, moved, parts_of, tokens_of

_DECLARING = {"export", "declare", "local", "readonly", "typeset"}
_SHELLS = {"sh", "bash", "zsh", "dash", "ksh"}
_COUNTED = re.compile(
    r"\s*(\w+)\s*=\s*([^;]{1,60});\s*\1\s*(<=?)\s*([^;]{1,60});\s*(?:\1\s*\+\+|\+\+\s*\1|\1\s*\+=\s*([^;]{1,60})|\1\s*=\s*\1\s*\+\s*([^;]{1,60}))\s*"
)
_SERVING = re.compile(r"runpodctl|vastai|\bvllm\s+serve\b|vllm\.entrypoints|\bdocker\s+run\b")
_MAX_ROUNDS = 64  # of a loop over words
#: commands that start nothing and set nothing; the words of conditions are looked at where they are judged
_IDLE = frozenset(
    re.findall(
        r"\S+",
        "echo printf mkdir curl wget sleep cp mv rm cd chmod chown ls grep kill pkill wait trap test [ [[ touch head tail true false "
        "git pip pip3 apt-get module return exit ulimit sync date df du free hostname whoami ps",
    )
)
_MAX_FORKS = 16
_MAX_CALLS = 8  # one inside the other
_SPARE = 4000  # commands beyond one for each of the script: loops and calls


class Started(NamedTuple):
    """One command. `words` hold marks where a value is missing; `at` is its place in the script's text.

    `document` is its here-document with variables put in, and its place; `target` the file its output goes to.
    """

    words: tuple[str, ...]
    at: int
    environment: Callable[[], dict[str, str]]
    document: tuple[str, int] | None = None
    target: str | None = None


def started_by(
    text: str,
    beside: Callable[[str], str | None] = lambda _: None,
    variables: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
    *,
    marked: bool = False,
) -> Iterator[Started]:
    """Every command of a script in the order in which it meets them.

    `beside` gives files that it sources; `variables` are those that whoever starts it sets, `known` those that only it looks at.
    """
    tokens = tokens_of(text, marked=marked)
    nodes = commands_of(tokens)
    scope = Scope()
    scope.values.update({"HOME": "~", "PWD": ".", **(known or {}), **(variables or {})})
    scope.exported.update(variables or {})
    walk = _Walk(len(tokens) + _SPARE, beside)
    once = walk.script(nodes, scope)
    if not walk.forks:
        yield from once
    for place, branches in walk.forks[:1]:  # an argument decides, and each that it takes is another run
        for branch in branches[:_MAX_FORKS]:
            walk = _Walk(len(tokens) + _SPARE, beside)
            walk.forced[place] = branch
            yield from walk.script(nodes, Scope(scope))


class _Walk:
    def __init__(self, left: int, beside: Callable[[str], str | None]) -> None:
        self.left = left
        self.beside = beside
        self.expand = Expander(beside)
        self.functions: dict[str, tuple[Node, ...]] = {}
        self.called: set[str] = set()
        self.depth = 0
        self.all_exported = False
        self.repeats = 0
        self.forks: list[tuple[int, list[int]]] = []
        self.forced: dict[int, int] = {}

    def script(self, nodes: Sequence[Node], outer: Scope) -> list[Started]:
        """Everything that a script starts, and what its functions would that nothing calls."""
        scope = Scope(outer)
        found = [started for node in nodes for started in self.node(node, scope)]
        for name, body in list(self.functions.items()):
            if name not in self.called:
                self.expand.positional = None
                found += self.nodes(body, Scope(scope))
        return found

    def fork(self, node: If | Case, branches: list[int]) -> None:
        """Keep that which of the branches is taken hangs on an argument that has no default."""
        if len(branches) > 1 and self.depth == 0 and not self.repeats:
            self.forks.append((id(node), branches))

    def nodes(self, nodes: Sequence[Node], scope: Scope) -> Iterator[Started]:
        for node in nodes:
            yield from self.node(node, scope)

    def node(self, node: Node, scope: Scope) -> Iterator[Started]:
        if self.left < 0:
            return
        match node:
            case Simple():
                yield from self.simple(node, scope)
            case Chain():
                yield from self.chain(node, scope)
            case If():
                yield from self.condition(node, scope)
            case For():
                yield from self.loop(node, scope)
            case While():
                yield from self.repeated(node, scope)
            case Case():
                yield from self.case(node, scope)
            case Function():
                self.functions[node.name] = node.body
            case Group():
                yield from self.nodes(node.body, Scope(scope) if node.alone else scope)

    def chain(self, node: Chain, scope: Scope) -> Iterator[Started]:
        last: Judged = Judged(None, sure=False)
        document: Document | None = None
        before: Node | None = None
        for join, one in zip(node.joins, node.nodes, strict=True):
            given = one
            if join == "|" and document is not None and isinstance(one, Simple) and one.document is None:
                given = one._replace(document=document)
            document = one.document if isinstance(one, Simple) else None
            skipped = (join == "&&" and last.value is False) or (join == "||" and last.value is True)
            if skipped and last.sure:
                continue
            body = one.body if isinstance(one, Group) else (one,)
            if join == "&&" and last.value and not last.sure and before and self.insists(before, body, scope):
                break
            before = one
            # what follows `||` runs where the command before fails, which is not what is meant to happen
            aside = skipped or (join == "||" and last.value is None)
            inner = Scope(scope) if aside else scope
            yield from self.node(given, inner)
            if join == "||" and last.value is None:
                scope.take_one_of([inner, Scope(scope)])
            if not skipped:
                last = judged(one, scope, self.expand)

    def condition(self, node: If, scope: Scope) -> Iterator[Started]:
        possible: list[Scope] = []
        taken: Scope | None = None
        branches = [*node.branches, *([((), node.otherwise)] if node.otherwise is not None else [])]
        if (forced := self.forced.get(id(node))) is not None:
            yield from self.nodes(branches[forced][1], scope)
            return
        others: list[int] = []
        leaves = False
        elsewhere: set[tuple[object, ...]] = set()
        for index, (test, body) in enumerate(branches):
            yield from self.nodes(test, scope)
            held = judged(test[-1], scope, self.expand) if test else Judged(True, sure=True)
            if held.value is False and held.sure:
                continue
            if held.value and not held.sure and self.insists(test[-1], body, scope):
                continue
            inner = Scope(scope)
            yield from _unlike(self.nodes(body, inner), elsewhere)
            if held.value is False and not _leaves(body):
                others.append(index)
            leaves = leaves or (held.value is True and _leaves(body))
            if taken is None and held.value is not False and not _leaves(body):
                if held.value:
                    taken = inner
                else:
                    possible.append(inner)
            if held.value and held.sure:
                break
        if possible:
            scope.take_one_of([*possible, taken or Scope(scope)])
        elif taken is not None:
            scope.take(taken)
        elif leaves:
            self.fork(node, others)

    def insists(self, test: Node, body: Sequence[Node], scope: Scope) -> bool:
        """Whether a script ends here without arguments; it is then walked as with the fewest with which it goes on."""
        if self.expand.positional is not None or not _leaves(body):
            return False
        before = self.expand.least
        for self.expand.least in range(before + 1, before + 5):
            if judged(test, scope, self.expand).value is False:
                return True
        self.expand.least = before
        return False

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

    def repeated(self, node: While, scope: Scope) -> Iterator[Started]:
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

    def case(self, node: Case, scope: Scope) -> Iterator[Started]:
        subject = "".join(self.expand.fields(node.word, scope)[:1])
        fits = [
            any(_matches(bare(subject), self.expand.text(p.parts, scope)) for p in patterns)
            for patterns, _ in node.branches
        ]
        match = self.forced.get(id(node), fits.index(True) if True in fits else None)
        if id(node) in self.forced or (match is not None and END not in subject):
            yield from self.nodes(node.branches[match or 0][1], scope)
            return
        scopes: dict[int, Scope] = {}
        for index, (_, body) in enumerate(node.branches):
            inner = Scope(scope)
            yield from self.nodes(body, inner)
            if not _leaves(body):
                scopes[index] = inner
        if UNKNOWN in subject:
            scope.take_one_of([*scopes.values(), Scope(scope)])
        elif match in scopes:
            scope.take(scopes[match])
        if UNKNOWN in subject or (missing(subject) and match not in scopes):
            self.fork(node, list(scopes))

    def simple(self, node: Simple, scope: Scope) -> Iterator[Started]:
        self.left -= 1
        words = list(node.words)
        if any(len(word.parts) > 1 or word.array is not None or word.plain is None for word in words):
            yield from self.substituted(words, node.at, scope)
        if words and node.document is None and words[0].plain in _IDLE:
            return
        before: dict[str, Value | None] = {}
        while words and (match := assignment(words[0])):
            self.assign(words.pop(0), match, before if self.has_command(node) else scope, scope)
        if not words and node.document is None:
            return
        first = words[0].plain if words else ""
        if first in _DECLARING:
            self.declare(words, scope)
            return
        argv = [field for word in words for field in self.expand.fields(word, scope)]
        while argv and argv[0] in {"then", "do", "else", "$", "!", "builtin"}:
            argv.pop(0)
        yield from self.command(node, argv, before, scope)

    def substituted(self, words: Sequence[Word], at: int, scope: Scope) -> Iterator[Started]:
        """What the commands in `$(…)` start: `PID=$(start_server 8000)`, `pid=$(vllm serve … & echo $!)`."""
        for word in words:
            if word.array is not None:
                yield from self.substituted(word.array, at, scope)
            for part in word.parts:
                if not isinstance(part, Output):
                    continue
                first = part.command.split(None, 1)[:1]
                if first and first[0] in self.functions:
                    yield from self.inner(part.command, at, Scope(scope))
                elif _SERVING.search(part.command):
                    yield from self.within(part, at, Scope(scope))

    @staticmethod
    def has_command(node: Simple) -> bool:
        return any(assignment(word) is None for word in node.words)

    def assign(self, word: Word, match: re.Match[str], into: Scope | dict[str, Value | None], scope: Scope) -> None:
        """One assignment, into variables or (in front of a command) into what that gets."""
        name, index, adds = match[1], match[2], match[3]
        value: Value
        if word.array is not None:
            value = tuple(field for item in word.array for field in self.expand.fields(item, scope))
        else:
            first = word.parts[0]
            rest = (Text(first.text[match.end() :]), *word.parts[1:]) if isinstance(first, Text) else word.parts
            value = self.expand.text(rest, scope)
        old = scope.get(name)
        if index:
            value = unknown(f"${{{name}[…]}}")
        elif adds and old is not None:
            value = _joined(old, value)
        if isinstance(into, Scope):
            into.set(name, value)
            if self.all_exported:
                into.exported.add(name)
        else:
            into[name] = value

    def declare(self, words: Sequence[Word], scope: Scope) -> None:
        exports = words[0].plain == "export" or any((w.plain or "").startswith("-x") for w in words)
        for word in words[1:]:
            if exports and (file := _environment_file(word)):
                given = variables_of(self.beside(file))
                scope.values.update(given)
                scope.exported.update(given)
                continue
            name = word.plain or ""
            if match := assignment(word):
                self.assign(word, match, scope, scope)
                name = match[1]
            if exports and re.fullmatch(r"[A-Za-z_]\w*", name):
                scope.exported.add(name)

    def command(
        self, node: Simple, argv: list[str], before: dict[str, Value | None], scope: Scope
    ) -> Iterator[Started]:
        """A command: the shell's own that change variables or run text, a function's call, or a program."""
        program = argv[0] if argv else ""
        rest = argv[1:]
        if program in self.functions:
            yield from self.call(program, rest, before, scope)
        elif program == "set":
            self.set_options(rest)
        elif program == "shift" and self.expand.positional:
            count = int(rest[0]) if rest and rest[0].isdigit() and len(rest[0]) < 4 else 1
            self.expand.positional = self.expand.positional[count:]
        elif program == "unset":
            for name in rest:
                scope.set(name, None)
        elif program in {"source", "."} and rest:
            yield from self.sourced(rest[0], scope)
        elif program in {"read", "mapfile", "readarray"} and rest:
            self.read(node, argv, scope)
        elif program == "eval":
            yield from self.inner(" ".join(rest), node.at, scope)
        elif (script := _script(argv) or self.here(node, argv, scope)) is not None:
            yield from self.inner(script, node.at, self.child(before, scope))
        elif (ran := _file_run(argv)) and (ran[1:] or before) and (text := self.text_beside(ran[0])):
            yield from self.ran(text, ran[1:], node.at, self.child(before, scope))
        elif program == "exec" and not rest:
            return
        elif program != ":":
            yield self.started(node, argv, before, scope)

    def here(self, node: Simple, argv: Sequence[str], scope: Scope) -> str | None:
        """The text of `bash <<< "…"`."""
        alone = len(argv) == 1 and argv[0].rsplit("/", 1)[-1] in _SHELLS
        return self.expand.text(node.given.parts, scope) if alone and node.given is not None else None

    def child(self, before: dict[str, Value | None], scope: Scope) -> Scope:
        inner = Scope(scope)
        inner.values.update(before)
        inner.exported = {*scope.exported, *before} if before else scope.exported
        return inner

    def started(self, node: Simple, argv: Sequence[str], before: dict[str, Value | None], scope: Scope) -> Started:
        inner = self.child(before, scope)
        document = None
        if node.document is not None:
            body, at, expanded = node.document
            document = (shown(self.expand.text(parts_of(body), scope)) if expanded else body, at)
        target = shown(self.expand.text(node.target.parts, scope)) if node.target else None
        return Started(tuple(argv), node.at, inner.environment, document, target)

    def call(
        self, name: str, arguments: Sequence[str], before: dict[str, Value | None], scope: Scope
    ) -> Iterator[Started]:
        if self.depth >= _MAX_CALLS:
            return
        self.called.add(name)
        outer, self.expand.positional = self.expand.positional, tuple(arguments)
        inner = self.child(before, scope) if before else scope
        self.depth += 1
        yield from self.nodes(self.functions[name], inner)
        self.depth -= 1
        self.expand.positional = outer

    def set_options(self, words: Sequence[str]) -> None:
        for index, word in enumerate(words):
            if word == "--":
                self.expand.positional = tuple(words[index + 1 :])
                return
            if re.fullmatch(r"[-+][a-z]*a[a-z]*", word):
                self.all_exported = word[0] == "-"
            if word in {"-o", "+o"} and words[index + 1 : index + 2] == ["allexport"]:
                self.all_exported = word[0] == "-"

    def read(self, node: Simple, words: Sequence[str], scope: Scope) -> None:
        name = next((w for w in reversed(words[1:]) if re.fullmatch(r"[A-Za-z_]\w*", w)), None)
        if name is None:
            return
        if words[0] != "read":
            scope.set(name, (unknown(f"${{{name}[…]}}"),))
            return
        value = unknown(f"${{{name}}}")
        if node.document is not None:
            value = (
                self.expand.text(parts_of(node.document.body), scope) if node.document.expanded else node.document.body
            )
        scope.set(name, value)

    def sourced(self, name: str, scope: Scope) -> Iterator[Started]:
        """A file of variables or functions that the script reads; what it starts counts to nobody's line."""
        if self.depth >= _MAX_CALLS or UNKNOWN in name:
            return
        name = bare(name).lstrip("/")
        text = self.beside(name)
        if text is None or len(text) > 1 << 16:
            return
        self.depth += 1
        tokens = tokens_of(text)
        self.left -= len(tokens)
        for _ in self.nodes(commands_of(tokens), scope):
            pass
        self.depth -= 1
        yield from ()

    def text_beside(self, name: str) -> str | None:
        """The script of that name beside this one, where it may serve something."""
        text = self.beside(bare(name).lstrip("/")) if UNKNOWN not in name and self.depth < _MAX_CALLS else None
        return text if text is not None and len(text) <= 1 << 16 and _SERVING.search(text) else None

    def ran(self, text: str, arguments: Sequence[str], at: int, scope: Scope) -> Iterator[Started]:
        """What a script beside this one starts with these arguments and what is exported, at the place where it is called."""
        inner = Scope()
        inner.exported = set(scope.exported)
        inner.values.update({name: scope.get(name) for name in scope.exported})
        outer, self.expand.positional = self.expand.positional, tuple(arguments)
        functions, self.functions = self.functions, {}
        self.depth += 1
        tokens = tokens_of(text)
        self.left -= len(tokens)
        for found in self.nodes(commands_of(tokens), inner):
            yield found._replace(at=at, document=None)
        self.depth -= 1
        self.functions = functions
        self.expand.positional = outer

    def within(self, part: Output, at: int, scope: Scope) -> Iterator[Started]:
        """The commands in `$(…)`, each where it stands; at the place of what holds them where they stand in another text."""
        if not part.at:
            yield from self.inner(part.command, at, scope)
        elif self.depth < _MAX_CALLS:
            self.depth += 1
            tokens = [moved(token, part.at) for token in tokens_of(part.command, marked=True)]
            self.left -= len(tokens)
            yield from self.nodes(commands_of(tokens), scope)
            self.depth -= 1

    def inner(self, script: str, at: int, scope: Scope) -> Iterator[Started]:
        """The commands of a text that is a command's argument, at that command's place."""
        if self.depth >= _MAX_CALLS:
            return
        self.depth += 1
        tokens = tokens_of(script, marked=True)
        self.left -= len(tokens)
        for found in self.nodes(commands_of(tokens), scope):
            yield found._replace(at=at, document=(found.document[0], at) if found.document else None)
        self.depth -= 1


def _from_elsewhere(word: Word, scope: Scope) -> bool:
    """Whether a word is an array that nothing here sets: one of a file that is not at hand."""
    names = [
        part.name.lstrip("!") for part in word.parts if isinstance(part, Variable) and "[" in part.name + part.rest
    ]
    return any(scope.get(re.split(r"\[", name)[0]) is None for name in names)


def _unlike(started: Iterator[Started], elsewhere: set[tuple[object, ...]]) -> Iterator[Started]:
    """The commands of a branch without those servers that another branch starts in the same words: they are one."""
    here: set[tuple[object, ...]] = set()
    for found in started:
        key = _server_key(found)
        if key is None or key not in elsewhere:
            yield found
        here |= {key} if key else set()
    elsewhere |= here


def _server_key(found: Started) -> tuple[object, ...] | None:
    """By what two commands that start a server are the same: words and variables; None for any other command."""
    if not any("vllm" in word for word in found.words):
        return None
    return (found.words, tuple(sorted(found.environment().items())))


def _script(argv: Sequence[str]) -> str | None:
    """The text behind `bash -c`, and `nohup bash -c` and its kind."""
    for index, word in enumerate(argv[:4]):
        if word.rsplit("/", 1)[-1] in _SHELLS:
            for option in range(index + 1, len(argv) - 1):
                if re.fullmatch(r"-[a-z]*c", argv[option]):
                    return argv[option + 1]
                if not argv[option].startswith(("-", "+")):
                    return None
        elif word not in {"nohup", "exec", "sudo", "time", "env", "setsid", "command"}:
            return None
    return None


def _environment_file(word: Word) -> str | None:
    """The file of `export $(grep -v '^#' .env | xargs)` and of its kind."""
    part = word.parts[0]
    match = re.search(r"([\w./-]*\.env[\w.-]*)\b", part.command) if isinstance(part, Output) else None
    return match[1].removeprefix("./") if match else None


def _file_run(argv: Sequence[str]) -> list[str]:
    """A script's file and its arguments: `bash serve.sh MODEL 8001`, `nohup ./serve.sh MODEL`."""
    words = list(argv)
    while words and words[0] in {"nohup", "exec", "sudo", "time", "setsid", "command"}:
        words.pop(0)
    if words and words[0].rsplit("/", 1)[-1] in _SHELLS:
        words.pop(0)
        while words and re.fullmatch(r"-[a-z]+", words[0]) and "c" not in words[0]:
            words.pop(0)
    return words if words and words[0].endswith((".sh", ".bash")) else []


def _joined(old: Value, new: Value) -> Value:
    if isinstance(old, tuple):
        return (*old, *(new if isinstance(new, tuple) else (new,)))
    return (old, *new) if isinstance(new, tuple) else old + new


def _leaves(nodes: Sequence[Node]) -> bool:
    """Whether commands end the script, as those do that print how it is used."""
    return any(isinstance(n, Simple) and n.words and n.words[0].plain in {"exit", "return", "usage"} for n in nodes)


def _matches(value: str, pattern: str) -> bool:
    import fnmatch

    return len(value) < 1000 and fnmatch.fnmatchcase(value, shown(pattern)) and UNSET not in pattern
