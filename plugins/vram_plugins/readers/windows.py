"""Scripts of PowerShell and of Windows' command prompt, as the shell script that says the same: line ends, variables and comments.

What else differs (tests, loops) is read as a shell reads it, and starts nothing that is not written there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve

_NEEDLE = re.compile(r"vllm|sglang|text-generation|ollama|docker", re.IGNORECASE)
_POWERSHELL = (".ps1", ".psm1")
_BLOCK_COMMENT = re.compile(r"<#.*?#>", re.DOTALL)
_SET = re.compile(r"(?i:^(\s*)set\s+)(?:\"([A-Za-z_]\w*)=([^\"]*)\"|([A-Za-z_]\w*)=(.*?))\s*$")
_TYPES = r"(?:\[[\w.]+(?:\[\])?(?:\([^()\n]*\))?\]\s*)*"
_TEXT = r"\"[^\"\n]*\"|'[^'\n]*'|[\w./:-]+"
_NAME = r"(?:(?i:env|script|global):)?([A-Za-z_]\w*)"
_ASSIGNED = re.compile(rf"^(\s*){_TYPES}\${_NAME}\s*=\s*({_TEXT}|\"\$\{{\w+:-[^\"\n]*\}}\")\s*,?\s*(?:#.*)?$")
#: a variable, or what stands in its place where it is empty (about_If; `??` of PowerShell 7)
_DEFAULT = re.compile(
    rf"(?i:if)\s*\(\s*\${_NAME}\s*\)\s*\{{\s*\${_NAME}\s*\}}\s*(?i:else)\s*\{{\s*({_TEXT})\s*\}}|\${_NAME}\s*\?\?\s*({_TEXT})"
)
_ARRAY = re.compile(
    rf"^(\s*){_TYPES}\${_NAME}\s*(\+?)=\s*@\(((?:[^()\"'\n]|\"[^\"\n]*\"|'[^'\n]*'|\n)*)\)", re.MULTILINE
)
_COMMA = re.compile(r"(\"[^\"\n]*\"|'[^'\n]*')|,")
_VARIABLE = re.compile(r"\$(?!(?i:env):)(?:(?i:script|global):)?([A-Za-z_]\w*)")
_PARAMETERS = re.compile(r"(?im)^[^\S\n]*param\s*\(")
_PARENTHESES = re.compile(r"[()]|\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*")
_SPLAT = re.compile(r"(?<=\s)@([A-Za-z_]\w*)")


class WindowsScript(DeploymentReader):
    """The servers of `.ps1`, `.bat` and `.cmd` files."""

    name = "windows"
    rank = 0

    def claims(self, text: DeploymentText) -> bool:
        return text.path.lower().endswith((*_POWERSHELL, ".bat", ".cmd")) and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        powershell = text.path.lower().endswith(_POWERSHELL)
        script = _of_powershell(text.text) if powershell else _of_prompt(text.text)
        return [evolve(server, kind="script") for server in text.within("script.sh", script, 1)]


def _of_powershell(text: str) -> str:
    text = _BLOCK_COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = _ARRAY.sub(_array, _DEFAULT.sub(_default, _bare_parameters(text)))
    spelt: dict[str, str] = {}  # the case of a name means nothing
    lines = [_ASSIGNED.sub(r"\1export \2=\3", line.rstrip()) for line in text.splitlines()]
    lines = [
        re.sub(r"^(\s*export )(\w+)=", lambda m: f"{m[1]}{spelt.setdefault(m[2].lower(), m[2])}=", one) for one in lines
    ]
    lines = [_VARIABLE.sub(lambda m: f"${spelt.get(m[1].lower(), m[1])}", line) for line in lines]
    lines = [re.sub(r"\$\{?(?i:env):(\w+)\}?", r"${\1}", line) for line in lines]
    lines = [re.sub(r"\$\((\$\{?\w+\}?)\)", r"\1", line) for line in lines]
    lines = [_SPLAT.sub(r'"${\1[@]}"', line) for line in lines]
    lines = [re.sub(r"^(\s*)(?:&|(?i:iex|Invoke-Expression)(?=\s))\s*", _called, line) for line in lines]
    return "\n".join(re.sub(r"`$", r"\\", line) for line in lines) + "\n"


def _bare_parameters(text: str) -> str:
    """The text without the parentheses of `param(…)` and what only describes a parameter (about_Functions_Advanced_Parameters)."""
    found = _PARAMETERS.search(text)
    if found is None:
        return text
    depth = 0
    for match in _PARENTHESES.finditer(text, found.end() - 1):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            inside = re.sub(r"(?m)^[^\S\n]*\[[^\n]*\][^\S\n]*$", "", text[found.end() : match.start()])
            return f"{text[: found.start()]}{inside}{text[match.end() :]}"
    return text


def _default(match: re.Match[str]) -> str:
    value = (match[3] or match[5]).strip("\"'")
    return f'"${{{match[1] or match[4]}:-{value}}}"'


def _array(match: re.Match[str]) -> str:
    """An array as a shell's; what is added to one hangs on conditions that are not read."""
    words = _COMMA.sub(lambda m: m[1] or " ", match[4])
    return f"{match[1]}{match[2]}{match[3]}=({'$(powershell)' if match[3] else words})"


def _called(match: re.Match[str]) -> str:
    """The operator that calls a program is none of a shell's; a text that is run is."""
    return f"{match[1]}eval " if match[0].strip() != "&" else match[1]


def _of_prompt(text: str) -> str:
    lines: list[str] = []
    for line in text.splitlines():
        held = re.sub(r"^\s*@", "", line.rstrip())
        if re.match(r"(?i:\s*(?:rem\b|::|echo\b|title\b|setlocal|endlocal|pause\b|goto\b|:\w))", held):
            held = ""
        held = re.sub(r"%([A-Za-z_]\w*)%", r"${\1}", held)
        if match := _SET.match(held):
            value = match[3] if match[2] else match[5]
            held = f'{match[1]}export {match[2] or match[4]}="{value}"'
        held = re.sub(r"(?i:^(\s*)(?:call|start(?:\s+\"[^\"]*\")?(?:\s+/\w+)*)\s+)", r"\1", held)
        lines.append(re.sub(r"\^$", r"\\", held).replace("\\\\wsl$", "/wsl"))
    return "\n".join(lines) + "\n"


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return WindowsScript()
