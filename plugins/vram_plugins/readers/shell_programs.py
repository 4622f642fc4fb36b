"""From a command of a script to the process it starts: containers, launchers and wrappers taken off, with what they say of GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vram.models.record import evolve, field, frozen
from vram_plugins.readers.shell_clouds import cloud_run, hosted, machine_asked
from vram_plugins.readers.shell_values import shown
from vram_plugins.readers.slurm import Allocation, with_options

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
#: commands that only name others
_MENTIONING = frozenset(
    re.findall(
        r"\S+",
        "echo printf grep egrep fgrep rg ag pkill pgrep killall ps kill sed awk cat less head tail git log "
        "info warn error die print which whereis man type alias pip pip3 apt apt-get yum dnf brew "
        "conda-install curl wget test [ [[ cp mv ls rm mkdir chmod touch if find dpkg rpm tee wait trap cd "
        "pushd export return say figlet logger notify-send diff",
    )
)
#: what runs the rest of its words; with the options of each that take a word
_WRAPPERS = {
    "sudo": "-u -g -h -p -C -T -r -t",
    "exec": "-a",
    "nohup": "",
    "time": "-f -o",
    "env": "-u -C -S",
    "command": "",
    "setsid": "",
    "stdbuf": "-i -o -e",
    "nice": "-n",
    "ionice": "-c -n",
    "taskset": "-c -p",
    "numactl": "-N -m -C -i -p",
    "unbuffer": "",
    "tini": "",
    "dumb-init": "",
    "caffeinate": "",
    "proxychains": "-f",
    "proxychains4": "-f",
    "xvfb-run": "",
    "systemd-run": "-p -E -u --unit --slice --property --setenv --uid",
    "systemd-inhibit": "",
    "catchsegv": "",
    "strace": "-o -e",
    "nsys": "-o -t --trace --output",
    "timeout": "-s -k",
    "srun": "-N -n -c -w -p -t -A -J -G -o -e -C -q --nodes --ntasks --gres --gpus --nodelist --partition --time --account --cpus-per-task"
    " --ntasks-per-node --gpus-per-node --gpus-per-task --mem --export --output --error --job-name --container-image --container-mounts"
    " --container-name --container-workdir --qos --jobid --mpi --cpu-bind --gpu-bind --exclude --constraint --kill-on-bad-exit",
    "mpirun": "-n -np -H -x --host --hostfile -hostfile --map-by --bind-to -npernode",
    "mpiexec": "-n -np -H -x --host --hostfile",
    "gosu": "",
    "su-exec": "",
    "then": "",
    "do": "",
}
_RUNNERS = {"uv", "poetry", "pdm", "pipenv", "pixi", "hatch", "rye", "conda", "mamba", "micromamba"}
_RUNNER_VALUES = frozenset(
    [
        "-n",
        "--name",
        "-p",
        "--python",
        "--prefix",
        "--with",
        "--project",
        "--directory",
        "--extra",
        "--group",
        "--env-file",
        "-e",
        "--index",
        "--index-url",
        "--extra-index-url",
        "--torch-backend",
        "--with-requirements",
        "--cwd",
        "--manifest-path",
        "--from",
        "--package",
        "--cache-dir",
    ]
)
_ENGINES = {"docker", "podman", "nerdctl", "docker.io", "nvidia-docker", "podman-hpc"}
_SANDBOXES = {"apptainer", "singularity"}
#: docker run's options without a value; every other takes one (docker's container_run.md)
_SWITCHES = frozenset(
    [
        "--detach",
        "--interactive",
        "--tty",
        "--rm",
        "--init",
        "--privileged",
        "--read-only",
        "--no-healthcheck",
        "--publish-all",
        "--oom-kill-disable",
        "--sig-proxy",
        "--disable-content-trust",
        "--quiet",
        "--use-api-socket",
        "--replace",
        "--tls-verify",
        "--rmi",
        "--no-hosts",
        "--systemd-always",
        "--env-host",
        "--http-proxy",
    ]
)
_SANDBOX_SWITCHES = frozenset(
    [
        "--nv",
        "--nvccli",
        "--rocm",
        "--contain",
        "-c",
        "--containall",
        "-C",
        "--cleanenv",
        "-e",
        "--fakeroot",
        "-f",
        "--writable-tmpfs",
        "--writable",
        "-w",
        "--no-home",
        "--no-init",
        "--no-umask",
        "--disable-cache",
        "--compat",
        "--userns",
        "-u",
        "--ipc",
        "-i",
        "--pid",
        "-p",
        "--uts",
        "--net",
        "-n",
        "--allow-setuid",
        "--keep-privs",
        "--no-privs",
        "--no-eval",
        "--unsquash",
        "--sharens",
        "--vm-err",
        "--oci",
        "--no-oci",
    ]
)


@frozen(kw_only=True)
class Launched:
    """What a command starts; `argv` may hold marks. `script` is a text for a shell that it passes on (`ssh host '…'`)."""

    argv: tuple[str, ...] = ()
    image: str | None = None
    name: str = ""
    replaces: bool = False
    contained: bool = False
    environment: dict[str, str] = field(factory=dict, repr=False)
    environment_files: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: int | None = None
    allocation: Allocation | None = None
    script: str | None = None


def launched_by(words: Sequence[str], allocation: Allocation | None) -> Launched | None:
    """What a command's words start, None for a command that only mentions others."""
    return _peeled(Launched(argv=tuple(words), allocation=allocation), 0)


