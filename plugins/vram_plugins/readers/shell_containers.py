"""Containers that a script's commands start: Docker's kin, Apptainer, enroot, Shifter, Kubernetes' `run`, and what the images get."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from vram.models.record import evolve
from vram_plugins.readers.shell_launched import ASSIGNED, Launched, behind, pairs
from vram_plugins.readers.shell_values import shown

ENGINES = {"docker", "podman", "nerdctl", "docker.io", "nvidia-docker", "podman-hpc"}
SANDBOXES = {"apptainer", "singularity"}
#: docker run's options without a value; every other takes one (docker's container_run.md)
_SWITCHES = frozenset(
    re.findall(
        r"\S+",
        "--detach --interactive --tty --rm --init --privileged --read-only --no-healthcheck --publish-all "
        "--oom-kill-disable --sig-proxy --disable-content-trust --quiet --use-api-socket --replace --tls-verify --rmi "
        "--no-hosts --systemd-always --env-host --http-proxy --no-resolve-image --with-registry-auth",
    )
)
#: options of `enroot start` that take a word
_ENROOT_VALUES = {"-c", "--conf", "-e", "--env", "--rc", "-m", "--mount"}
_SANDBOX_SWITCHES = frozenset(
    re.findall(
        r"\S+",
        "--nv --nvccli --rocm --contain -c --containall -C --cleanenv -e --fakeroot -f --writable-tmpfs --writable -w "
        "--no-home --no-init --no-umask --disable-cache --compat --userns -u --ipc -i --pid -p --uts --net -n "
        "--allow-setuid --keep-privs --no-privs --no-eval --unsquash --sharens --vm-err --oci --no-oci",
    )
)


class Contained(NamedTuple):
    """What a container's command starts; `goes_on` where its words are a command that may start others. None: nothing."""

    launched: Launched | None
    goes_on: bool = False


def contained(found: Launched, program: str, argv: Sequence[str]) -> Contained | None:
    """What a command of this program starts, None where it is nobody's that makes containers."""
    if program in ENGINES:
        return _docker(found, argv)
    if program in SANDBOXES and argv[1:2] in (["exec"], ["run"], ["instance"]):
        return _sandbox(found, argv)
    if program == "enroot" and argv[1:2] == ["start"]:
        return Contained(_enroot(found, argv[2:]))
    if program in {"kubectl", "oc"}:
        return Contained(_pod(found, argv))
    if program == "shifter":
        image = next((w.split("=", 1)[1] for w in argv if w.startswith("--image=")), None)
        inside = tuple(behind(argv[1:], frozenset({"--env"})))
        return Contained(evolve(found, argv=inside, image=image), goes_on=True)
    return None


def _docker(found: Launched, argv: Sequence[str]) -> Contained:
    """`docker run` and `docker exec`."""
    rest = behind(argv[1:], {"-H", "--host", "--context", "--log-level"})
    if rest[:1] == ["container"]:
        rest = rest[1:]
    if rest[:1] == ["compose"]:
        rest = behind(rest[1:], {"-f", "--file", "-p", "--project-name", "--profile", "--env-file"})
        if rest[:1] == ["run"]:
            return Contained(None)  # its words go to a service, which the compose file tells
    if rest[:1] == ["exec"]:
        inner = behind(rest[1:], {"-e", "--env", "-u", "--user", "-w", "--workdir", "--env-file"})
        return Contained(evolve(found, argv=tuple(inner[1:])), goes_on=True)
    if rest[:2] == ["service", "create"]:
        rest = rest[1:]
    if rest[:1] not in (["run"], ["create"]):
        return Contained(None)
    options, words = _docker_options(rest[1:])
    environment: dict[str, str] = {}
    entrypoint: list[str] = []
    for name, value in options:
        if name in {"-e", "--env"} and (match := ASSIGNED.fullmatch(value)):
            environment[match[1]] = shown(match[2])
        elif name in {"-e", "--env"} and value in found.environment:
            environment[value] = found.environment[value]
        elif name == "--entrypoint":
            entrypoint = value.split()
    given = dict(options)
    argv_inside = (*entrypoint, *words[1:])
    inside = evolve(
        found,
        argv=argv_inside,
        image=shown(words[0]) if words else None,
        name=shown(given.get("--name", "")),
        replaces="--entrypoint" in given,
        contained=True,
        environment=environment,
        environment_files=tuple(shown(v) for n, v in options if n == "--env-file"),
        devices=tuple(shown(v) for n, v in options if n == "--device"),
        gpus=_asked(given.get("--gpus"), [v for n, v in options if n == "--device"]),
    )
    return Contained(inside)


