"""The clouds' own commands: the machine that one makes (`aws ec2 run-instances`, `gcloud compute instances create`, `az vm create`),
and a container that Google's Cloud Run runs (`gcloud run deploy`; gcloud's reference, "gcloud topic escaping" for `^;^a;b`), or a host
of single machines (`runpodctl`, `vastai create instance`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vram.models.record import field, frozen
from vram_plugins.readers.gpu_names import gpu_named, machine, uncertain
from vram_plugins.readers.slurm import Allocation
from vram_plugins.readers.splitting import split_words

_INSTANCE = {"--instance-type", "--machine-type", "--size", "--vm-size"}


@frozen(kw_only=True)
class Deployed:
    """A container by its image, with what it is given."""

    name: str
    image: str
    argv: tuple[str, ...]
    replaces: bool
    environment: dict[str, str] = field(factory=dict, repr=False)
    allocation: Allocation


def machine_asked(argv: Sequence[str]) -> Allocation | None:
    """The GPUs of the machine that a command makes; None where its options name no machine with any."""
    for name, value in _options(argv):
        if name in _INSTANCE and (held := machine(value)) is not None:
            return Allocation(gpu=held.gpu, gpus=held.count, assumed=uncertain(value, held.gpu))
        if name == "--accelerator" and (match := re.search(r"type=([\w.-]+)", value)):
            count = re.search(r"count=(\d{1,3})\b", value)
            return Allocation(gpu=gpu_named(match[1]), gpus=int(count[1]) if count else 1)
    return None


def cloud_run(argv: Sequence[str]) -> Deployed | None:
    """The container of `gcloud run deploy` or `gcloud run jobs create`; None for any other command."""
    words = [word for word in argv[1:] if not word.startswith("-") and word not in {"alpha", "beta"}]
    if words[:1] != ["run"] or not {"deploy", "create", "update"} & set(words[1:3]):
        return None
    options = dict(_options(argv))
    if not options.get("--image"):
        return None
    command, given = (_listed(options.get(name, "")) for name in ("--command", "--args"))
    variables = (one.partition("=") for one in _listed(options.get("--set-env-vars", "")))
    kind, count = options.get("--gpu-type", ""), options.get("--gpu", "")
    gpus = int(count) if re.fullmatch(r"[1-9]\d?", count) else None
    # Cloud Run gives an NVIDIA L4 where no type is said
    gpu = gpu_named(kind) if kind else "L4" if gpus else None
    verb = next(index for index, word in enumerate(words) if word in {"deploy", "create", "update"})
    return Deployed(
        name=words[verb + 1] if len(words) > verb + 1 else "",
        image=options["--image"],
        argv=(*command, *given),
        replaces=bool(command),
        environment={name: value for name, equals, value in variables if equals},
        allocation=Allocation(gpu=gpu, gpus=gpus),
    )


def hosted(program: str, argv: Sequence[str]) -> Deployed | None:
    """The container of `runpodctl create pod`, `runpodctl template create` or `vastai create instance`; None for any other command."""
    options = {name.lower().replace("-", ""): value for name, value in _options(argv)}
    image = options.get("image") or options.get("imagename")
    if "create" not in argv[1:4] or not image:
        return None
    entry = options.get("dockerentrypoint") or options.get("entrypoint") or ""
    if program == "vastai" and "--args" in argv:  # what stands behind it is the container's
        words = tuple(argv[list(argv).index("--args") + 1 :])
    else:
        given = next(
            (options[key] for key in ("dockerstartcmd", "dockerargs", "args", "onstartcmd") if key in options), ""
        )
        # RunPod's command is a list by commas where an entrypoint is given beside it
        words = tuple(given.split(",", 1) if entry and given.startswith("-c,") else split_words(given))
        if "onstartcmd" in options and given == options["onstartcmd"]:
            entry, words = "/bin/sh", ("-c", given)
    kind, count = options.get("gputype") or options.get("gpuid") or "", options.get("gpucount", "")
    return Deployed(
        name=options.get("name", ""),
        image=image,
        argv=(*entry.split(","), *words) if entry else words,
        replaces=bool(entry),
        allocation=Allocation(gpu=gpu_named(kind), gpus=int(count) if count.isdecimal() and len(count) < 3 else None),
    )


def _listed(value: str) -> list[str]:
    """A list by commas, or by what stands between two `^` before it."""
    if match := re.match(r"\^([^^]{1,8})\^", value):
        return value[match.end() :].split(match[1])
    return value.split(",") if value else []


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            yield name, value if equals else argv[index + 1] if index + 1 < len(argv) else ""