def _peeled(found: Launched, depth: int) -> Launched | None:
    """One layer after the other taken off."""
    environment = dict(found.environment)
    argv = list(found.argv)
    while argv and (match := _ASSIGNED.fullmatch(argv[0])):
        environment[match[1]] = shown(match[2])
        argv.pop(0)
    found = evolve(found, argv=tuple(argv), environment=environment)
    if not argv or depth > 8:
        return found
    program = argv[0].rsplit("/", 1)[-1]
    if program in _MENTIONING or program.lower() == "usage:" or program in {"pip", "python3-pip"}:
        return None
    if program in _WRAPPERS:
        return _peeled(_unwrapped(found, program), depth + 1)
    if (program in _RUNNERS and argv[1:2] in (["run"], ["tool"], ["exec"])) or program == "uvx":
        rest = argv[1:] if program == "uvx" else argv[3:] if argv[1] == "tool" else argv[2:]
        return _peeled(evolve(found, argv=tuple(_behind(rest, _RUNNER_VALUES))), depth + 1)
    if program in _ENGINES:
        return _container(found, argv, depth)
    if program in _SANDBOXES and argv[1:2] in (["exec"], ["run"], ["instance"]):
        return _sandbox(found, argv, depth)
    if program in {"kubectl", "oc"}:
        return _pod(found, argv)
    if program == "shifter":
        image = next((w.split("=", 1)[1] for w in argv if w.startswith("--image=")), None)
        return _peeled(evolve(found, argv=tuple(_behind(argv[1:], frozenset({"--env"}))), image=image), depth + 1)
    deployed = cloud_run(argv) if program == "gcloud" else None
    if program in {"runpodctl", "vastai"}:
        deployed = hosted(program, argv)
    if deployed is not None:
        return evolve(
            found,
            argv=deployed.argv,
            image=shown(deployed.image),
            name=shown(deployed.name),
            replaces=deployed.replaces,
            contained=True,
            environment={name: shown(value) for name, value in deployed.environment.items()},
            allocation=deployed.allocation,
        )
    return _passed_on(found, program, argv, depth)


