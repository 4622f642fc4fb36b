"""Kubernetes: every object that has a pod in it, LeaderWorkerSets over several machines, scripts in ConfigMaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.configs_beside import configs_beside, mounted_configs
from vram_plugins.readers.containers import Around, hardware, pod_servers
from vram_plugins.readers.documents import Block, Items, Text, empty, items_at, number
from vram_plugins.readers.helm_values import servers_of_values
from vram_plugins.readers.manifests import Manifest, around, looks_like_manifests, manifests

#: kinds that other readers know: their pods are templates, or say nothing of what is served
_OTHERS = {
    "InferenceService", "ServingRuntime", "ClusterServingRuntime", "LLMInferenceService", "LLMInferenceServiceConfig", "InferenceGraph",
    "VLLMRuntime", "VLLMRouter", "CacheServer", "RayService", "Kustomization", "Component", "CustomResourceDefinition",
    "DynamoGraphDeployment", "DynamoComponentDeployment",
}  # fmt: skip
_OF_KSERVE = {"InferenceService", "ServingRuntime", "ClusterServingRuntime", "InferenceGraph"}
_MAX_DEPTH = 14


class Kubernetes(DeploymentReader):
    """Objects with pods, whatever their kind."""

    name = "kubernetes"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return looks_like_manifests(text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = [one for one in manifests(text) if not _known_elsewhere(one)]
        pods = [pod for one in found for pod in pods_of(one.block)]
        return list(servers_in(text, found, around([*found, *configs_beside(text, found, pods)])))


def _known_elsewhere(one: Manifest) -> bool:
    """Whether another reader has a kind; a kind by the same name in a group of its own is an object with pods like any."""
    return one.group == "kubeai.org" or (one.kind in _OTHERS and (one.kind not in _OF_KSERVE or "kserve" in one.group))


def servers_in(text: DeploymentText, found: Sequence[Manifest], beside: Around) -> Iterator[FoundServer]:
    """The servers of objects with pods, and of scripts in ConfigMaps that no pod of the file mounts."""
    mounted: set[str] = set()
    for one in found:
        groups = list(_holding(one.block, "leaderWorkerTemplate"))
        clusters = list(_holding(one.block, "headGroupSpec"))
        if groups:
            for group in groups:
                yield from _leader_and_workers(text, one, group.block("leaderWorkerTemplate"), beside)
        elif one.group == "ray.io" or clusters:
            yield from _ray(text, one, clusters, beside)
        elif one.kind != "ConfigMap":
            for pod in pods_of(one.block):
                yield from pod_servers(text, pod, kind=one.kind, name=one.title, around=beside)
            yield from _values(text, one)
        mounted |= {name for pod in pods_of(one.block) for name in mounted_configs(pod)}
    for one in found:
        if one.kind == "ConfigMap" and one.name not in mounted:
            yield from _scripts(text, one)


def pods_of(node: Any, depth: int = 0) -> Iterator[Block]:
    """Every mapping below a node that has a list of containers with images, or commands."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, Items):
        for item in node:
            yield from pods_of(item, depth + 1)
    elif isinstance(node, Block):
        if any("image" in c or "command" in c or "args" in c for c in node.blocks("containers")):
            yield node
            return
        if "image" in node.block("container"):  # Argo's templates
            yield _pod_of_one(node, "container")
            return
        for value in node.values():
            yield from pods_of(value, depth + 1)


def _pod_of_one(node: Block, key: str) -> Block:
    pod = empty(node.line)
    for name, value in node.items():
        pod[name] = value
    pod["containers"] = items_at([node.block(key)], node.line_of(key))
    return pod


def _holding(node: Any, key: str, depth: int = 0) -> Iterator[Block]:
    """Every mapping below a node that has the key: a LeaderWorkerSet's is inside other kinds, too (DisaggregatedSet)."""
    if isinstance(node, Block) and isinstance(node.get(key), Block):
        yield node
    elif depth < _MAX_DEPTH and isinstance(node, Block | Items):
        for value in node.values() if isinstance(node, Block) else node:
            yield from _holding(value, key, depth + 1)


