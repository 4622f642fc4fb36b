"""From a command of a script to the process it starts: containers, launchers and wrappers taken off, with what they say of GPUs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vram.models.record import evolve
from vram_plugins.readers.shell_clouds import cloud_run, hosted, machine_asked
from vram_plugins.readers.shell_containers import ENGINES, SANDBOXES, contained
from vram_plugins.readers.shell_launched import ASSIGNED, Launched, behind, pairs
from vram_plugins.readers.shell_values import shown, unknown
from vram_plugins.readers.slurm import Allocation, with_options

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
    "xargs": "-I -i -P -n -L -d -a -E -s --max-procs --max-args --replace --delimiter --arg-file",
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


def launched_by(words: Sequence[str], allocation: Allocation | None) -> Launched | None:
    """What a command's words start, None for a command that only mentions others."""
    return _peeled(Launched(argv=tuple(words), allocation=allocation), 0)


def _peeled(found: Launched, depth: int) -> Launched | None:
    """One layer after the other taken off."""
    environment = dict(found.environment)
    argv = list(found.argv)
    while argv and (match := ASSIGNED.fullmatch(argv[0])):
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
        return _peeled(evolve(found, argv=tuple(behind(rest, _RUNNER_VALUES))), depth + 1)
    inside = contained(found, program, argv)
    if inside is not None and inside.launched is not None and inside.goes_on:
        held = inside.launched.contained  # words of a container's own are looked at as any command is
        peeled = _peeled(evolve(inside.launched, contained=False), depth + 1)
        return evolve(peeled, contained=held) if peeled is not None else None
    if inside is not None:
        return inside.launched
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


def _unwrapped(found: Launched, program: str) -> Launched:
    argv = found.argv
    rest = behind(argv[1:], set(_WRAPPERS[program].split()))
    options = argv[1 : len(argv) - len(rest)]
    if program == "srun":
        allocation = with_options(found.allocation or Allocation(), options)
        held = allocation.image or found.image
        return evolve(
            found, argv=tuple(rest), image=held, contained=held is not None, replaces=True, allocation=allocation
        )
    if program in {"timeout", "gosu", "su-exec", "taskset"} and rest:
        rest = rest[1:] if program != "taskset" or not set(options) & {"-c", "--cpu-list"} else rest
    if (
        program == "xargs"
        and (mark := next((re.sub(r"^-[Ii]", "", word) for word in options if word[:2] in {"-I", "-i"}), None))
        is not None
    ):
        mark = mark or next((word for word in options if not word.startswith("-")), "{}")
        rest = [word.replace(mark, unknown("$(xargs)")) for word in rest]
    if program == "nsys" and rest[:1] == ["profile"]:
        rest = behind(rest[1:], {"-o", "-t", "--trace", "--output"})
    return evolve(found, argv=tuple(rest))


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
    others = tuple(argv[argv.index("--") + 1 :]) if "--" in argv else ()
    if others and others[0].rsplit("/", 1)[-1] in ENGINES | SANDBOXES | _RUNNERS | _WRAPPERS.keys():
        return _peeled(evolve(found, argv=others), depth + 1) or found  # `dotenvx run -- docker run …`
    if program == "vllm" and tuple(argv[1:4]) == ("bench", "sweep", "serve"):  # it starts a server of each kind itself
        served = next((value for name, value in pairs(argv) if name == "--serve-cmd"), "")
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
