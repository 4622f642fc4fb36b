"""Ray Serve: `llm_configs` in a Serve config, in a RayService's `serveConfigV2` or in files of their own (ray.serve.llm.LLMConfig)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.errors import VramError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.config_file import flag_words, is_config
from vram_plugins.readers.containers import Around, Hardware, hardware
from vram_plugins.readers.documents import Block, Items, Text, documents
from vram_plugins.readers.engines import device_of, runs_on
from vram_plugins.readers.gpu_names import gpu_named, machine, uncertain
from vram_plugins.readers.kubernetes import pods_of
from vram_plugins.readers.launch import Process, pinned, servers

_MARKS = ("llm_configs", "model_loading_config", "serveConfigV2", "import_path")


class RayServe(DeploymentReader):
    """One server an LLMConfig."""

    name = "ray-serve"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return any(mark in text.text for mark in _MARKS) and not text.path.endswith((".py", ".md", ".ipynb"))

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [server for document in documents(text.path, text.text) for server in _servers(text, document)]


def _servers(text: DeploymentText, document: Block) -> Iterator[FoundServer]:
    if "model_loading_config" in document:
        yield from _config(text, document, document.line, Hardware())
    inner = document.text("spec", "serveConfigV2")
    if isinstance(inner, Text):
        held = _cluster(document)
        for config in documents(text.path, inner):
            yield from _applications(text, config, inner.line - 1, document, held)
    yield from _applications(text, document, 0, document, _machines(document))


def _machines(document: Block) -> Hardware:
    """The GPUs of an Anyscale service's machines, where all that have some have the same."""
    config = document.block("compute_config")
    nodes = [config.block("head_node"), *config.blocks("worker_nodes")]
    found = {held.gpu for node in nodes if (held := machine(node.text("instance_type") or "")) is not None}
    return Hardware(gpu=found.pop()) if len(found) == 1 else Hardware()


def _cluster(document: Block) -> Hardware:
    """The GPUs of a RayService's workers, where all groups that have some have the same, and whatever devices they have."""
    groups = document.blocks("spec", "rayClusterConfig", "workerGroupSpecs")
    every = [
        hardware(container, pod, Around())
        for group in groups
        for pod in pods_of(group)
        for container in pod.blocks("containers")
    ]
    found = [held for held in every if held.gpus or held.gpu]
    same = found[0] if found and all(one == found[0] for one in found) else Hardware()
    return evolve(same, devices=tuple(dict.fromkeys(device for held in every for device in held.devices)))


def _applications(
    text: DeploymentText, config: Block, offset: int, document: Block, held: Hardware
) -> Iterator[FoundServer]:
    for application in config.blocks("applications"):
        configs = application.at("args", "llm_configs")
        single = application.block("args", "llm_config")
        line = application.line + offset
        if isinstance(configs, Items) or single:
            for item in [*(configs or ()), *([single] if single else ())]:
                if isinstance(item, Block):
                    yield from _config(text, item, item.line + offset, held)
                elif isinstance(item, Text):
                    yield from _named(text, item, item.line + offset, held)
            continue
        args = application.block("args")
        if is_config(args):
            yield from _own_builder(text, application, args, line, held)
        elif _mentions_vllm(application):
            name = application.text("name") or document.text("metadata", "name") or ""
            device = device_of(None, (), {}, held.devices)
            yield FoundServer(
                line=line,
                kind="ray serve",
                name=name,
                status="not_vllm" if device else "not_understood",
                problem=runs_on(device)
                if device
                else "runs a program of its own under Ray Serve, which decides what vLLM gets",
            )


def _named(text: DeploymentText, path: Text, line: int, held: Hardware) -> Iterator[FoundServer]:
    """A config in a file of its own."""
    content = text.beside(path)
    try:
        found = documents(path, content) if content is not None else ()
    except VramError:
        found = ()
    for config in found:
        yield from _config(text, config, line, held)
    if not found:
        problem = "names a file of its configuration that is not at hand"
        yield FoundServer(line=line, kind="ray serve", status="not_understood", problem=problem)


def _own_builder(
    text: DeploymentText, application: Block, args: Block, line: int, held: Hardware
) -> Iterator[FoundServer]:
    """A builder whose arguments are all flags of vLLM's gives them to vLLM's parser (Ray's docs, serve/tutorials/vllm-example)."""
    words = [word for key, value in args.items() for word in flag_words(key, value)]
    yield from servers(
        text,
        Process(
            line=line,
            kind="ray serve",
            name=application.text("name") or "",
            argv=("vllm", "serve", *words),
            replaces=True,
            vllm_version=_pinned(application),
            environment=_environment(application),
            devices=held.devices,
            gpu=held.gpu,
            gpus=held.gpus,
            assumed=("the application gives its arguments to vLLM",),
        ),
    )


def _mentions_vllm(application: Block) -> bool:
    names = (application.text("import_path") or "", *(d.text("name") or "" for d in application.blocks("deployments")))
    return any("vllm" in name.lower() for name in names)


def _config(text: DeploymentText, config: Block, line: int, held: Hardware) -> Iterator[FoundServer]:
    loading = config.block("model_loading_config")
    name = loading.text("model_id") or ""
    engine = config.text("llm_engine") or "vLLM"
    if "sglang" in (config.text("server_cls") or "").lower():
        engine = "SGLang"
    if engine.lower() != "vllm":
        shown = "SGLang" if "sglang" in engine.lower() else "another engine"
        yield FoundServer(line=line, kind="ray serve", name=name, status="not_vllm", problem=f"runs {shown}")
        return
    source = loading.get("model_source")
    model = source if isinstance(source, Text) else source.text("bucket_uri") if isinstance(source, Block) else name
    words = [model or ""]
    for key, value in config.block("engine_kwargs").items():
        # Ray's own samples say `device: auto`, a keyword that vLLM had no longer than its flag
        words += [] if key == "device" and value in {"auto", "cuda"} else flag_words(key, value)
    accelerator = config.text("accelerator_type")
    gpu = gpu_named(accelerator) if accelerator else held.gpu
    yield from servers(
        text,
        Process(
            line=line,
            kind="ray serve",
            name=name,
            argv=("vllm", "serve", *words),
            replaces=True,
            vllm_version=_pinned(config),
            environment=_environment(config),
            devices=(accelerator,) if accelerator else held.devices,
            gpu=gpu,
            assumed=uncertain(accelerator, gpu) if accelerator else (),
            left_out=("the GPU of accelerator_type, which is not known here",) if accelerator and gpu is None else (),
        ),
    )


def _environment(block: Block) -> dict[str, str]:
    variables = block.block("runtime_env", "env_vars")
    return {key: str(value) for key, value in variables.items() if isinstance(value, Text)}


def _pinned(block: Block) -> str | None:
    packages = block.at("runtime_env", "pip")
    return pinned(" ".join(packages.texts())) if isinstance(packages, Items) else None


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return RayServe()
