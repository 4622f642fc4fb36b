"""A notebook's cell as Python: its commands are calls, its other magics are away."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"(\s*)(?:\w+\s*=\s*)?!{1,2}(.*)")


def translated(lines: list[str], names: set[str]) -> list[str]:
    """A cell's lines as Python: `!command` is a call, other magics are away; as many lines as before."""
    found: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        match = _COMMAND.fullmatch(line)
        if match is None:
            if given := re.fullmatch(r"(\s*)%(?:set_)?env\s+(\w+)(?:\s*=\s*|\s+)(\S.*?)\s*", line):
                found.append(f"{given[1]}os.environ[{given[2]!r}] = {given[3]!r}")
                continue
            magic = re.match(r"(\s*)[%?]", line)
            found.append(f"{magic[1]}pass" if magic else line)
            continue
        command, used = match[2], 1
        while command.endswith("\\") and index < len(lines):
            command = command[:-1] + " " + lines[index].strip()
            index += 1
            used += 1
        found.append(f"{match[1]}os.system({_filled(command, names)})")
        found += [""] * (used - 1)
    return found


def _filled(command: str, names: set[str]) -> str:
    """An expression for a command with `{name}` and `$name` of Python in it."""
    parts: list[str] = []
    at = 0
    for match in re.finditer(r"(?<!\$)\{([A-Za-z_]\w*)\}|\$\{?([A-Za-z_]\w*)\}?", command):
        name = match[1] or match[2]
        if name not in names:
            continue
        parts += [repr(command[at : match.start()]), f"str({name})"]
        at = match.end()
    return " + ".join([*parts, repr(command[at:])])
