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
_ASSIGNED = re.compile(r"^(\s*)\$(?:(?i:env):)?([A-Za-z_]\w*)\s*=\s*(?:(\"[^\"]*\"|'[^']*'|[\w./:-]+)\s*)(?:#.*)?$")


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
    lines = [_ASSIGNED.sub(r"\1export \2=\3", line.rstrip()) for line in text.splitlines()]
    lines = [re.sub(r"\$\{?(?i:env):(\w+)\}?", r"${\1}", line) for line in lines]
    lines = [re.sub(r"^(\s*)&\s+", r"\1", line) for line in lines]  # the operator that calls
    return "\n".join(re.sub(r"`$", r"\\", line) for line in lines) + "\n"


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
