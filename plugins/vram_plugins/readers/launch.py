"""From a process (its words, image and environment) to the servers it starts: vLLM's words, another engine, or why nothing is known.

Every reader of containers ends here. A shell's script is read by whoever reads shell scripts (`DeploymentText.within`), with the
container's variables exported in front of it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen
from vram.vllm.versions import parse_version
from vram_plugins.readers.config_file import with_config
from vram_plugins.readers.documents import Text, text_at
from vram_plugins.readers.engines import (
    device_of,
    engine_of,
    is_own_image,
    is_vllm_image,
    on_named_device,
    platform_of,
    runs_on,
)
from vram_plugins.readers.expand import plain
from vram_plugins.readers.splitting import split_words
from vram_plugins.readers.understood import NO_MODEL, understood
from vram_plugins.readers.wrappers import engine_words

_SHELLS = {"sh", "bash", "dash", "ash", "zsh"}
_MODULES = re.compile(
    r"dynamo\.vllm|vllm_tgis_adapter|vllm\.entrypoints\.(?:openai\.)?api_server|(?:.*/)?vllm/entrypoints/(?:openai/)?api_server\.py"
)
_CLI = re.compile(r"vllm\.entrypoints\.cli\.main|vllm")
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
_ENDS = {"&&", "||", ";", "|", "&"}
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_UNSET = re.compile(r"\$\w+|\$\{\w+\}")
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


@frozen(kw_only=True)
class _Seen:
    """What the words of a process are: vLLM's flags, a script, or a program that is neither."""

    what: Literal["vllm", "script", "file", "other"]
    words: tuple[str, ...] = ()
    script: Text | None = None
    program: str = ""
    assumed: tuple[str, ...] = ()


def servers(text: DeploymentText, process: Process) -> Iterator[FoundServer]:
    """The servers a process starts, none where it is nobody's engine."""
    nvidia = process.gpu is not None or any("nvidia" in device.lower() for device in process.devices)
    yield from _started(text, process) if nvidia else on_named_device(text.path, _started(text, process))


def _started(text: DeploymentText, process: Process) -> Iterator[FoundServer]:
    seen = _seen(process)
    if seen.what == "file":
        script = process.mounted(seen.program)
        seen = evolve(seen, what="script", script=script) if script is not None else seen
    if seen.what == "script" and seen.script is not None:
        yield from _scripted(text, process, seen.script)
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


def _seen(process: Process) -> _Seen:
    """What the words start. Wrappers in front (`env`, `tini`, `numactl`, …) need no list: vLLM's own words are looked for."""
    argv = process.argv
    shell = _shell_script(argv)
    if shell is not None:
        return shell
    words = _serve_words(argv)
    if words is not None:
        return _as_vllm(words)
    one = argv[0] if len(argv) == 1 else ""
    if " " in one.strip() and re.match(r"\s*(?:exec\s+|[A-Z_]+=\S*\s+)*(?:\S*/)?(?:vllm|python3?)\s", one):
        return _Seen(what="script", script=text_at(str(one), getattr(one, "line", process.line)))
    bare = bool(argv) and argv[0].startswith("-")
    if argv and not process.replaces and (is_own_image(process.image) or (bare and is_vllm_image(process.image))):
        return _as_vllm(argv[1:] if argv[0] == "serve" else argv, process.image)
    if argv and argv[0].rsplit("/", 1)[-1] in _SHELLS and len(argv) > 1:
        return _Seen(what="file", program=next((w for w in argv[1:] if not w.startswith("-")), argv[0]))
    if argv and argv[0].endswith(".sh"):
        return _Seen(what="file", program=argv[0])
    return _Seen(what="other", program=argv[0] if argv else "")


def _as_vllm(words: Sequence[str], image: str | None = None) -> _Seen:
    whole, assumed = _split_words(words)
    if image is not None and not is_own_image(image):
        assumed = (*assumed, "the image starts vLLM's server with these arguments")
    return _Seen(what="vllm", words=whole, assumed=assumed)