def _docker_options(words: Sequence[str]) -> tuple[list[tuple[str, str]], Sequence[str]]:
    """The options of `docker run` with their values, and the words from the image on."""
    found: list[tuple[str, str]] = []
    index = 0
    while index < len(words) and (words[index].startswith("-") or not words[index].strip()):
        word = words[index]
        index += 1
        name, equals, value = word.partition("=")
        if not word.strip() or word == "--" or name in _SWITCHES or re.fullmatch(r"-[ditPq]+", word):
            continue
        if equals:
            found.append((name, value))
        elif not word.startswith("--") and len(word) > 2:
            cluster = re.match(r"-[ditPq]*([a-zA-Z])(.*)", word, re.DOTALL)
            value = cluster[2] if cluster else ""
            if not value and index < len(words):
                value = words[index]
                index += 1
            found.append((f"-{cluster[1]}" if cluster else word, value))
        elif index < len(words):
            found.append((word, words[index]))
            index += 1
    return found, words[index:]


def _asked(gpus: str | None, devices: Sequence[str]) -> int | None:
    """How many GPUs `--gpus` or CDI devices give; None for all of them."""
    value = (gpus or "").strip("\"'")
    if value.isascii() and value.isdecimal() and len(value) < 4:
        return int(value)
    if match := re.fullmatch(r"\"?device=([\w.,:-]+)\"?(?:,\"?capabilities=.*)?", value):
        return len([d for d in match[1].split(",") if d])
    if match := re.match(r"count=(\d{1,3})\b", value):
        return int(match[1])
    named = [d for d in devices if d.startswith("nvidia.com/gpu=")]
    return len(named) if named and "nvidia.com/gpu=all" not in named else None


def _sandbox(found: Launched, argv: Sequence[str]) -> Contained:
    """`apptainer exec --nv image words`; `run` gives them to the image's own entrypoint."""
    rest = list(argv[1:])
    verb = rest.pop(0)
    if verb == "instance":
        verb = rest.pop(0) if rest else ""
    environment = dict(found.environment)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in _SANDBOX_SWITCHES:
            continue
        if not equals and rest:
            value = rest.pop(0)
        if name == "--env":
            environment |= {m[1]: shown(m[2]) for pair in value.split(",") if (m := ASSIGNED.fullmatch(pair))}
    if not rest or verb == "start":
        return Contained(None)
    image = _pulled(shown(rest.pop(0)).removeprefix("docker://"))
    inside = evolve(
        found, argv=tuple(rest), image=image, environment=environment, contained=True, replaces=verb == "exec"
    )
    return Contained(inside, goes_on=verb == "exec")


def _enroot(found: Launched, words: Sequence[str]) -> Launched | None:
    """`enroot start [options] NAME|IMAGE words`, which the image's own entrypoint gets (enroot's doc/cmd/start.md and its docker.sh)."""
    environment = dict(found.environment)
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        if name not in _ENROOT_VALUES:
            continue
        value = value if equals else rest.pop(0) if rest else ""
        if name in {"-e", "--env"} and (match := ASSIGNED.fullmatch(value)):
            environment[match[1]] = shown(match[2])
    if not rest:
        return None
    image = _pulled(shown(rest[0]).rsplit("/", 1)[-1])
    return evolve(found, argv=tuple(rest[1:]), image=image, environment=environment, contained=True)


def _pulled(image: str) -> str:
    """The image that a file holds under the name that `apptainer pull` (NAME_TAG.sif) or `enroot import` (NAME+TAG.sqsh) gives it."""
    match = re.fullmatch(
        r"(?:.*/)?(?:vllm[_+-])?vllm-openai[_+](v\d+\.\d+\.\d+)(?:\.(?:sif|simg|img|sqsh|squashfs))?", image
    )
    return f"vllm/vllm-openai:{match[1]}" if match else image


def _pod(found: Launched, argv: Sequence[str]) -> Launched | None:
    """`kubectl run NAME --image=… -- words`, and `kubectl exec … -- words`."""
    words = list(argv[1:])
    inside = words[words.index("--") + 1 :] if "--" in words else []
    verb = next((w for w in words if w in {"run", "exec", "create", "apply"}), "")
    if verb == "exec":
        return evolve(found, argv=tuple(inside))
    if verb != "run":
        return None
    options = words[: words.index("--")] if "--" in words else words
    environment = {m[1]: shown(m[2]) for n, v in pairs(options) if n == "--env" and (m := ASSIGNED.fullmatch(v))}
    image = next((v for n, v in pairs(options) if n == "--image"), None)
    name = options[options.index("run") + 1] if options.index("run") + 1 < len(options) else ""
    limit = next(
        (m for n, v in pairs(options) if n == "--limits" and (m := re.search(r"nvidia\.com/gpu=(\d{1,3})", v))), None
    )
    return evolve(
        found,
        argv=tuple(inside),
        image=shown(image) if image else None,
        name=name if not name.startswith("-") else "",
        replaces="--command" in options,
        contained=True,
        environment=environment,
        gpus=int(limit[1]) if limit else None,
    )
