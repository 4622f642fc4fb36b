"""A container of Kubernetes' pod spec, and of what is written in its terms: image, words, variables, resources, nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen
from vram_plugins.readers.documents import Block, Items, Text, number, text_at
from vram_plugins.readers.engines import NO_GPUS
from vram_plugins.readers.expand import in_kubernetes
from vram_plugins.readers.gpu_names import by_label, mig, partition, uncertain, without_gpus
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.mounts import mounted_of

_GPU = "nvidia.com/gpu"
#: whole GPUs of other platforms that are modelled
_OTHER_GPUS = ("amd.com/gpu",)
_SHARE = re.compile(r"gpu-?mem|gpucores|vgpu|gpu-memory|cgpu", re.IGNORECASE)
_PARTITION_LABELS = ("cloud.google.com/gke-gpu-partition-size", "nvidia.com/mig.config")


@frozen(kw_only=True)
class Around:
    """What a pod's file has besides the pod: ConfigMaps by name, claim templates by name, variables that a controller sets."""

    configs: Mapping[str, Block] = field(factory=dict)
    claims: Mapping[str, Block] = field(factory=dict)
    environment: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Hardware:
    """The GPUs that a container gets: how many, of what name, and what could not be told."""

    gpu: str | None = None
    gpus: int | None = None
    devices: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def pod_servers(
    text: DeploymentText, pod: Block, *, kind: str, name: str, around: Around, nodes: int = 1
) -> Iterator[FoundServer]:
    """The servers of a pod's containers. Init containers end before these start, so that none of them serves."""
    for container in pod.blocks("containers"):
        process = process_of(container, pod, kind=kind, name=name, around=around, nodes=nodes)
        if process.image is None:  # a patch of an object that is somewhere else
            process = evolve(
                process, left_out=(*process.left_out, "what the object has that this one changes: it names no image")
            )
        yield from servers(text, process)


def process_of(container: Block, pod: Block, *, kind: str, name: str, around: Around, nodes: int = 1) -> Process:
    """What a container starts, and on what."""
    environment = {**around.environment, **environment_of(container, around)}
    held = hardware(container, pod, around)
    command, args = container.get("command"), container.get("args")
    argv = [*words_of(command), *words_of(args)]
    return Process(
        line=container.line,
        kind=kind,
        name=name,
        argv=tuple(text_at(in_kubernetes(word, environment), getattr(word, "line", container.line)) for word in argv),
        replaces=bool(words_of(command)),
        image=container.text("image"),
        environment=environment,
        devices=held.devices,
        gpu=held.gpu,
        gpus=held.gpus,
        nodes=nodes,
        assumed=held.assumed,
        left_out=held.left_out,
        mounted=mounted_of(container, pod, around.configs),
    )


def words_of(value: Any) -> list[str]:
    """Words of a list, or of a text where a list is asked for (charts take both)."""
    if isinstance(value, Items):
        return [item for item in value if isinstance(item, Text)]
    return [value] if isinstance(value, Text) and value.strip() else []


def environment_of(container: Block, around: Around) -> dict[str, str]:
    """Variables with their values, those of ConfigMaps in the same file among them; a secret's stay away."""
    found: dict[str, str] = {}
    for source in container.blocks("envFrom"):
        config = around.configs.get(source.text("configMapRef", "name") or "")
        for key, value in config.block("data").items() if config is not None else ():
            if isinstance(value, Text):
                found[f"{source.text('prefix') or ''}{key}"] = str(value)
    listed = container.get("env")
    if isinstance(listed, Block):  # charts take a mapping
        return {**found, **{key: str(value) for key, value in listed.items() if isinstance(value, Text)}}
    for variable in container.blocks("env"):
        name, value = variable.text("name"), variable.get("value")
        reference = variable.block("valueFrom", "configMapKeyRef")
        config = around.configs.get(reference.text("name") or "")
        if config is not None:
            value = config.at("data", reference.text("key") or "")
        if name and isinstance(value, Text):
            found[name] = in_kubernetes(value, {**around.environment, **found})
        elif name and "value" in variable and value is None:
            found[name] = ""
    return found


