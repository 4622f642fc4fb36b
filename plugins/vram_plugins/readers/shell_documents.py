"""Here-documents of a script: files that it writes, and texts that a program reads, each read as the file that it is."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram_plugins.readers.shell_flow import Started
from vram_plugins.readers.shell_values import shown

_FILES = re.compile(
    r".*\.(?:sh|bash|slurm|sbatch|ya?ml|service|py|json|container|conf|ini|def|tf|fish|mk)|(?:.*/)?(?:Dockerfile|Containerfile|Makefile|Procfile)\S*"
)


def documents(
    text: DeploymentText, started: Started, newlines: list[int], written: dict[str, str]
) -> Iterator[FoundServer]:
    """The servers in a here-document: a file that is written (and kept, for commands that name it), or what a program reads."""
    if started.document is None:
        return
    body, at = started.document
    words = [shown(word) for word in started.words]
    program = words[0].rsplit("/", 1)[-1] if words else ""
    program = words[1].rsplit("/", 1)[-1] if program == "sudo" and len(words) > 1 else program
    name = None
    if program in {"cat", "tee"}:
        name = started.target or next((word for word in words[1:] if _FILES.fullmatch(word)), None)
        if name is None and body.startswith("#!"):
            name = "document.sh"  # a script that a variable keeps, for a machine that is made with it
        written[(name or "").removeprefix("./")] = body
    elif program in {"python", "python3"} or program == "uv":
        name = "document.py"
    elif program in {"bash", "sh", "ssh", "zsh", "srun", "docker", "su"}:
        name = "document.sh"
    elif program in {"sbatch", "kubectl", "oc", "docker-compose"}:
        name = "document.slurm" if program == "sbatch" else "document.yaml"
    if name is not None and (_FILES.fullmatch(name) or name.rsplit("/", 1)[-1].count(".") == 0):
        yield from text.within(name, body, bisect_left(newlines, at) + 1)
