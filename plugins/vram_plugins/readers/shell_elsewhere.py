"""What a script says of a server that other files or machines tell of: scripts it hands over to, programs with vLLM's flags, Ray."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.evaluations import other_evaluation
from vram_plugins.readers.launch import gives_flags, shown_program
from vram_plugins.readers.shell_launched import Launched
from vram_plugins.readers.shell_values import shown
from vram_plugins.readers.slurm import Allocation

#: a script that another is given over to, with `exec` or as its only server's; a recipe's lines begin with `@`
_HANDS_ON = re.compile(
    r"^[ \t]*[@-]?(exec[ \t]+)?(?:(?:nohup|sudo|source|\.)[ \t]+)?(?:(?:ba|z|da)?sh[ \t]+)?[\"']?(\S{1,200}?\.(?:sh|bash))\b",
    re.MULTILINE,
)
_MOST = 200
_RAY = re.compile(r"\bray\s+start\s")
_STARTS = re.compile(r"start|run|serve|launch|deploy|up\b|vllm\.")
#: a program by vLLM's name: `python scripts/launch_vllm.py`
_LAUNCHER = re.compile(
    r"\bpython[\d.]*[ \t]+(?:-u[ \t]+)?((?:[\w.$/{}-]*/)?[\w-]{0,60}vllm[\w-]{0,60}\.py)\b", re.IGNORECASE
)
#: variables of vLLM's engine (those of its clients are addresses and keys), and a program that runs with them
_ENGINE_VARIABLE = re.compile(
    r"^[ \t]*export[ \t]+(VLLM_(?:USE|ATTENTION|WORKER|ALLOW|ENABLE|DISABLE|ALL2ALL|NCCL|CACHE|LOGGING|FLASH)\w*)=",
    re.MULTILINE,
)
_PROGRAM = re.compile(
    r"^[ \t]*(?:(?:srun|exec|nohup|time|torchrun|accelerate[ \t]+launch)[ \t]+(?:-\S+[ \t]+)*)?(?:python[\d.]*[ \t]+(?:-u[ \t]+)?)?"
    r"([\w./-]{1,200}\.py)\b",
    re.MULTILINE,
)
_NO_SERVER = re.compile(
    r"stop|install|setup|test|bench|client|download|check|health|kill|build|clean|wait|status|logs|eval"
)


def handed_on(text: DeploymentText, kind: str = "shell") -> Iterator[FoundServer]:
    """Of a script that starts nothing itself: the script it hands over to, where that is not here and names vLLM."""
    told = False
    for match in islice(_HANDS_ON.finditer(text.text), _MOST):
        script = match[2].rsplit("/", 1)[-1]
        name = script.lower()
        starts = "vllm" in name and not _NO_SERVER.search(name) and (match[1] or _STARTS.search(name))
        if starts and text.beside(match[2]) is None and text.beside(script) is None:
            yield _elsewhere(text, match.start(2), kind, f"runs {shown_program(script)}")
            told = True
    for match in () if told else islice(_LAUNCHER.finditer(text.text), _MOST):
        script = match[1].rsplit("/", 1)[-1]
        starts = _STARTS.search(script.lower()) and not _NO_SERVER.search(script.lower())
        if starts and text.beside(match[1]) is None and text.beside(script) is None:
            yield _elsewhere(text, match.start(1), kind, f"runs {shown_program(script)}")
            told = True
    engine = None if told else _ENGINE_VARIABLE.search(text.text)
    program = _PROGRAM.search(text.text, engine.end()) if engine else None
    if engine and program and text.beside(program[1]) is None:
        name = program[1].rsplit("/", 1)[-1]
        if not re.search(r"client|download|wait|health|build|install|setup", name.lower()):
            yield _elsewhere(text, program.start(1), kind, f"sets {engine[1]} for {shown_program(name)}")


def _elsewhere(text: DeploymentText, at: int, kind: str, what: str) -> FoundServer:
    problem = f"{what}, and what that starts is not in this file"
    return FoundServer(line=text.text.count("\n", 0, at) + 1, kind=kind, status="not_understood", problem=problem)


def with_own(launched: Launched, line: int, kind: str) -> Iterator[FoundServer]:
    """A program that is told to run a model on vLLM: what it gives the engine, it alone knows."""
    program = other_evaluation(launched.argv)
    if program is not None:
        yield _untold(launched, line, kind, f"starts vLLM through {program}, whose own arguments are not read here")


def with_flags(launched: Launched, line: int, kind: str) -> Iterator[FoundServer]:
    """A program that vLLM's own flags are given to: what it does with them, another file tells."""
    program = gives_flags(launched.argv)
    if program is not None:
        problem = f"gives vLLM's flags to {program}, and what that starts is not in this file"
        yield _untold(launched, line, kind, problem)


def _untold(launched: Launched, line: int, kind: str, problem: str) -> FoundServer:
    name = launched.allocation.name if launched.allocation else ""
    return FoundServer(line=line, kind=kind, name=name, status="not_understood", problem=problem)


def starts_ray(words: Sequence[str]) -> bool:
    """Whether a command makes or joins a cluster of Ray's."""
    names = [shown(word).rsplit("/", 1)[-1] for word in words]
    return any(a == "ray" and b == "start" for a, b in pairwise(names)) or any(map(_RAY.search, words))


def on_cluster(server: FoundServer, allocation: Allocation | None) -> FoundServer:
    """A server whose script starts Ray: it has the GPUs of all machines that join (a job's, where it is one), not of this one alone."""
    if server.status != "vllm":
        return server
    if allocation is not None:  # each step of a job has but its own machines, and Ray those of all
        return evolve(server, nodes=max(server.nodes, allocation.nodes))
    if server.gpus is None:
        return server
    return evolve(server, gpus=None, assumed=(*server.assumed, "Ray's cluster has the GPUs that it asks for"))