def _shell_script(argv: Sequence[str]) -> _Seen | None:
    """The script behind `sh -c`."""
    for index, word in enumerate(argv[:-1]):
        if word.rsplit("/", 1)[-1] not in _SHELLS:
            if index > 3:  # a shell stands in front, behind `exec` or `tini --` at most
                break
            continue
        for option in range(index + 1, len(argv) - 1):
            if not argv[option].startswith(("-", "+")):
                break
            if re.fullmatch(r"-[a-z]*c[a-z]*", argv[option]):
                script = argv[option + 1]
                if len(script.split()) < 2 and len(argv) > option + 2:
                    # a shell would take the further words for its own: what is meant is one command
                    joined = " ".join(_requoted(word) for word in argv[option + 1 :])
                    script = text_at(joined, getattr(script, "line", 1))
                return _Seen(what="script", script=text_at(str(script), getattr(script, "line", 1)), program=word)
    return None


def _requoted(word: str) -> str:
    """A word as a script has it, its quotes back where they matter."""
    return shlex.quote(word) if set(word) & set("{}\"' ") and "$" not in word else word


def _serve_words(argv: Sequence[str]) -> Sequence[str] | None:
    """The words behind `vllm serve` or the module of vLLM's server, up to what ends a command."""
    for index, word in enumerate(argv):
        name = word.rsplit("/", 1)[-1]
        following = argv[index + 1] if index + 1 < len(argv) else ""
        start = None
        if name == "vllm" and following == "serve":
            start = index + 2
        elif _MODULES.fullmatch(word):
            start = index + 1
        elif word == "-m" and _CLI.fullmatch(following) and argv[index + 2 : index + 3] == ("serve",):
            start = index + 3
        if start is not None:
            rest = argv[start:]
            end = next((i for i, w in enumerate(rest) if w in _ENDS or re.match(r"\d?>", w)), len(rest))
            return engine_words(word, rest[:end])
    return None


def _split_words(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words apart where one holds a flag and its value (`- --max-model-len 8192`), which vLLM itself would refuse."""
    found: list[str] = []
    assumed: list[str] = []
    for word in words:
        quoted = re.fullmatch(r"(--[A-Za-z][\w.-]*=)(['\"])(.*)\2", word, re.DOTALL)
        if quoted is not None:
            found.append(quoted[1] + quoted[3])
            assumed.append(f"the quotes around the value of {quoted[1][:-1]} are none of it")
            continue
        match = re.fullmatch(r"(--?[A-Za-z][\w.-]*)\s+(.+)", word.strip(), re.DOTALL)
        if match is None:
            found.append(word)
            continue
        rest = match[2].strip()
        parts = [rest] if rest[:1] in "{[" else split_words(rest)
        found += [match[1], *parts]
        assumed.append(f"{match[1]} and its value are two words (they stand as one, which vLLM does not take)")
    return tuple(found), tuple(assumed)


def _scripted(text: DeploymentText, process: Process, script: Text) -> Iterator[FoundServer]:
    """The servers of a script, with what the container says of them."""
    exports = "".join(
        f"export {name}={shlex.quote(value)}; "
        for name, value in process.environment.items()
        if _NAME.fullmatch(name) and "\n" not in value and "\r" not in value and not _UNSET.fullmatch(value)
    )
    body = str(plain(script))
    started = [
        server
        for server in text.within("script.sh", exports + body, script.line)
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
            yield _vllm(inner, _Seen(what="vllm", words=server.words))
        else:
            yield from _told_by_script(inner, server)
    if started:
        return
    engine = engine_of(process.image, re.findall(r"[\w./:-]+", body)[:40]) if not is_vllm_image(process.image) else None
    if engine:
        yield _found(process, status="not_vllm", problem=f"runs {engine}")
    elif is_vllm_image(process.image) and _MAY_SERVE.search(body):
        yield from _not_told(process, "runs a script in which no `vllm serve` is understood")


def _told_by_script(process: Process, server: FoundServer) -> Iterator[FoundServer]:
    if server.status == "not_understood":
        yield from _not_told(process, server.problem or "is not understood")
    else:
        yield _found(process, status=server.status, problem=server.problem)


def _vllm(process: Process, seen: _Seen) -> FoundServer:
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
