"""Makefiles: the recipes of targets with make's variables put in, those of a target's own, and targets that make others (GNU make)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.compose import variables
from vram_plugins.readers.shell_servers import script_servers

_TARGET = re.compile(r"([\w./%@$(){} -]+?)\s*::?(?![=:])\s*([^=]*)$")
_VARIABLE = re.compile(r"\s*(?:export\s+|override\s+)?([A-Za-z_]\w*)\s*(\?|:|::|\+)?=\s*(.*)")
#: a variable of one target alone, and of what is made for it
_OWN = re.compile(r"([\w./ -]+?)\s*:\s*(?:export\s+|override\s+|private\s+)*([A-Za-z_]\w*)\s*(?:\?|:|::|\+)?=\s*(.*)")
#: make's `$(if condition,then,else)`
_CHOICE = re.compile(r"\$\(if\s+(\$[({]\w+[)}]|\w*)\s*,((?:[^(),]|\$\(\w+\))*)(?:,((?:[^(),]|\$\(\w+\))*))?\)")
_CONDITION = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(\w*)")
#: make run by a recipe: its targets and variables
_AGAIN = re.compile(
    r"[@+-]*\s*(?:\$[({]MAKE[)}]|make)((?:\s+[\w./-]+(?:=(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'\\;&|]*))?)+)\s*\Z"
)
_SET = re.compile(r"([A-Za-z_]\w*)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))")
_MAX_DEPTH = 6
_LONGEST = 1000  # line that declares something, and list of what a target is made from


class _Rule(NamedTuple):
    """A target's recipe, its lines as they stand, the first of them at `line` (from 0); what it is made from, and its own variables."""

    lines: list[str]
    line: int
    needs: list[str]
    own: dict[str, str]


def makefile_servers(text: DeploymentText) -> Iterator[FoundServer]:
    """Every server that a recipe starts: a recipe is put together when all of the file is read."""
    known: dict[str, str] = variables(text.beside(".env")) if "include .env" in text.text else {}
    rules = _rules(text.text.splitlines(), known)
    for target, rule in rules.items():
        lines = [_made(line, {**known, **rule.own}, 0) for line in rule.lines]
        yield from recipe_servers(text, "makefile", target, lines, rule.line)
        for number, line in enumerate(rule.lines):
            again = _AGAIN.fullmatch(line)
            if again is not None:
                given = {
                    m[1]: _made(m[2] or m[3] or m[4] or "", {**known, **rule.own}, 1) for m in _SET.finditer(again[1])
                }
                for other in [word for word in again[1].split() if "=" not in word and word != target][:4]:
                    yield from _made_for(text, rules.get(other), target, {**known, **given}, rule.line + number)
        for other in rule.needs if rule.own else ():
            yield from _made_for(text, rules.get(other), target, {**known, **rule.own}, rule.line)


def _made_for(
    text: DeploymentText, rule: _Rule | None, target: str, known: Mapping[str, str], line: int
) -> Iterator[FoundServer]:
    """The servers of another target's recipe with the variables of the one that has it made, at that one's place."""
    if rule is not None:
        lines = [
            _made(one, {**known, **{k: v for k, v in rule.own.items() if k not in known}}, 0) for one in rule.lines
        ]
        for server in recipe_servers(text, "makefile", target, lines, 0):
            yield evolve(server, line=line + 1)


def _rules(lines: Sequence[str], known: dict[str, str]) -> dict[str, _Rule]:
    """The rules of a Makefile by their targets, its variables put into `known`."""
    rules: dict[str, _Rule] = {}
    rule: _Rule | None = None
    conditions = index = 0
    defined = ""
    open_line = False
    while index < len(lines):
        line = lines[index]
        if rule is not None and (line.startswith("\t") or open_line):
            if not rule.lines:
                rule = rules[next(reversed(rules))] = rule._replace(line=index)
            rule.lines.append(line if open_line else line.lstrip("\t").lstrip("@-+"))
            open_line = line.endswith("\\")
        elif rule is not None and not line.strip():
            rule.lines.extend([""] if rule.lines else [])
        elif own := _OWN.fullmatch(line.split(" #")[0].rstrip()[:_LONGEST]):
            for target in own[1].split():
                rules.setdefault(target, _Rule([], index, [], {})).own[own[2]] = own[3]
            rule = None
        elif not _CONDITION.match(line) and (match := _VARIABLE.match(line)):
            value = match[3]
            while value.endswith("\\") and index + 1 < len(lines):
                index += 1
                value = value[:-1] + " " + lines[index].strip()
            _assign(known, match[1], match[2], re.sub(r"(?:^|\s+)#.*", "", value).strip(), defined, conditions)
        elif match := _CONDITION.match(line):
            conditions += {"endif": -1, "else": 0}.get(match[1], 1)
            defined = match[2] if match[1] == "ifndef" else ""
        elif not line.startswith((" ", "#")) and (match := _TARGET.match(line[:_LONGEST])) and match[1].split():
            name = match[1].split()[0]
            old = rules.pop(name, _Rule([], index, [], {}))
            rule = rules[name] = _Rule(
                old.lines, old.line, [*old.needs, *match[2].split("#")[0].split()][:_LONGEST], old.own
            )
        index += 1
    return rules


def _assign(known: dict[str, str], name: str, operator: str | None, value: str, defined: str, conditions: int) -> None:
    """One assignment: `?=` leaves what is there, `+=` adds, and one of several under conditions only make's caller tells."""
    if operator == "+":
        value = f"{known.get(name, '')} {value}".strip()
    if operator == "?" or name == defined:
        known.setdefault(name, value)
    elif conditions and known.get(name, value) != value:
        known[name] = f"${{{name}}}"
    else:
        known[name] = value


def _made(line: str, known: Mapping[str, str], depth: int) -> str:
    """A recipe's line as the shell gets it: make's variables put in, `$$` a dollar sign."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "\0"
        name = match[1] or match[2]
        if name in known and depth < _MAX_DEPTH and len(known[name]) < 4000:
            return _made(known[name], known, depth + 1)
        return f"${{{re.sub(r'[^0-9A-Za-z_]', '_', name)}}}"

    line = _CHOICE.sub(lambda m: m[2] if _made(m[1], known, depth + 1).strip() else m[3] or "", line[: 1 << 15])
    put = re.sub(r"\$\$|\$\(([\w. -]+)\)|\$\{([\w.]+)\}", value, line)
    return put.replace("\0", "$") if depth == 0 else put


def recipe_servers(
    text: DeploymentText, kind: str, name: str, lines: Sequence[str], start: int
) -> Iterator[FoundServer]:
    """The servers of a recipe whose lines begin behind line `start` of the file."""
    for server in script_servers(text, "\n".join(lines), kind=kind):
        yield evolve(server, line=server.line + start, name=server.name or name)