def hardware(container: Block, pod: Block, around: Around | None = None) -> Hardware:
    """The GPUs of a container: its resources, and what the pod's node selectors say of them."""
    asked = {**container.block("resources", "requests"), **container.block("resources", "limits")}
    devices = [key for key, value in asked.items() if value not in (None, "0")]
    devices += [
        path for volume in pod.blocks("volumes") if (path := volume.text("hostPath", "path") or "").startswith("/dev/")
    ]
    devices += [name for name in (pod.text("runtimeClassName"),) if name]
    gpus, slices, left_out = _counted(asked)
    if gpus is None and around is not None:
        gpus = _claimed(container, pod, around)
    gpu, more, beside = nodes_of(pod)
    devices += beside
    left_out += more
    if gpu is not None and " MIG " in gpu and slices:
        gpu = gpu.split(" MIG ")[0]
    if slices:
        whole = gpu
        gpu = mig(slices[0], whole)
        if gpu is None:
            left_out.append(f"the GPU, of which nothing says more than its slice {slices[0]}")
    assumed = [note for _, values in _selected(pod) for value in values for note in uncertain(value, gpu)]
    return Hardware(
        gpu=gpu, gpus=gpus, devices=tuple(devices), assumed=tuple(dict.fromkeys(assumed)), left_out=tuple(left_out)
    )


def _counted(asked: Mapping[str, Any]) -> tuple[int | None, list[str], list[str]]:
    """The number of GPUs or MIG slices, the slices, and limits of a share that nothing here models."""
    gpus: int | None = None
    slices: list[str] = []
    left_out: list[str] = []
    for key, value in asked.items():
        profile = partition(key)
        if profile and number(value):
            slices.append(profile)
            gpus = number(value)
        elif key in {_GPU, f"{_GPU}.shared", *_OTHER_GPUS} and gpus is None:
            gpus = number(value)
        elif _SHARE.search(key) and value is not None:
            left_out.append(f"{key}, which gives a share of a GPU's memory")
        if key == f"{_GPU}.shared":
            left_out.append("other processes on the same GPU, which is shared")
    return gpus or None, slices, left_out


def _claimed(container: Block, pod: Block, around: Around) -> int | None:
    """GPUs by dynamic resource allocation: a claim's template in the same file (resource.k8s.io)."""
    wanted = {claim.text("name") for claim in container.blocks("resources", "claims")}
    total = 0
    for claim in pod.blocks("resourceClaims"):
        template = around.claims.get(claim.text("resourceClaimTemplateName") or "")
        if claim.text("name") not in wanted or template is None:
            continue
        for request in template.blocks("spec", "spec", "devices", "requests"):
            exactly = request.block("exactly") or request
            if "gpu.nvidia.com" in (exactly.text("deviceClassName") or ""):
                total += number(exactly.get("count")) or 1
    return total or None


def nodes_of(pod: Block) -> tuple[str | None, list[str], list[str]]:
    """The GPU that a pod's node selectors and required affinity name, what was not understood, and the labels themselves."""
    names: list[str] = []
    left_out: list[str] = []
    labels: list[str] = []
    profile: str | None = None
    for key, values in _selected(pod):
        labels += [key, *values] if len(values) == 1 else [key]
        if key in _PARTITION_LABELS and len(values) == 1:
            profile = values[0].removeprefix("all-")
            continue
        if values and all(without_gpus(key, value) for value in values):
            labels.append(NO_GPUS)
        told = [by_label(key, value) for value in values]
        known = {name for one in told if one is not None and (name := one[0]) is not None}
        if len(known) > 1:
            left_out.append(f"the GPU, which may be any of {', '.join(sorted(known))}")
        elif len(known) == 1 and None not in told:
            names += known
        elif any(one is not None for one in told) and not known:
            left_out.append(f"the GPU of {key}, which is not known here")
    if len(set(names)) > 1:
        # a product label and an instance type agree, or nothing is known
        return None, [*left_out, f"the GPU, of which labels say {' and '.join(sorted(set(names)))}"], labels
    gpu = names[0] if names else None
    if gpu is not None:
        left_out = []
    if profile and re.fullmatch(r"\d+g\.\d+gb", profile):
        gpu = mig(profile, gpu)
    return gpu, left_out, labels


def _selected(pod: Block) -> Iterator[tuple[str, list[str]]]:
    for key, value in pod.block("nodeSelector").items():
        if isinstance(value, Text):
            yield key, [str(value)]
    required = pod.block("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    yield from selector_terms(required.blocks("nodeSelectorTerms"))


def selector_terms(terms: list[Block]) -> Iterator[tuple[str, list[str]]]:
    """Keys and values that node selector terms ask for."""
    merged: dict[str, list[str]] = {}
    for term in terms:
        for expression in term.blocks("matchExpressions"):
            key, values = expression.text("key"), expression.get("values")
            if key and expression.text("operator") in {"In", None} and isinstance(values, Items):
                merged.setdefault(key, []).extend(values.texts())
    yield from merged.items()
