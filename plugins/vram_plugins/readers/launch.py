"""From a process (its words, image and environment) to the servers it starts: vLLM's words, another engine, or why nothing is known.

Every reader of containers ends here. A shell's script is read by whoever reads shell scripts (`DeploymentText.within`), with the
container's variables exported in front of it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen
from vram.vllm.versions import parse_version
from vram_plugins.readers.config_file import with_config
from vram_plugins.readers.documents import Text
from vram_plugins.readers.engines import (
    device_of,
    engine_of,
    is_vllm_image,
    on_named_device,
    platform_of,
    runs_on,
)
from vram_plugins.readers.expand import plain
from vram_plugins.readers.launch_seen import Seen, seen_in
from vram_plugins.readers.understood import NO_MODEL, understood

_SHELLS = {"sh", "bash", "dash", "ash", "zsh"}
_PINNED = re.compile(r"\bvllm(?:\[[\w,-]*\])?==(\d+\.\d+\.\d+)")
#: the package by its name alone, and what stands between it and the word that installs it
_UNPINNED = re.compile(r"(?<=[\s\"'(\[])vllm(?:\[[\w,-]*\])?(?=[\s\"',)\]]|\Z)")
_INSTALLING = re.compile(r"install\b[^;&|]*\Z")
_MOST_NAMED, _NEAR = 200, 300
#: programs that people run in vLLM's image and that serve nothing
_CLIENTS = re.compile(
    r"sleep|tail|curl|wget|cat|echo|ls|hf|huggingface-cli|nvidia-smi|ray|git|aws|gsutil|gcloud|rclone|pytest|lm_eval|guidellm|genai-perf"
)
_CLIENT_SCRIPTS = re.compile(
    r"(?:.*/)?(?:benchmark|bench|test|client|download)[\w-]*\.py|vllm\.benchmarks.*|guidellm.*|lm_eval.*|dynamo\.(?!vllm).*"
)
#: what a script has in it that may start a server: vLLM's command, or a script by a telling name (those of Ray start none)
_MAY_SERVE = re.compile(
    r"\bvllm\s+serve\b|api_server|vllm\.entrypoints|dynamo\.vllm"
    r"|(?:^|[\s;&|])(?:[\w./-]*/)?(?!multi-node-serving|ray_|ray-)[\w-]{0,60}(?:serve|start|run|launch|entrypoint)[\w-]{0,60}\.(?:sh|py)\b"
)
#: flags that no other engine has
_TELLING = re.compile(
    r"--(?:gpu[-_]memory[-_]utilization|max[-_]num[-_](?:seqs|batched[-_]tokens)|enable[-_]prefix[-_]caching|enforce[-_]eager|compilation[-_]config)(?:=.*)?"
)
#: the variable that `--all2all-backend` took the place of (envs.py of 0.9 to 0.14 has it, that of 0.16 has not)
_EXCHANGE, _EXCHANGE_UNTIL = "VLLM_ALL2ALL_BACKEND", (0, 15, 0)
_MODEL_IN_FILE = "takes its model from the file of --config, which is not at hand"
_HELP = re.compile(r"-h|--help(?:=.*)?|-v|--version")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_UNSET = re.compile(r"\$\w+|\$\{\w+\}")
_VARIABLE = re.compile(r"\$\w|\$\{\w")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@frozen(kw_only=True)
class Process:
    """What is started where.

    `argv` with variables put in as far as the file sets them; `replaces` where it stands for the image's own entrypoint; `newest` where
    the file installs whatever release that is. `devices` are the names of what it asks for: resources, device files, accelerators.
    `mounted` gives a file that the deployment itself puts into the container.
    """

    line: int
    kind: str
    name: str = ""
    argv: tuple[str, ...] = ()
    replaces: bool = False
    image: str | None = None
    vllm_version: str | None = None
    newest: bool = False
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    devices: tuple[str, ...] = ()
    gpu: str | None = None
    gpus: int | None = None
    nodes: int = 1
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    mounted: Callable[[str], Text | None] = field(default=lambda _: None, eq=False, repr=False)


def servers(text: DeploymentText, process: Process) -> Iterator[FoundServer]:
    """The servers a process starts, none where it is nobody's engine."""
    nvidia = process.gpu is not None or any("nvidia" in device.lower() for device in process.devices)
    yield from _started(text, process) if nvidia else on_named_device(text.path, _started(text, process))


