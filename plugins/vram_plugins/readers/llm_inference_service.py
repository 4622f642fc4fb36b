"""KServe's LLMInferenceService: a model's URI, parallel sizes and a pod template, once to decode and once to prefill.

The controller's own templates (config/llmisvcconfig) run `vllm serve /mnt/models`, add the parallel sizes and what the service keeps in
CPU memory, and then the words of VLLM_ADDITIONAL_ARGS and of the container's `args`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.config_file import as_json
from vram_plugins.readers.containers import Around, process_of
from vram_plugins.readers.documents import Block, empty, items_at, number, text_at, truth
from vram_plugins.readers.engines import engine_of, is_vllm_image
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.llm_service_cache import kept_cache
from vram_plugins.readers.manifests import Manifest, around, looks_like_manifests, manifests
from vram_plugins.readers.merging import merged
from vram_plugins.readers.splitting import split_words
from vram_plugins.readers.storage import MODELS, stored_model

_CLAIM = "serving.kserve.io/exp-dra-"  # annotations by which the controller claims devices
_SIZES = (
    ("tensor", "--tensor-parallel-size"),
    ("pipeline", "--pipeline-parallel-size"),
    ("data", "--data-parallel-size"),
    ("dataLocal", "--data-parallel-size-local"),
)


class LLMInferenceService(DeploymentReader):
    """The servers of an LLMInferenceService."""

    name = "llm-inference-service"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "LLMInferenceService" in text.text and looks_like_manifests(text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(_servers(text))


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    found = manifests(text)
    beside = around(found)
    configs = {c.name: c.block.block("spec") for c in found if c.kind == "LLMInferenceServiceConfig"}
    for one in found:
        if one.kind != "LLMInferenceService":
            continue
        spec = _whole(one, configs)
        yield from _role(text, one, spec, spec, one.title, beside)
        if "prefill" in spec:
            yield from _role(text, one, spec, spec.block("prefill"), f"{one.title} prefill", beside)


def _whole(one: Manifest, configs: Mapping[str, Block]) -> Block:
    """A service over the configurations of the same file that it is based on; the others stay named."""
    spec = one.block.block("spec")
    base, missing = empty(spec.line), items_at((), spec.line)
    for reference in spec.blocks("baseRefs"):
        config = configs.get(reference.text("name") or "")
        base = merged(base, config, by_name=True) if config is not None else base
        missing += [] if config is not None else [reference]
    whole = merged(base, spec, by_name=True) if base else spec
    assert isinstance(whole, Block)
    if base:
        whole["baseRefs"] = missing
    return whole


def _role(
    text: DeploymentText, one: Manifest, spec: Block, role: Block, title: str, beside: Around
) -> Iterator[FoundServer]:
    """The server of one role: words of the controller's template, or those that the file gives instead."""
    pod = role.block("template")
    containers = pod.blocks("containers")
    container = _main(one, containers) or empty(role.line)
    process = process_of(container, pod, kind=one.kind, name=title, around=beside)
    claimed = number(one.block.at("metadata", "annotations", f"{_CLAIM}device-count"))
    process = evolve(process, line=container.line, nodes=_nodes(role), gpus=process.gpus or claimed)
    uri = spec.text("model", "uri")
    stored = stored_model(uri)
    model = stored.model if stored else MODELS
    if process.replaces:
        argv = [text_at(str(word).replace(MODELS, model), getattr(word, "line", process.line)) for word in process.argv]
        yield from servers(text, evolve(process, argv=tuple(argv)))
        return
    engine = engine_of(process.image, ())
    if engine:
        yield from servers(text, process)
        return
    extra = split_words(process.environment.get("VLLM_ADDITIONAL_ARGS", ""))
    words = ["vllm", "serve", model, *_sizes(role), *_speculator(spec), *kept_cache(role), *extra, *process.argv]
    yield from servers(text, _based(evolve(process, argv=tuple(words), replaces=True), spec))


def _main(one: Manifest, containers: Sequence[Block]) -> Block | None:
    """The container of the server: `main`, the one that the devices are claimed for, or the only one that is no sidecar."""
    target = one.block.text("metadata", "annotations", f"{_CLAIM}container-name")
    for name in ("main", target):
        found = next((c for c in containers if name and c.text("name") == name), None)
        if found is not None:
            return found
    serving = [c for c in containers if c.text("image") is None or is_vllm_image(c.text("image"))]
    return next(iter(serving or containers), None)


def _based(process: Process, spec: Block) -> Process:
    """A service may take its words from configurations that are somewhere else."""
    names = [base.text("name") or "" for base in spec.blocks("baseRefs")]
    if not names:
        return process
    return evolve(process, left_out=(*process.left_out, f"what baseRefs adds ({', '.join(names)})"))


def _sizes(role: Block) -> Iterator[str]:
    parallelism = role.block("parallelism")
    for key, flag in _SIZES:
        if (number(parallelism.get(key)) or 1) > 1:
            yield from (flag, str(parallelism.text(key)))
    if truth(parallelism.get("expert")):
        yield "--enable-expert-parallel"


def _speculator(spec: Block) -> Iterator[str]:
    """`spec.speculator`: a draft model and how it speculates."""
    speculator = spec.block("speculator")
    if not speculator:
        return
    config = as_json(speculator.block("config"))
    draft = stored_model(speculator.text("model", "uri"))
    if draft is not None:
        config["model"] = draft.model
    yield from ("--speculative-config", json.dumps(config))


def _nodes(role: Block) -> int:
    """Machines of one replica: data over dataLocal, or a pipeline's stages, where workers are asked for."""
    if "worker" not in role:
        return 1
    parallelism = role.block("parallelism")
    data, local = number(parallelism.get("data")), number(parallelism.get("dataLocal"))
    if data and local:
        return max(1, data // local)
    return number(parallelism.get("pipeline")) or 1


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return LLMInferenceService()
