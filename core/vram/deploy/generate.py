"""From an answer and what was asked to the files that deploy it."""

from __future__ import annotations

import hashlib
import os
import re

from vram.errors import InputError, OutputError, UnknownNameError
from vram.models.artifact import ArtifactRequest, GeneratedFile
from vram.models.estimate import DeploymentFacts, Estimate
from vram.models.platform import CUDA, CUDA_DEVICES, Devices
from vram.models.record import evolve
from vram.models.saved_request import SavedRequest, Serving, is_label
from vram.plugin.manager import Plugins, plugins
from vram.serving.words import Flag, as_flags, serve_flags_of
from vram.vllm.versions import parse_version

_NAME_LENGTH = 45
#: flags that say where and how a process runs; the artifacts set them themselves
_OWN_FLAGS = frozenset({
    "model", "port", "nnodes", "node-rank", "master-addr", "master-port", "headless", "data-parallel-rank",
    "data-parallel-address", "data-parallel-rpc-port", "data-parallel-size-local", "data-parallel-start-rank",
})  # fmt: skip
_SECRET_FLAGS = frozenset({"api-key", "hf-token"})


def artifact_request(estimate: Estimate, asked: SavedRequest) -> ArtifactRequest:
    """Everything an artifact needs. Raises InputError where flags contradict the version or the machines."""
    facts = estimate.deployment
    served, local = _served(estimate, asked)
    request = ArtifactRequest(
        estimate=estimate,
        asked=asked,
        model=served,
        local=local,
        name=asked.serving.name or label_of(asked.model or "vllm"),
        flags=_flags(facts, asked),
        notes=_predicted(estimate),
        devices=_devices(facts),
    )
    return evolve(request, nodes=_nodes(request))


def _devices(facts: DeploymentFacts) -> Devices:
    """How containers get the GPUs of the platform. Raises InputError where its plugin does not say."""
    if facts.platform == CUDA:
        return CUDA_DEVICES
    platform = plugins().platforms.get(facts.platform)
    if platform is None or platform.devices is None:
        problem = f"is of the platform {facts.platform!r}, whose plugin does not say how a container gets its GPUs"
        raise InputError(name="gpu", value=facts.gpu, problem=problem)
    return platform.devices