def _leader_and_workers(text: DeploymentText, one: Manifest, template: Block, beside: Around) -> Iterator[FoundServer]:
    """One server over `size` machines: the leader's words; workers only where the leader has none.

    A group without a `leaderTemplate` makes its leader of the `workerTemplate` (docs of lws.sigs.k8s.io).
    """
    nodes = number(template.get("size")) or 1
    group = {"LWS_GROUP_SIZE": str(nodes), "LWS_WORKER_INDEX": "0", "LWS_LEADER_ADDRESS": "leader"}
    inside = evolve(beside, environment={**beside.environment, **group})
    leaders = list(pods_of(template.get("leaderTemplate")))
    workers = list(pods_of(template.get("workerTemplate")))
    if "leaderTemplate" not in template:
        leaders, workers = workers, []
    served: list[FoundServer] = []
    for pods in (leaders, workers):
        served = [
            server
            for pod in pods
            for server in pod_servers(text, pod, kind=one.kind, name=one.title, around=inside, nodes=nodes)
            if pods is leaders or server.status != "not_understood"
        ]
        if served:
            break
    yield from served


def _ray(text: DeploymentText, one: Manifest, clusters: Sequence[Block], beside: Around) -> Iterator[FoundServer]:
    """A cluster's pods, which wait for work unless one of them starts a server over all; the command of a job."""
    for cluster in clusters or [one.block]:
        for pod in pods_of(cluster):
            for server in pod_servers(
                text, pod, kind=one.kind, name=one.title, around=beside, nodes=_machines(cluster)
            ):
                if server.status != "not_understood" or server.words:
                    yield server
    entrypoint = one.block.text("spec", "entrypoint")
    if isinstance(entrypoint, Text):
        for server in text.within("script.sh", entrypoint, entrypoint.line):
            yield evolve(server, kind=one.kind, name=one.title)


def _machines(cluster: Block) -> int:
    """The machines of a Ray cluster that have GPUs."""
    head = [
        h
        for pod in pods_of(cluster.get("headGroupSpec"))
        for c in pod.blocks("containers")
        if (h := hardware(c, pod)).gpus
    ]
    workers = [
        number(group.get("replicas")) or 1
        for group in cluster.blocks("workerGroupSpecs")
        if any(hardware(c, pod).gpus for pod in pods_of(group) for c in pod.blocks("containers"))
    ]
    return max(1, len(head) + sum(workers))


def _values(text: DeploymentText, one: Manifest) -> Iterator[FoundServer]:
    """Values of a chart in an object that installs it: Argo CD's Application, k3s' HelmChart, Flux' HelmRelease."""
    spec = one.block.block("spec")
    sources = [spec.block("source"), *spec.blocks("sources")]
    for value in (spec.get("valuesContent"), *(source.at("helm", "values") for source in sources)):
        if isinstance(value, Text) and "vllm" in value:
            for server in text.within("values.yaml", value, value.line):
                yield evolve(server, name=server.name or one.title)
    for value in (spec.get("values"), *(source.at("helm", "valuesObject") for source in sources)):
        if isinstance(value, Block) and not _known_chart(value):
            for server in servers_of_values(text, value):
                yield evolve(server, name=server.name or one.title)


def _known_chart(values: Block) -> bool:
    """Whether another reader looks for these values wherever they stand."""
    return "servingEngineSpec" in values or "modelArtifacts" in values


def _scripts(text: DeploymentText, config: Manifest) -> Iterator[FoundServer]:
    for key, value in config.block.block("data").items():
        if isinstance(value, Text) and ("vllm" in value or "model_loading_config" in value):
            for server in text.within(key, value, value.line):
                yield evolve(server, name=server.name or config.title)


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Kubernetes()