def _started(text: DeploymentText, process: Process) -> Iterator[FoundServer]:
    seen = seen_in(process.argv, image=process.image, replaces=process.replaces, line=process.line)
    if seen.what == "file":
        script = process.mounted(seen.program)
        seen = evolve(seen, what="script", script=script) if script is not None else seen
    if seen.what == "script" and seen.script is not None:
        yield from _scripted(text, process, seen.script, seen.words)
        return
    if seen.what == "vllm" or (not process.argv and is_vllm_image(process.image)):
        if not any(_HELP.fullmatch(word) for word in seen.words):
            yield _vllm(process, seen)
        return
    engine = engine_of(process.image, process.argv)
    if engine:
        yield _found(process, status="not_vllm", problem=f"runs {engine}")
    elif is_vllm_image(process.image) and not is_client(process.argv):
        yield from _not_told(process, f"runs {shown_program(seen.program)}, and what that starts is not in this file")
    elif any(_TELLING.fullmatch(word) for word in process.argv) and not is_client(process.argv):
        yield from _not_told(process, "gives vLLM's flags to an image that is not vLLM's own")


def is_client(argv: Sequence[str]) -> bool:
    """Whether a process asks a server, loads files or waits: a pod to look into, a benchmark."""
    name = argv[0].rsplit("/", 1)[-1] if argv else ""
    if name == "vllm":
        return argv[1:2] != ("serve",)
    scripts = [word for word in argv[1:4] if not word.startswith("-")]
    return _CLIENTS.fullmatch(name) is not None or any(_CLIENT_SCRIPTS.fullmatch(word) for word in scripts[:1])


def gives_flags(argv: Sequence[str]) -> str | None:
    """The program that gets flags which only vLLM has, by its name; None where there are none, and for a client."""
    if not any(_TELLING.fullmatch(word) for word in argv) or is_client(argv) or argv[0].startswith("-"):
        return None
    runs = re.fullmatch(r"(?:python|torchrun|accelerate)[\d.]*|(?:ba|da|z)?sh", argv[0].rsplit("/", 1)[-1])
    module = argv[argv.index("-m") + 1 :][:1] if runs and "-m" in argv[:4] else ()
    script = next((word for word in argv[1:] if word.endswith((".py", ".sh"))), argv[0]) if runs else argv[0]
    return shown_program(module[0] if module else script)


def _found(process: Process, **fields: Any) -> FoundServer:
    found = FoundServer(
        line=process.line,
        kind=process.kind,
        name=process.name,
        environment=process.environment,
        image=process.image,
        vllm_version=process.vllm_version,
        gpu=process.gpu,
        gpus=process.gpus,
        nodes=process.nodes,
        assumed=process.assumed,
        left_out=process.left_out,
    )
    return evolve(found, **fields)


def _not_told(process: Process, problem: str) -> Iterator[FoundServer]:
    device = device_of(process.image, process.argv, process.environment, process.devices)
    if device and not platform_of(device):
        yield _found(process, status="not_vllm", problem=runs_on(device))
    else:
        yield _found(process, status="not_understood", problem=problem)


def shown_program(program: str) -> str:
    """A program's name, never more of the file."""
    name = program.rsplit("/", 1)[-1]
    return name if re.fullmatch(r"[\w.+-]{1,40}", name) else "a program of its own"


