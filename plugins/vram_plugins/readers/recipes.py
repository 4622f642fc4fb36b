"""Commands under names: a Procfile's processes, a Makefile's and a justfile's recipes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.compose import variables
from vram_plugins.readers.shell_elsewhere import handed_on
from vram_plugins.readers.shell_servers import script_servers

_PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s+(.*)")
_TARGET = re.compile(r"([\w./%@$(){} -]+?)\s*::?(?![=:])\s*([^=]*)$")
_MAKE_VARIABLE = re.compile(r"\s*(?:export\s+|override\s+)?([A-Za-z_]\w*)\s*(\?|:|::|\+)?=\s*(.*)")
_JUST_VARIABLE = re.compile(r"(?:export\s+)?([A-Za-z_][\w-]*)\s*:=\s*(.*)")
_JUST_RECIPE = re.compile(r"@?([A-Za-z_][\w-]*)((?:\s+[^:]*?)?)\s*:(?!=)\s*(.*)")
#: make's `$(if condition,then,else)`
_CHOICE = re.compile(r"\$\(if\s+(\$[({]\w+[)}]|\w*)\s*,((?:[^(),]|\$\(\w+\))*)(?:,((?:[^(),]|\$\(\w+\))*))?\)")
_CONDITION = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(\w*)")
_MAX_DEPTH = 6


class Recipes(DeploymentReader):
    """One server for each command that starts one."""

    name = "recipes"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return _kind(text.path) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        kind = _kind(text.path)
        if kind == "procfile":
            return list(_procfile(text))
        found = list(_makefile(text) if kind == "makefile" else _justfile(text))
        return found or list(handed_on(text, kind or ""))


def _kind(path: str) -> str | None:
    name = path.rsplit("/", 1)[-1].lower()
    if name == "procfile" or name.startswith("procfile."):
        return "procfile"
    if name in {"makefile", "gnumakefile"} or name.endswith(".mk") or name.startswith("makefile."):
        return "makefile"
    return "justfile" if name in {"justfile", ".justfile"} or name.endswith(".just") else None


def _procfile(text: DeploymentText) -> Iterator[FoundServer]:
    for number, line in enumerate(text.text.splitlines(), start=1):
        if match := _PROCESS.fullmatch(line.strip()):
            for server in script_servers(text, match[2], kind="procfile"):
                yield evolve(server, line=number, name=server.name or match[1])


def _makefile(text: DeploymentText) -> Iterator[FoundServer]:
    known: dict[str, str] = variables(text.beside(".env")) if "include .env" in text.text else {}
    lines = text.text.splitlines()
    target = ""
    recipe: list[str] = []
    start = index = conditions = 0
    defined = ""
    while index <= len(lines):
        line = lines[index] if index < len(lines) else "end:"
        if recipe and not line.startswith("\t") and line.strip() and not recipe[-1].endswith("\\"):
            yield from _recipe(text, "makefile", target, [_made(part, known, 0) for part in recipe], start)
            recipe = []
        if (line.startswith("\t") or (recipe and recipe[-1].endswith("\\"))) and target:
            start = start if recipe else index
            continued = bool(recipe) and recipe[-1].endswith("\\")
            recipe.append(line if continued else line.lstrip("\t").lstrip("@-+"))
        elif recipe:
            recipe.append("")
        elif not _CONDITION.match(line) and (match := _MAKE_VARIABLE.match(line)):
            value = match[3]
            while value.endswith("\\") and index + 1 < len(lines):
                index += 1
                value = value[:-1] + " " + lines[index].strip()
            value = re.sub(r"(?:^|\s+)#.*", "", value).strip()
            if match[2] == "+":
                value = f"{known.get(match[1], '')} {value}".strip()
            if match[2] == "?" or match[1] == defined:
                known.setdefault(match[1], value)
            elif conditions and known.get(match[1], value) != value:
                known[match[1]] = f"${{{match[1]}}}"  # one of several, which only make's caller tells
            else:
                known[match[1]] = value
        elif match := _CONDITION.match(line):
            conditions += {"endif": -1, "else": 0}.get(match[1], 1)
            defined = match[2] if match[1] == "ifndef" else ""
        elif not line.startswith((" ", "#")) and (match := _TARGET.match(line)):
            target = match[1].split()[0] if match[1].split() else ""
        index += 1


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


def _justfile(text: DeploymentText) -> Iterator[FoundServer]:
    known: dict[str, str] = {}
    parameters: dict[str, str] = {}
    name, start = "", 0
    recipe: list[str] = []
    for index, line in enumerate([*text.text.splitlines(), "end:"]):
        if recipe and line.strip() and not line[0].isspace():
            yield from _recipe(text, "justfile", name, _put(recipe, {**known, **parameters}), start)
            recipe = []
        if line[:1].isspace() and name and line.strip():
            start = start if recipe else index
            recipe.append(line.strip().lstrip("@") if not line.strip().startswith("#!") else "")
        elif recipe and not line.strip():
            recipe.append("")
        elif match := _JUST_VARIABLE.match(line):
            known[match[1]] = _just_value(match[2], known)
        elif match := _JUST_RECIPE.match(line):
            name = match[1]
            pairs = re.findall(r"[*+$]*([A-Za-z_][\w-]*)\s*=\s*(\"[^\"]*\"|'[^']*'|\S+)", match[2])
            parameters = {key: _just_value(value, known) for key, value in pairs}


def _just_value(text: str, known: Mapping[str, str]) -> str:
    text = re.sub(r"\s+#.*", "", text).strip()
    if match := re.fullmatch(r"env(?:_var_or_default)?\(\s*['\"]\w+['\"]\s*,\s*(.+)\)", text):
        return _just_value(match[1], known)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        return text[1:-1] if text[0] != "`" else "${…}"
    return known.get(text, text)


def _put(lines: list[str], known: Mapping[str, str]) -> list[str]:
    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        shown = re.sub(r"[^0-9A-Za-z_]+", "_", name)[:60].strip("_")
        return known.get(name, f"$({shown})")  # not empty, as a variable of a shell would be

    return [re.sub(r"\{\{([^{}]*)\}\}", value, line) for line in lines]


def _recipe(text: DeploymentText, kind: str, name: str, lines: list[str], start: int) -> Iterator[FoundServer]:
    for server in script_servers(text, "\n".join(lines), kind=kind):
        yield evolve(server, line=server.line + start, name=server.name or name)


def reader() -> Recipes:
    """The reader of recipes."""
    return Recipes()