def _behind(words: Sequence[str], values: frozenset[str] | set[str]) -> list[str]:
    """The words behind options, of which `values` take a word."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        if words[index] == "--":
            index += 1
            break
        index += 1 + (words[index] in values)
    return list(words[index:])


def _unwrapped(found: Launched, program: str) -> Launched:
    argv = found.argv
    rest = _behind(argv[1:], set(_WRAPPERS[program].split()))
    options = argv[1 : len(argv) - len(rest)]
    if program == "srun":
        allocation = with_options(found.allocation or Allocation(), options)
        held = allocation.image or found.image
        return evolve(
            found, argv=tuple(rest), image=held, contained=held is not None, replaces=True, allocation=allocation
        )
    if program in {"timeout", "gosu", "su-exec", "taskset"} and rest:
        rest = rest[1:] if program != "taskset" or not set(options) & {"-c", "--cpu-list"} else rest
    if program == "nsys" and rest[:1] == ["profile"]:
        rest = _behind(rest[1:], {"-o", "-t", "--trace", "--output"})
    return evolve(found, argv=tuple(rest))


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        yield name, value if equals else words[index + 1] if index + 1 < len(words) else ""


def _container(found: Launched, argv: Sequence[str], depth: int) -> Launched | None:
    """`docker run` and `docker exec`."""
    rest = _behind(argv[1:], {"-H", "--host", "--context", "--log-level"})
    if rest[:1] == ["container"]:
        rest = rest[1:]
    if rest[:1] == ["compose"]:
        rest = _behind(rest[1:], {"-f", "--file", "-p", "--project-name", "--profile", "--env-file"})
        if rest[:1] == ["run"]:
            return None  # its words go to a service, which the compose file tells
    if rest[:1] == ["exec"]:
        inner = _behind(rest[1:], {"-e", "--env", "-u", "--user", "-w", "--workdir", "--env-file"})
        return _peeled(evolve(found, argv=tuple(inner[1:])), depth + 1)
    if rest[:1] not in (["run"], ["create"]):
        return None
    options, behind = _docker_options(rest[1:])
    environment: dict[str, str] = {}
    entrypoint: list[str] = []
    for name, value in options:
        if name in {"-e", "--env"} and (match := _ASSIGNED.fullmatch(value)):
            environment[match[1]] = shown(match[2])
        elif name in {"-e", "--env"} and value in found.environment:
            environment[value] = found.environment[value]
        elif name == "--entrypoint":
            entrypoint = value.split()
    given = dict(options)
    argv_inside = (*entrypoint, *behind[1:])
    inside = evolve(
        found,
        argv=argv_inside,
        image=shown(behind[0]) if behind else None,
        name=shown(given.get("--name", "")),
        replaces="--entrypoint" in given,
        contained=True,
        environment=environment,
        environment_files=tuple(shown(v) for n, v in options if n == "--env-file"),
        devices=tuple(shown(v) for n, v in options if n == "--device"),
        gpus=_asked(given.get("--gpus"), [v for n, v in options if n == "--device"]),
    )
    return inside


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


def _sandbox(found: Launched, argv: Sequence[str], depth: int) -> Launched | None:
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
            environment |= {m[1]: shown(m[2]) for pair in value.split(",") if (m := _ASSIGNED.fullmatch(pair))}
    if not rest:
        return None
    image = _pulled(shown(rest.pop(0)).removeprefix("docker://"))
    if verb in {"start", "run"} and verb == "start":
        return None
    inside = evolve(
        found, argv=tuple(rest), image=image, environment=environment, contained=True, replaces=verb == "exec"
    )
    if verb != "exec":
        return inside
    peeled = _peeled(evolve(inside, contained=False), depth + 1)
    return evolve(peeled, contained=True) if peeled is not None else None


def _pulled(image: str) -> str:
    """The image that a file holds under the name that `apptainer pull` gives it: NAME_TAG.sif."""
    match = re.fullmatch(r"(?:.*/)?(?:vllm[_-])?vllm-openai_(v\d+\.\d+\.\d+)\.(?:sif|simg|img)", image)
    return f"vllm/vllm-openai:{match[1]}" if match else image


def _pod(found: Launched, argv: Sequence[str]) -> Launched | None:
    """`kubectl run NAME --image=… -- words`, and `kubectl exec … -- words`."""
    words = list(argv[1:])
    behind = words[words.index("--") + 1 :] if "--" in words else []
    verb = next((w for w in words if w in {"run", "exec", "create", "apply"}), "")
    if verb == "exec":
        return evolve(found, argv=tuple(behind))
    if verb != "run":
        return None
    options = words[: words.index("--")] if "--" in words else words
    environment = {m[1]: shown(m[2]) for n, v in _pairs(options) if n == "--env" and (m := _ASSIGNED.fullmatch(v))}
    image = next((v for n, v in _pairs(options) if n == "--image"), None)
    name = options[options.index("run") + 1] if options.index("run") + 1 < len(options) else ""
    limit = next(
        (m for n, v in _pairs(options) if n == "--limits" and (m := re.search(r"nvidia\.com/gpu=(\d{1,3})", v))), None
    )
    return evolve(
        found,
        argv=tuple(behind),
        image=shown(image) if image else None,
        name=name if not name.startswith("-") else "",
        replaces="--command" in options,
        contained=True,
        environment=environment,
        gpus=int(limit[1]) if limit else None,
    )


#: programs that give a text of theirs to a shell, here or on another machine
_FOR_A_SHELL = frozenset(
    re.findall(
        r"\S+",
        "ssh tmux screen byobu zellij su runuser gnome-terminal konsole xterm sbatch script flock watch at batch parallel pm2 "
        "concurrently gcloud az aws doctl oci linode-cli hcloud lxc pct incus vagrant multipass fly flyctl vastai runpodctl brev sky "
        "pdsh pssh clush ansible wsl wsl.exe cmd.exe",
    )
)
_COMMAND = re.compile(r"\bvllm['\"]?\s+serve\b|vllm\.entrypoints|\bdocker\s+run\b|\.sh\b")


def _passed_on(found: Launched, program: str, argv: Sequence[str], depth: int) -> Launched:
    """A program of its own, or one that starts what is behind `--`, or that gives a text to a shell."""
    behind = tuple(argv[argv.index("--") + 1 :]) if "--" in argv else ()
    if behind and behind[0].rsplit("/", 1)[-1] in _ENGINES | _SANDBOXES | _RUNNERS | _WRAPPERS.keys():
        return _peeled(evolve(found, argv=behind), depth + 1) or found  # `dotenvx run -- docker run …`
    if program == "vllm" and tuple(argv[1:4]) == ("bench", "sweep", "serve"):  # it starts a server of each kind itself
        served = next((value for name, value in _pairs(argv) if name == "--serve-cmd"), "")
        return evolve(found, script=served) if served else found
    if program == "tmux" and any(re.match(r"kill-|has|ls$|list-|attach|capture-", word) for word in argv[1:3]):
        return found
    if program in _FOR_A_SHELL or program in {"bash", "sh", "zsh"}:
        for word in argv[1:]:
            if " " in word and _COMMAND.search(word):
                text = re.sub(r"^--(?:wrap|command)=", "", word)
                allocation = found.allocation
                if program == "sbatch":
                    allocation = with_options(allocation or Allocation(), argv[1:])
                elif program in {"aws", "gcloud", "az"}:
                    text, allocation = (
                        re.sub(r"^--[\w-]+=(?:startup-script=)?", "", text),
                        machine_asked(argv) or allocation,
                    )
                return evolve(found, script=text, allocation=allocation)
    return found
