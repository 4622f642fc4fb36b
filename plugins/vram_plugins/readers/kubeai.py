"""KubeAI: its Model, and the catalog in its chart's values. The controller runs vLLM's server on `--model` and `args` (engine_vllm.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.containers import words_of
from vram_plugins.readers.documents import Block, documents, number, truth
from vram_plugins.readers.expand import in_kubernetes
from vram_plugins.readers.gpu_names import gpu_named
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.manifests import manifests

_ENGINES = {
    "OLLAMA": "Ollama",
    "FASTERWHISPER": "faster-whisper",
    "INFINITY": "Infinity",
    "LLAMACPP": "llama.cpp",
    "SGLANG": "SGLang",
}
_DEVICES = {"google-tpu": "google.com/tpu", "amd-gpu": "amd.com/gpu", "intel-gaudi": "habana.ai/gaudi", "cpu": "cpu"}


class KubeAI(DeploymentReader):
    """Models of KubeAI."""

    name = "kubeai"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "kubeai.org" in text.text or ("catalog" in text.text and "resourceProfile" in text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(_servers(text))


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    for one in manifests(text):
        if one.group == "kubeai.org" and one.kind == "Model":
            yield from _model(text, one.block.block("spec"), one.block.line, one.title, one.name)
    for document in documents(text.path, text.text):
        for catalog in (document.block("catalog"), document.block("models", "catalog")):
            for name, spec in catalog.items():
                if not isinstance(spec, Block):
                    continue
                line, title = catalog.line_of(name), f"Model/{name}"
                if "url" in spec and truth(spec.get("enabled")) is not False:
                    yield from _model(text, spec, line, title, name)
                elif "url" not in spec and truth(spec.get("enabled")) is True:
                    problem = "is a model of the chart's own catalog, which has its address and arguments"
                    yield FoundServer(line=line, kind="Model", name=title, status="not_understood", problem=problem)


def _model(text: DeploymentText, spec: Block, line: int, title: str, name: str) -> Iterator[FoundServer]:
    engine = (spec.text("engine") or "VLLM").upper()
    if engine != "VLLM":
        shown = _ENGINES.get(engine, "another engine")
        yield FoundServer(line=line, kind="Model", name=title, status="not_vllm", problem=f"runs {shown}")
        return
    profile, _, count = (spec.text("resourceProfile") or "").partition(":")
    device = next((held for start, held in _DEVICES.items() if profile.startswith(start)), None)
    if device == "cpu":
        problem = "runs on the CPU, which is not modelled"
        yield FoundServer(line=line, kind="Model", name=title, status="not_vllm", problem=problem)
        return
    gpu = gpu_named(profile.removeprefix("nvidia-gpu-")) if profile else None
    environment = {key: str(value) for key, value in spec.block("env").items() if value is not None}
    model = _served(spec)
    words = ["vllm", "serve", "--model", model, "--served-model-name", name]
    words += [in_kubernetes(word, environment) for word in words_of(spec.get("args"))]
    words += ["--enable-lora"] if spec.get("adapters") else []
    yield from servers(
        text,
        Process(
            line=line,
            kind="Model",
            name=title,
            argv=tuple(words),
            replaces=True,
            image=spec.text("image"),
            environment=environment,
            devices=(device,) if device else (),
            gpu=gpu,
            gpus=(number(count) or 1) if profile.startswith("nvidia") else None,
            left_out=()
            if gpu or not profile or device
            else ("the GPU of its resourceProfile, which is not known here",),
        ),
    )


def _served(spec: Block) -> str:
    """What vLLM gets as its model: a Hub's id, or where the files are."""
    scheme, _, rest = (spec.text("url") or "").partition("://")
    if scheme == "pvc":
        return "/model"
    path = rest.partition("?")[0]
    return path if scheme == "hf" else f"{scheme}://{path}"


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return KubeAI()
