"""What a script would start, walked through without running anything: each command with its words, variables and place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from vram_plugins.readers.shell_branches import Branches
from vram_plugins.readers.shell_flow import Started
from vram_plugins.readers.shell_given import SHELLS, file_run, script_of
from vram_plugins.readers.shell_loops import Loops
from vram_plugins.readers.shell_syntax import Case, Chain, For, Function, Group, If, Node, Simple, While, commands_of
from vram_plugins.readers.shell_values import Scope, Value, assignment, bare, shown
from vram_plugins.readers.shell_variables import Variables
from vram_plugins.readers.shell_words import UNKNOWN, Output, Word, moved, parts_of, tokens_of

_DECLARING = {"export", "declare", "local", "readonly", "typeset"}
_SERVING = re.compile(r"runpodctl|vastai|\bvllm\s+serve\b|vllm\.entrypoints|\bdocker\s+run\b")
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


class _Walk(Branches, Loops, Variables):
    """One walk: `left` commands may be looked at."""

    def __init__(self, left: int, beside: Callable[[str], str | None]) -> None:
        super().__init__(beside)
        self.left = left
        self.functions: dict[str, tuple[Node, ...]] = {}
        self.called: set[str] = set()

    def script(self, nodes: Sequence[Node], outer: Scope) -> list[Started]:
        """Everything that a script starts, and what its functions would that nothing calls."""
        scope = Scope(outer)
        found = [started for node in nodes for started in self.node(node, scope)]
        for name, body in list(self.functions.items()):
            if name not in self.called:
                self.expand.positional = None
                found += self.nodes(body, Scope(scope))
        return found

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
        if words and len(words) == 1 and self.assign_element(words[0], scope):
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
            self.read(node, argv, before, scope)
        elif program == "eval":
            yield from self.inner(" ".join(rest), node.at, scope)
        elif (script := script_of(argv) or self.here(node, argv, scope)) is not None:
            yield from self.inner(script, node.at, self.child(before, scope))
        elif (ran := file_run(argv)) and (ran[1:] or before) and (text := self.text_beside(ran[0])):
            yield from self.ran(text, ran[1:], node.at, self.child(before, scope))
        elif program == "exec" and not rest:
            return
        elif program != ":":
            yield self.started(node, argv, before, scope)

    def here(self, node: Simple, argv: Sequence[str], scope: Scope) -> str | None:
        """The text of `bash <<< "…"`."""
        alone = len(argv) == 1 and argv[0].rsplit("/", 1)[-1] in SHELLS
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
