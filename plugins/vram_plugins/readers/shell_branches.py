"""Which of a script's commands run: chains, conditions and cases, each branch looked through.

It is walked as a run without arguments and outer variables goes; where a condition hangs on those, both branches are looked through
and the branch that such a run takes counts for what follows. Where only a run would tell, what the branches disagree on is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vram_plugins.readers.shell_flow import Flow, Started
from vram_plugins.readers.shell_syntax import Case, Chain, Document, Group, If, Input, Node, Simple, While
from vram_plugins.readers.shell_tests import Judged, judged
from vram_plugins.readers.shell_values import Scope, bare, missing, shown
from vram_plugins.readers.shell_words import END, UNKNOWN, UNSET


class Branches(Flow):
    """The branches of a walk."""

    def fork(self, node: If | Case, branches: list[int]) -> None:
        """Keep that which of the branches is taken hangs on an argument that has no default."""
        if len(branches) > 1 and self.depth == 0 and not self.repeats:
            self.forks.append((id(node), branches))

    def chain(self, node: Chain, scope: Scope) -> Iterator[Started]:
        last: Judged = Judged(None, sure=False)
        document: Document | None = None
        before: Node | None = None
        for join, one in zip(node.joins, node.nodes, strict=True):
            given = one
            if join == "|" and isinstance(one, While) and one.input == Input():
                given = one._replace(input=Input(document=document or self.printed(before, scope)))
            elif join == "|" and document is not None and isinstance(one, Simple) and one.document is None:
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

    def printed(self, node: Node | None, scope: Scope) -> Document | None:
        """What `echo` or `printf '%s\\n'` gives to the next command of a pipe."""
        words = node.words if isinstance(node, Simple) else ()
        fields = [field for word in words for field in self.expand.fields(word, scope)]
        if fields[:1] == ["echo"]:
            text = " ".join(field for field in fields[1:] if field not in {"-e", "-n"})
        elif fields[:2] == ["printf", "%s\\n"]:
            text = "\n".join(fields[2:])
        else:
            return None
        return Document(text, 0, expanded=False)

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


def _leaves(nodes: Sequence[Node]) -> bool:
    """Whether commands end the script, as those do that print how it is used."""
    return any(isinstance(n, Simple) and n.words and n.words[0].plain in {"exit", "return", "usage"} for n in nodes)


def _matches(value: str, pattern: str) -> bool:
    import fnmatch

    return len(value) < 1000 and fnmatch.fnmatchcase(value, shown(pattern)) and UNSET not in pattern
