"""What a script says of a server that other files or machines tell of: scripts it hands over to, programs with vLLM's flags, Ray."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.launch import gives_flags, shown_program
from vram_plugins.readers.shell_programs import Launched
from vram_plugins.readers.shell_values import shown

#: a script that another is given over to with `exec`
_HANDS_ON = re.compile(r"^[ \t]*exec[ \t]+(?:(?:ba|z|da)?sh[ \t]+)?[\"']?(\S{1,200}?\.(?:sh|bash))\b", re.MULTILINE)
_NO_SERVER = re.compile(
    r"stop|install|setup|test|bench|client|download|check|health|kill|build|clean|wait|status|logs|eval"
)


def handed_on(text: DeploymentText) -> Iterator[FoundServer]:
    """Of a script that starts nothing itself: the script it hands over to, where that is not here and names vLLM."""
    for match in _HANDS_ON.finditer(text.text):
        script = match[1].rsplit("/", 1)[-1]
        if "vllm" in script.lower() and not _NO_SERVER.search(script.lower()) and text.beside(script) is None:
            line = text.text.count("\n", 0, match.start(1)) + 1
            problem = f"runs {shown_program(script)}, and what that starts is not in this file"
            yield FoundServer(line=line, kind="shell", status="not_understood", problem=problem)


def with_flags(launched: Launched, line: int, kind: str) -> Iterator[FoundServer]:
    """A program that vLLM's own flags are given to: what it does with them, another file tells."""
    program = gives_flags(launched.argv)
    if program is not None:
        name = launched.allocation.name if launched.allocation else ""
        problem = f"gives vLLM's flags to {program}, and what that starts is not in this file"
        yield FoundServer(line=line, kind=kind, name=name, status="not_understood", problem=problem)


def starts_ray(words: Sequence[str]) -> bool:
    """Whether a command makes or joins a cluster of Ray's."""
    names = [shown(word).rsplit("/", 1)[-1] for word in words]
    return any(a == "ray" and b == "start" for a, b in pairwise(names))


def on_cluster(server: FoundServer) -> FoundServer:
    """A server whose script starts Ray: it has the GPUs of all machines that join, not those of this one alone."""
    if server.gpus is None or server.status != "vllm":
        return server
    return evolve(server, gpus=None, assumed=(*server.assumed, "Ray's cluster has the GPUs that it asks for"))
