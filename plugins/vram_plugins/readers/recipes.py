"""Commands under names: a Procfile's processes, a Makefile's and a justfile's recipes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.makefile import makefile_servers, recipe_servers
from vram_plugins.readers.shell_elsewhere import handed_on
from vram_plugins.readers.shell_servers import script_servers

_PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s+(.*)")
_JUST_VARIABLE = re.compile(r"(?:export\s+)?([A-Za-z_][\w-]*)\s*:=\s*(.*)")
_JUST_RECIPE = re.compile(r"@?([A-Za-z_][\w-]*)((?:\s+[^:]*?)?)\s*:(?!=)\s*(.*)")


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
        found = list(makefile_servers(text) if kind == "makefile" else _justfile(text))
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


def _justfile(text: DeploymentText) -> Iterator[FoundServer]:
    known: dict[str, str] = {}
    parameters: dict[str, str] = {}
    name, start = "", 0
    recipe: list[str] = []
    for index, line in enumerate([*text.text.splitlines(), "end:"]):
        if recipe and line.strip() and not line[0].isspace():
            yield from recipe_servers(text, "justfile", name, _put(recipe, {**known, **parameters}), start)
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


def reader() -> Recipes:
    """The reader of recipes."""
    return Recipes()
