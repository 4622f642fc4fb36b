"""The servers that a script's commands start, Slurm's among them, and those of one command whose words another file has."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve, frozen
from vram_plugins.readers.compose import variables
from vram_plugins.readers.documents import Text, text_at
from vram_plugins.readers.engines import engine_of, is_vllm_image
from vram_plugins.readers.evaluations import evaluation
from vram_plugins.readers.launch import Process, gives_flags, pinned, servers, unpinned
from vram_plugins.readers.own_programs import own_program
from vram_plugins.readers.shell_documents import documents
from vram_plugins.readers.shell_elsewhere import on_cluster, starts_ray, with_flags, with_own
from vram_plugins.readers.shell_flow import Started
from vram_plugins.readers.shell_launched import Launched
from vram_plugins.readers.shell_programs import launched_by
from vram_plugins.readers.shell_run import started_by
from vram_plugins.readers.shell_settled import SERVES, settled
from vram_plugins.readers.shell_values import shown, unknown
from vram_plugins.readers.shell_words import END, UNKNOWN, UNSET
from vram_plugins.readers.slurm import Allocation, allocation_of

_BRACED = re.compile(r"\$\{[^{}\n]{1,80}\}")
_SHELLS = {"bash", "sh", "zsh", "dash"}
_MOST_SERVERS = 1000  # of a file that anybody reads
_WHOLE_TEXTS = {"python", "python3"}
_MAX_FLAGS = re.compile(r"--(?:max-model-len|tensor-parallel-size|gpu-memory-utilization|served-model-name)(?:=.*)?")


@frozen(kw_only=True)
class Installed:
    """The release of vLLM on the machine, and whether it is whatever was the newest."""

    version: str | None = None
    newest: bool = False


def script_servers(
    text: DeploymentText,
    script: str,
    *,
    kind: str = "",
    variables: Mapping[str, str] | None = None,
    marked: bool = False,
    version: str | None = None,
) -> Iterator[FoundServer]:
    """The servers of a script (or of a command of some other file), in the order of their lines.

    `variables` are those that whoever starts it sets; lines count from the script's first. `marked` is for a text that is a word of
    another script's command; `version` what is installed where it says none.
    """
    allocation = allocation_of(script)
    install = Installed(version=pinned(script) or version, newest=unpinned(script))
    newlines = [match.start() for match in re.finditer("\n", script)]
    found: dict[tuple[int, tuple[str, ...]], FoundServer] = {}
    written: dict[str, str] = {}
    outside = text.beside
    text = evolve(text, beside=lambda name: written.get(name.removeprefix("./")) or outside(name))
    known = allocation.variables() if allocation else None
    spread = False
    for started in started_by(script, outside, variables, known, marked=marked):
        line = bisect_left(newlines, started.at) + 1
        written_files = documents(text, started, newlines, written) if started.document else ()
        launched = launched_by(started.words, allocation)
        for server in (
            *written_files,
            *_servers(text, started, launched, line, kind or ("slurm" if allocation else "shell"), install),
        ):
            key = (server.line, deciding(server.words) or (server.problem or "",))
            found.setdefault(key, server)
        if len(found) > _MOST_SERVERS:
            break
        spread = spread or starts_ray(started.words)
    for server in sorted(found.values(), key=lambda server: server.line):
        asks = ("--distributed-executor-backend", "ray") in pairwise(server.words)
        yield on_cluster(server, allocation) if spread or (asks and allocation) else server


def command_servers(
    text: DeploymentText,
    words: Sequence[str],
    *,
    line: int,
    kind: str,
    environment: Mapping[str, str],
    version: str | None = None,
    newest: bool = False,
) -> Iterator[FoundServer]:
    """The servers that one command starts, whose words are at hand; `environment` is what it gets, the rest what is installed.

    `${NAME}` in a word is a value that nothing tells.
    """
    marked = tuple(untold(word) for word in words)
    started = Started(marked, 0, lambda: dict(environment))
    yield from _servers(text, started, launched_by(marked, None), line, kind, Installed(version=version, newest=newest))


def untold(text: str) -> str:
    """A text of another file, in which `${NAME}` is a value that nothing tells, with marks for them."""
    return _BRACED.sub(lambda match: unknown(match[0]), text) if "${" in text else text


def deciding(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words by which two servers of one line differ: not ports, names and addresses."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip and not word.startswith("--"):
            skip = False
            continue
        name = word.split("=")[0]
        skip = (
            name in {"--port", "--host", "--served-model-name", "--api-key", "--uvicorn-log-level"} and "=" not in word
        )
        if not skip and name != "--port":
            kept.append(word)
    return tuple(kept)


def _servers(
    text: DeploymentText, started: Started, launched: Launched | None, line: int, kind: str, installed: Installed
) -> Iterator[FoundServer]:
    if launched is None:
        return
    if launched.script is not None:
        exported = {**started.environment(), **launched.environment}
        inside = script_servers(
            text, launched.script, kind=kind, variables=exported, marked=True, version=installed.version
        )
        for server in inside:
            yield _placed(server, line, launched.allocation)
        return
    argv = launched.argv
    if (
        argv[:1]
        and argv[0].startswith((UNKNOWN, UNSET))
        and argv[0].endswith(END)
        and argv[1:2] == ("serve",)
        and gives_flags(argv)
    ):
        argv = ("vllm", *argv[1:])  # `"${VLLM[@]}" serve …`: nothing else has the word and the flags
        launched = evolve(launched, argv=argv)
    if (code := _code(argv)) is not None:
        yield from (evolve(server, line=line) for server in text.within("command.py", shown(code), line))
        return
    evaluated = evaluation(argv) or own_program(argv)
    if evaluated is not None:
        argv = evaluated.words
    elif (others := list(with_own(launched, line, kind))) or not _may_serve(launched):
        yield from others or with_flags(launched, line, kind)
        return
    environment = launched.environment if launched.contained else {**started.environment(), **launched.environment}
    for file in launched.environment_files:
        environment = {**variables(text.beside(file)), **environment}
    words, assumed, problem = settled(argv)
    assumed = (*assumed, *(evaluated.assumed if evaluated else ()))
    allocation = launched.allocation
    gpus = launched.gpus if launched.gpus is not None else _visible(environment)
    image = launched.image or (allocation.image if allocation else None)
    process = Process(
        line=line,
        kind=kind,
        name=launched.name or (allocation.name if allocation else ""),
        argv=words,
        replaces=launched.replaces,
        image=image,
        vllm_version=None if image else installed.version,  # an image has its own
        newest=installed.newest,
        environment=environment,
        devices=launched.devices,
        gpu=allocation.gpu if allocation else None,
        gpus=gpus if gpus is not None else allocation.per_node if allocation else None,
        nodes=allocation.nodes if allocation else 1,
        assumed=(*assumed, *(allocation.assumed if allocation else ())),
        left_out=allocation.left_out if allocation else (),
        mounted=lambda name: _settings_beside(text, name),
    )
    found = list(servers(text, process))
    if problem is not None:
        found = [evolve(s, status="not_understood", problem=problem) if s.status != "not_vllm" else s for s in found]
    if not found and launched.image is not None and any(_MAX_FLAGS.fullmatch(word) for word in words):
        problem = (
            "runs an image that nothing here names" if "$" in launched.image else "runs an image that is not vLLM's own"
        )
        found = [FoundServer(line=line, kind=kind, name=process.name, status="not_understood", problem=problem)]
    elif not found and launched.image is not None and launched.image.startswith("{") and any(map(is_vllm_image, words)):
        problem = "is a template, which is no script before it is rendered"
        found = [FoundServer(line=line, kind=kind, name=process.name, status="not_understood", problem=problem)]
    yield from (evolve(server, line=line, offline=server.offline or evaluated is not None) for server in found)


def _code(argv: Sequence[str]) -> str | None:
    """The program of `python -c`, where it makes an engine."""
    python = re.fullmatch(r"python[\d.]*", argv[0].rsplit("/", 1)[-1]) if argv else None
    code = argv[argv.index("-c") + 1] if python and "-c" in argv[1:4] and argv[-1] != "-c" else ""
    return code if re.search(r"\bvllm\b", code) and re.search(r"\b(?:LLM|EngineArgs)\(", code) else None


def _settings_beside(text: DeploymentText, name: str) -> Text | None:
    """A file of flags (`--config`) beside a script."""
    content = text.beside(name) if name.endswith((".yaml", ".yml", ".json")) else None
    return text_at(content, 1) if content is not None else None


def _placed(server: FoundServer, line: int, allocation: Allocation | None) -> FoundServer:
    """A server of a text that a command gives to a shell, with what the command says of machines."""
    if allocation is None:
        return evolve(server, line=line)
    gpus = server.gpus if server.gpus is not None else allocation.per_node
    return evolve(server, line=line, gpu=server.gpu or allocation.gpu, gpus=gpus, nodes=allocation.nodes)


def _may_serve(launched: Launched) -> bool:
    """Whether a command can start a server: vLLM's words, a container, or another engine's program."""
    argv = launched.argv
    if launched.image is not None:  # a shell to type in serves nothing
        interactive = argv and argv[0].rsplit("/", 1)[-1] in _SHELLS
        return not interactive or any(word not in {"-l", "-i", "-il", "-li"} for word in argv[1:])
    if any(SERVES.fullmatch(word.rsplit("/", 1)[-1]) for word in argv):
        return True
    program = argv[0].rsplit("/", 1)[-1] if argv else ""
    if program in _WHOLE_TEXTS:
        return "-m" in argv[:4] and engine_of(None, argv[argv.index("-m") + 1 :][:1]) is not None
    serves = program not in {"ollama", "lmdeploy", "sglang", "llama"} or argv[1:2] in (("serve",), ("run",))
    return serves and not program.endswith((".sh", ".py")) and engine_of(None, (program,)) is not None


def _visible(environment: Mapping[str, str]) -> int | None:
    """The number of GPUs that a process is shown."""
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        value = environment.get(name, "").strip()
        if re.fullmatch(r"{0}(?:\s*,\s*{0})*".format(r"(?:\d{1,3}|(?:GPU|MIG)-[\w/-]+)"), value):
            return len(value.split(","))
    return None
