"""vLLM production stack: the operator's VLLMRuntime, and `servingEngineSpec.modelSpec` in its chart's values.

Words as the operator (vllmruntime_controller.go) and the chart (templates/deployment-vllm-multi.yaml) write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.containers import Around, environment_of, hardware, words_of
from vram_plugins.readers.documents import Block, Items, documents, empty, number, truth
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.manifests import Manifest, looks_like_manifests, manifests

_LMCACHE = '{"kv_connector":"LMCacheConnectorV1","kv_role":"%s"}'
_MAX_DEPTH = 5


class VLLMRuntime(DeploymentReader):
    """Objects of the operator."""

    name = "vllm-runtime"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "VLLMRuntime" in text.text and looks_like_manifests(text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [
            server
            for one in manifests(text)
            if one.kind == "VLLMRuntime"
            for spec, name in _roles(one)
            for server in _runtime(text, one, spec, name)
        ]


class ProductionStack(DeploymentReader):
    """Values of the chart."""

    name = "production-stack"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "servingEngineSpec" in text.text and "modelSpec" in text.text

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found: list[FoundServer] = []
        for document in documents(text.path, text.text):
            for engine in _engines(document, 0):
                for spec in engine.blocks("modelSpec"):
                    if truth(spec.get("enabled")) is not False:
                        found += servers(text, _model_spec(spec))
        return found


def _roles(one: Manifest) -> Iterator[tuple[Block, str]]:
    """The runtime itself, or its prefill and its decode where `topology` parts them."""
    topology = one.block.block("spec", "topology")
    roles = [role for role in ("prefill", "decode") if isinstance(topology.get(role), Block)]
    for role in roles:
        yield topology.block(role), f"{one.title} {role}"
    if not roles:
        yield one.block.block("spec"), one.title


def _runtime(text: DeploymentText, one: Manifest, spec: Block, name: str) -> Iterator[FoundServer]:
    model, config, deployment = spec.block("model"), spec.block("vllmConfig"), spec.block("deploymentConfig")
    words = [model.text("modelURL") or "", *_switches(model)]
    words.append(
        "--enable-chunked-prefill" if truth(config.get("enableChunkedPrefill")) else "--no-enable-chunked-prefill"
    )
    words.append(
        "--enable-prefix-caching" if truth(config.get("enablePrefixCaching")) else "--no-enable-prefix-caching"
    )
    words += _valued(model, ("maxModelLen", "--max-model-len"), ("dtype", "--dtype"))
    words += _valued(config, ("tensorParallelSize", "--tensor-parallel-size"))
    words += _valued(model, ("maxNumSeqs", "--max-num-seqs"))
    words += _valued(config, ("gpuMemoryUtilization", "--gpu-memory-utilization"), ("maxLoras", "--max-loras"))
    words += words_of(config.get("extraArgs"))
    if truth(spec.at("lmCacheConfig", "enabled")):
        words += ["--kv-transfer-config", _LMCACHE % (spec.text("lmCacheConfig", "kvRole") or "kv_both")]
    resources = deployment.block("resources")
    kind = resources.text("gpuType") or "nvidia.com/gpu"
    pod = _placed(deployment)
    held = hardware(_asking(kind, resources.get("gpu")), pod)
    image = deployment.block("image")
    reference = "/".join(part for part in (image.text("registry"), image.text("name")) if part)
    yield from servers(
        text,
        Process(
            line=one.block.line if name == one.title else spec.line,
            kind=one.kind,
            name=name,
            argv=("vllm", "serve", *words),
            replaces=True,
            image=reference or None,
            environment=environment_of(config, Around()),
            devices=held.devices,
            gpu=held.gpu,
            gpus=held.gpus,
            left_out=held.left_out,
        ),
    )


def _model_spec(spec: Block) -> Process:
    config = spec.block("vllmConfig")
    words = [spec.text("modelURL") or "", *_switches(spec)]
    if "vllmConfig" in spec:
        if "enableChunkedPrefill" in config:
            chunked = truth(config.get("enableChunkedPrefill"))
            words.append("--enable-chunked-prefill" if chunked else "--no-enable-chunked-prefill")
        cached = truth(config.get("enablePrefixCaching"))
        words.append("--enable-prefix-caching" if cached else "--no-enable-prefix-caching")
    words += _valued(
        config,
        ("maxModelLen", "--max-model-len"),
        ("dtype", "--dtype"),
        ("tensorParallelSize", "--tensor-parallel-size"),
        ("pipelineParallelSize", "--pipeline-parallel-size"),
        ("maxNumSeqs", "--max-num-seqs"),
        ("gpuMemoryUtilization", "--gpu-memory-utilization"),
        ("maxLoras", "--max-loras"),
    )
    words += words_of(config.get("extraArgs"))
    if truth(spec.at("lmcacheConfig", "enabled")):
        words += ["--kv-transfer-config", _LMCACHE % (spec.text("lmcacheConfig", "kvRole") or "kv_both")]
    held = hardware(
        _asking(spec.text("requestGPUType") or "nvidia.com/gpu", spec.get("requestGPU"), spec), _placed(spec)
    )
    environment = environment_of(spec, Around())
    visible = spec.text("lmcacheConfig", "cudaVisibleDevices")
    if visible:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    if config.text("v0") == "1":
        environment["VLLM_USE_V1"] = "0"
    return Process(
        line=spec.line,
        kind="values",
        name=spec.text("name") or "",
        argv=("vllm", "serve", *words),
        replaces=True,
        image=":".join(part for part in (spec.text("repository"), spec.text("tag")) if part) or None,
        environment=environment,
        devices=(*held.devices, *(("device:cpu",) if spec.text("requestGPU") == "0" else ())),
        gpu=held.gpu,
        gpus=held.gpus,
        nodes=_nodes(spec),
        left_out=held.left_out,
    )


def _engines(node: Any, depth: int) -> Iterator[Block]:
    """`servingEngineSpec`, at the top or below the name of the chart that has this one inside."""
    if isinstance(node, Block) and depth <= _MAX_DEPTH:
        if isinstance(node.get("servingEngineSpec"), Block):
            yield node.block("servingEngineSpec")
            return
        for value in node.values():
            yield from _engines(value, depth + 1)


def _switches(model: Block) -> Iterator[str]:
    if truth(model.get("enableLoRA")):
        yield "--enable-lora"
    if truth(model.get("enableTool")):
        yield "--enable-auto-tool-choice"
    if model.text("toolCallParser"):
        yield from ("--tool-call-parser", model.text("toolCallParser") or "")


def _valued(block: Block, *keys: tuple[str, str]) -> Iterator[str]:
    for key, flag in keys:
        value = block.text(key)
        if value is not None and value not in {"", "0"}:
            yield from (flag, value)


def _asking(resource: str, count: Any, spec: Block | None = None) -> Block:
    """A container's resources as the chart and the operator write them."""
    limits = empty(1)
    if count is not None:
        limits[resource] = count
    for key in ("limitGPUMem", "limitGPUMemPercentage"):
        if spec is not None and key in spec:
            limits["nvidia.com/gpumem"] = spec[key]
    resources = empty(1)
    resources["limits"] = limits
    container = empty(1)
    container["resources"] = resources
    return container


def _placed(spec: Block) -> Block:
    """A pod that is kept to the nodes of `nodeSelectorTerms` or `nodeSelector`."""
    required, affinity, nodes, pod = empty(1), empty(1), empty(1), empty(1)
    required["nodeSelectorTerms"] = spec.get("nodeSelectorTerms") or Items()
    nodes["requiredDuringSchedulingIgnoredDuringExecution"] = required
    affinity["nodeAffinity"] = nodes
    pod["affinity"] = affinity
    pod["nodeSelector"] = spec.get("nodeSelector")
    return pod


def _nodes(spec: Block) -> int:
    """With Ray a server spans its workers, and the head where that has GPUs."""
    ray = spec.block("raySpec")
    if not ray:
        return 1
    head = 1 if (number(ray.at("headNode", "requestGPU")) or 0) > 0 else 0
    return max(1, (number(spec.get("replicaCount")) or 1) + head)


def runtime_reader() -> DeploymentReader:
    """The reader of the operator's objects, as the package names it first."""
    return VLLMRuntime()


def values_reader() -> DeploymentReader:
    """The reader of the chart's values, as the package names it first."""
    return ProductionStack()