def _scripted(text: DeploymentText, process: Process, script: Text, given: Sequence[str]) -> Iterator[FoundServer]:
    """The servers of a script, with what the container says of them; `given` are the script's arguments."""
    exports = "".join(
        f"export {name}={shlex.quote(value)}; "
        for name, value in process.environment.items()
        if _NAME.fullmatch(name) and "\n" not in value and "\r" not in value and not _UNSET.fullmatch(value)
    )
    body = str(plain(script))
    arguments = f"set -- {' '.join(map(_argument, given))}; " if given else ""
    started = [
        server
        for server in text.within("script.sh", exports + arguments + body, script.line)
        # another engine's name in a script is a mention; the container's image says what runs
        if server.status != "not_vllm" or not is_vllm_image(process.image) or "runs on" in (server.problem or "")
    ]
    for server in started:
        inner = evolve(
            process,
            line=server.line,
            environment={**process.environment, **server.environment},
            image=server.image or process.image,
            vllm_version=process.vllm_version or pinned(body) or server.vllm_version,
            newest=process.newest or unpinned(body),
            gpus=process.gpus if process.gpus is not None else server.gpus,
            nodes=max(process.nodes, server.nodes),
            assumed=(*process.assumed, *server.assumed),
            left_out=(*process.left_out, *server.left_out),
        )
        if server.status == "vllm":
            yield _vllm(inner, Seen(what="vllm", words=server.words))
        else:
            yield from _told_by_script(inner, server)
    if started:
        return
    engine = engine_of(process.image, re.findall(r"[\w./:-]+", body)[:40]) if not is_vllm_image(process.image) else None
    if engine:
        yield _found(process, status="not_vllm", problem=f"runs {engine}")
    elif is_vllm_image(process.image) and _MAY_SERVE.search(body):
        yield from _not_told(process, "runs a script in which no `vllm serve` is understood")


def _argument(word: str) -> str:
    """An argument of a script as a shell has it: a variable in it stays one, for nothing tells its value."""
    if not _VARIABLE.search(word):
        return shlex.quote(str(plain(word)))
    return '"' + re.sub(r"[\\\"`]", r"\\\g<0>", word) + '"'


def _told_by_script(process: Process, server: FoundServer) -> Iterator[FoundServer]:
    if server.status == "not_understood":
        yield from _not_told(process, server.problem or "is not understood")
    else:
        yield _found(process, status=server.status, problem=server.problem)


def _vllm(process: Process, seen: Seen) -> FoundServer:
    """vLLM's server with its words, or why they are not enough."""
    device = device_of(process.image, seen.words, process.environment, process.devices)
    platform = platform_of(device) if process.gpu is None else ""
    if device and not platform_of(device):
        return _found(process, status="not_vllm", problem=runs_on(device))
    if "--omni" in seen.words or "vllm-omni" in (process.image or ""):
        return _found(process, status="not_vllm", problem="runs vLLM-Omni, which is not modelled")
    words, left_out = with_config(seen.words, process.mounted)
    process = evolve(process, assumed=(*process.assumed, *seen.assumed), left_out=(*process.left_out, *left_out))
    read = understood(words, image=process.image, version=process.vllm_version, newest=process.newest)
    clean = tuple(plain(word) for word in words)
    if read.command is None:
        problem = _MODEL_IN_FILE if left_out and read.problem == NO_MODEL else read.problem
        return _found(process, status="not_understood", problem=problem, words=clean)
    told = process.vllm_version or read.version or read.command.vllm_version
    if told and parse_version(told) < _EXCHANGE_UNTIL and process.environment.get(_EXCHANGE):
        process = evolve(
            process, left_out=(*process.left_out, f"{_EXCHANGE}, whose buffers are not counted: the cache has less")
        )
    if read.version is None:
        return _found(process, words=clean, platform=platform)
    assumed = (*process.assumed, _older(read.version))
    return _found(process, words=clean, vllm_version=read.version, assumed=assumed, platform=platform)


def _older(version: str | None) -> str:
    return f"vLLM {version}, the newest release that takes these flags (nothing says which one runs)"


def on_release(server: FoundServer, version: str | None) -> FoundServer:
    """A server with the release that another part of its file installs, where its own part and its image say none."""
    chosen = _older(server.vllm_version)
    if version is None or server.image or (server.vllm_version is not None and chosen not in server.assumed):
        return server
    return evolve(server, vllm_version=version, assumed=tuple(one for one in server.assumed if one != chosen))


def pinned(script: str) -> str | None:
    """The version that a script installs (`pip install vllm==0.11.0`), where it is one."""
    found = set(_PINNED.findall(script))
    return found.pop() if len(found) == 1 else None


def unpinned(script: str) -> bool:
    """Whether a script installs vLLM without saying which release."""
    named = islice(_UNPINNED.finditer(script), _MOST_NAMED)
    return any(_INSTALLING.search(script, max(match.start() - _NEAR, 0), match.start()) for match in named)


def assigned(words: Sequence[str]) -> dict[str, str]:
    """Variables of words like `A=b` in front of a command or in a list of compose."""
    return {match[1]: match[2] for word in words if (match := _ASSIGNED.fullmatch(word))}