def render_files(registry: Plugins, kinds: tuple[str, ...], request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
    """The files of several kinds of artifact.

    Raises UnknownNameError for a kind no plugin gives, InputError where one cannot express the deployment, OutputError
    where two want the same file.
    """
    files: dict[str, GeneratedFile] = {}
    for kind in dict.fromkeys(kinds):
        artifact = registry.artifacts.get(kind)
        if artifact is None:
            raise UnknownNameError(kind="artifact", name=kind, known=tuple(registry.artifacts))
        if artifact.serves and request.model is None:
            problem = f"cannot be written as {kind} without a model that vLLM can load; give a Hub id or a folder"
            raise InputError(name="model", value=None, problem=problem)
        for file in artifact.render(request):
            if file.path in files:
                raise OutputError(path=file.path, problem=f"is not a file that artifact {kind!r} may write")
            files[file.path] = file
    return tuple(files.values())


def label_of(model: str) -> str:
    """A name for Kubernetes and compose from a model id or path: "vllm-qwen3-8b"; shortened ones end in a digest."""
    last = re.split(r"[/\\]", model.rstrip("/\\"))[-1]
    plain = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")
    label = f"vllm-{plain}".strip("-")
    if len(label) > _NAME_LENGTH:
        digest = hashlib.sha256(model.encode(errors="surrogatepass")).hexdigest()[:6]
        label = f"{label[: _NAME_LENGTH - 7].rstrip('-')}-{digest}"
    assert is_label(label)
    return label


def split_extra(
    words: tuple[str, ...], serving: Serving, *, keep_port: bool = False
) -> tuple[Serving, tuple[str, ...]]:
    """A pasted command's other flags taken into `serving`, and the spellings of secrets that were left out.

    The port becomes the serving's own unless `keep_port`; an API key becomes a reference.
    """
    kept: list[str] = []
    secrets: list[str] = []
    for flag in as_flags(words):
        name = flag[0].split("=", 1)[0].split(".", 1)[0].lstrip("-").replace("_", "-")
        if name in _SECRET_FLAGS:
            secrets.append("--" + name)
            serving = evolve(serving, requires_api_key=serving.requires_api_key or name == "api-key")
        elif name == "port":
            port = flag[-1].split("=")[-1]
            if not keep_port and port.isdecimal():
                serving = evolve(serving, port=int(port))
        elif name not in _OWN_FLAGS:
            kept += flag
    return evolve(serving, extra_flags=(*serving.extra_flags, *kept)), tuple(secrets)


def _served(estimate: Estimate, asked: SavedRequest) -> tuple[str | None, bool]:
    """What vLLM is told to serve, and whether it is a local path."""
    if asked.model is None:
        return None, False
    if not os.path.exists(asked.model) or estimate.model.source not in {"local", "graph"}:
        whole = "/" in asked.model and "://" not in asked.model  # else a name as people write it, or a page's address
        return asked.model if whole else estimate.model.id, False
    path = os.path.abspath(asked.model)
    return (os.path.dirname(path) if path.endswith(".json") else path), True


def _flags(facts: DeploymentFacts, asked: SavedRequest) -> tuple[Flag, ...]:
    version = parse_version(facts.vllm_version)
    sizes = {
        "tensor_parallel_size": facts.tensor_parallel_size,
        "pipeline_parallel_size": facts.pipeline_parallel_size,
        "data_parallel_size": facts.data_parallel_size,
    }
    parallel = {name: size for name, size in sizes.items() if size > 1 or name in asked.engine_args}
    if parallel:
        parallel = {"tensor_parallel_size": facts.tensor_parallel_size, **parallel}
    others = {name: value for name, value in asked.engine_args.items() if name not in sizes}
    flags = serve_flags_of({**parallel, **others}, version)
    if asked.revision:
        flags += (("--revision", asked.revision),)
    if asked.trust_remote_code:
        flags += (("--trust-remote-code",),)
    serving = asked.serving
    return (*flags, *as_flags(serving.extra_flags), ("--port", str(serving.port)))


def _nodes(request: ArtifactRequest) -> int:
    """Machines of `gpus_per_node` GPUs, each giving as many. Raises InputError."""
    most = request.serving.gpus_per_node
    gpus = request.gpus
    if gpus <= most:
        return 1
    if request.estimate.deployment.data_parallel_size > 1:
        problem = f"takes {gpus} GPUs where a machine has {most}; ask for the replicas of one machine and run it several times"
        raise InputError(
            name="data_parallel_size", value=request.estimate.deployment.data_parallel_size, problem=problem
        )
    return next(nodes for nodes in range(-(-gpus // most), gpus + 1) if gpus % nodes == 0)


def _predicted(estimate: Estimate) -> tuple[str, ...]:
    """Sentences for the head of a file: what was predicted, and loudly what will go wrong."""
    facts, verdict = estimate.deployment, estimate.verdict
    asked = f"{facts.concurrency:,} request{'s' * (facts.concurrency != 1)} of {facts.max_model_len:,} tokens"
    unsure = verdict.certainty == "borderline"
    if verdict.starts and verdict.fits:
        starts = "MAY NOT START, too close to be sure" if unsure else "starts"
        said = f"Predicted: {starts}; {asked} fit, and {estimate.kv_cache.tokens:,} tokens of KV cache."
        return (said, *estimate.left_out)
    found = f"starts, but {asked} DO NOT FIT" if verdict.starts else "MAY NOT START" if unsure else "DOES NOT START"
    failed = next((check for check in verdict.checks if not check.passed), None)
    return (f"Predicted: {found}.", *((failed.message,) if failed else ()), *estimate.left_out)
