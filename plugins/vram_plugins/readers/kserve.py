"""KServe: InferenceService on the Hugging Face runtime, on a ServingRuntime at hand or in its own container."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.containers import Around, hardware, pod_servers, process_of
from vram_plugins.readers.documents import Block, empty, items_at, number, text_at
from vram_plugins.readers.engines import device_of, engine_of
from vram_plugins.readers.kserve_runtimes import GROUP, RUNTIMES, runtime_beside, runtime_of
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.manifests import Manifest, around, looks_like_manifests, manifests
from vram_plugins.readers.storage import MODELS, StoredModel, stored_model

#: flags of KServe's Hugging Face server (python/huggingfaceserver) that vLLM calls otherwise, and those that it has not
_RENAMED = {"model_name": "--served-model-name", "model_revision": "--revision", "max_length": "--max-model-len"}
_OWN = {
    *("disable_lower_case", "disable_special_tokens", "tensor_input_names", "return_token_type_ids", "backend"),
    *("return_probabilities", "http_port", "grpc_port", "workers", "enable_docs_url", "predictor_host"),
    *("predictor_protocol", "enable_latency_logging", "configure_logging"),
}
_SWITCHES = {"disable_lower_case", "disable_special_tokens", "return_token_type_ids", "return_probabilities"}
_TRANSFORMERS = {
    "sequence_classification",
    "token_classification",
    "fill_mask",
    "table_question_answering",
    "question_answering",
}


class KServe(DeploymentReader):
    """InferenceServices, and runtimes that no service of the file uses."""

    name = "kserve"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "kserve.io" in text.text and looks_like_manifests(text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(_servers(text))


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    every = manifests(text)
    found, beside = [one for one in every if one.group == GROUP], around(every)
    runtimes = [one for one in found if one.kind in RUNTIMES]
    services = [one for one in found if one.kind == "InferenceService"]
    for service in services:
        yield from _service(text, service, runtimes, beside)
    if not services:
        for runtime in runtimes:
            pod = runtime.block.block("spec")
            yield from pod_servers(text, pod, kind=runtime.kind, name=runtime.title, around=beside)


def _service(
    text: DeploymentText, service: Manifest, runtimes: Sequence[Manifest], beside: Around
) -> Iterator[FoundServer]:
    predictor = service.block.block("spec", "predictor")
    if "model" not in predictor:
        stored = stored_model(_storage_variable(predictor))
        for container in predictor.blocks("containers"):
            process = process_of(container, predictor, kind=service.kind, name=service.title, around=beside)
            yield from servers(text, _with_model(process, stored))
        return
    model = predictor.block("model")
    runtime = runtime_of(model, runtimes)
    other = runtime_beside(text, model) if runtime is None else None
    if (known := runtime or other) is not None:
        process = _merged(service, predictor, model, known.block.block("spec"), beside)
        for server in servers(text, _with_model(process, stored_model(model.text("storageUri")))):
            yield server if other is None else evolve(server, line=model.line)  # its lines are of another file
    else:
        yield from _elsewhere(text, service, predictor, model, beside)


def _merged(service: Manifest, predictor: Block, model: Block, runtime: Block, beside: Around) -> Process:
    """The runtime's container under what the service says: its arguments follow, its variables and resources win."""
    containers = runtime.blocks("containers")
    base = next((c for c in containers if c.text("name") == "kserve-container"), containers[0] if containers else model)
    container = empty(model.line)
    for block in (base, model):
        for key, value in block.items():
            container[key] = value
    for key in ("args", "env", "volumeMounts"):
        container[key] = items_at([*(base.get(key) or ()), *(model.get(key) or ())], model.line)
    pod = empty(predictor.line)
    for block in (runtime, predictor):
        for key, value in block.items():
            pod[key] = value
    workers = predictor.block("workerSpec")
    variables = {
        "TENSOR_PARALLEL_SIZE": workers.text("tensorParallelSize") or "1",
        "PIPELINE_PARALLEL_SIZE": workers.text("pipelineParallelSize") or "1",
    }
    inside = evolve(beside, environment={**beside.environment, **(variables if workers else {})})
    nodes = number(workers.get("pipelineParallelSize")) or 1
    return process_of(container, pod, kind=service.kind, name=service.title, around=inside, nodes=nodes)


def _elsewhere(
    text: DeploymentText, service: Manifest, predictor: Block, model: Block, beside: Around
) -> Iterator[FoundServer]:
    """A service whose runtime is not in the file: the Hugging Face server's and vLLM's take known arguments."""
    runtime = model.text("runtime") or ""
    form = (model.text("modelFormat", "name") or "").lower()
    container = model
    process = process_of(container, predictor, kind=service.kind, name=service.title, around=beside)
    if "vllm" in runtime or form == "vllm":
        process = _on_vllm(process, model, runtime)
        device = device_of(runtime, (), {}, ())
        process = evolve(process, devices=(*process.devices, *_RESOURCES.get(device or "", ())))
        yield from servers(text, process)
    elif "huggingface" in runtime or form == "huggingface":
        yield from _hugging_face(text, process, predictor, model)
    else:
        engine = engine_of(runtime or None, ()) or engine_of(form or None, ())
        if engine:
            yield FoundServer(
                line=model.line, kind=service.kind, name=service.title, status="not_vllm", problem=f"runs {engine}"
            )
        elif any(_ENGINE_FLAGS.fullmatch(word) for word in process.argv):
            what = "a runtime that is not in this file" if runtime else "a runtime that nothing here names"
            problem = f"gives vLLM's flags to {what}"
            yield FoundServer(
                line=model.line, kind=service.kind, name=service.title, status="not_understood", problem=problem
            )


#: flags that a server of a large language model has, and no other runtime of KServe's
_ENGINE_FLAGS = re.compile(
    r"--(?:tensor[-_]parallel[-_]size|pipeline[-_]parallel[-_]size|gpu[-_]memory[-_]utilization|max[-_]model[-_]len)(?:=.*)?"
)
#: resources that stand for the device of a runtime's name
_RESOURCES = {
    "AMD GPUs (ROCm)": ("amd.com/gpu",),
    "Intel Gaudi": ("habana.ai/gaudi",),
    "IBM Spyre": ("ibm.com/spyre_pf",),
    "Google TPUs": ("google.com/tpu",),
    "AWS Neuron": ("aws.amazon.com/neuron",),
    "Huawei Ascend NPUs": ("huawei.com/Ascend910",),
}


def _on_vllm(process: Process, model: Block, runtime: str) -> Process:
    stored = stored_model(model.text("storageUri"))
    path, revision = (stored.model, stored.revision) if stored else (MODELS, None)
    words = ["vllm", "serve", path, *(("--revision", revision) if revision else ()), *process.argv]
    how = f"the runtime {runtime or 'for vLLM'} serves the model of storageUri with these arguments"
    return evolve(process, argv=tuple(words), replaces=True, assumed=(*process.assumed, how))


def _hugging_face(text: DeploymentText, process: Process, predictor: Block, model: Block) -> Iterator[FoundServer]:
    flags = dict(_flags(process.argv))
    backend, task = flags.get("backend", "auto"), flags.get("task", "").replace("-", "_")
    if backend not in {"auto", "vllm"} or (backend != "vllm" and task in _TRANSFORMERS):
        yield _not_vllm(process, "runs Hugging Face Transformers")
        return
    workers = predictor.block("workerSpec")
    if process.gpus is None and hardware(model, predictor).gpu is None and not workers:
        yield _not_vllm(process, "runs on the CPU, which is not modelled")
        return
    words = list(_as_vllm(process.argv, stored_model(model.text("storageUri"))))
    for key, flag in (
        ("tensorParallelSize", "--tensor-parallel-size"),
        ("pipelineParallelSize", "--pipeline-parallel-size"),
    ):
        if workers.text(key):
            words += [flag, str(workers.text(key))]
    nodes = number(workers.get("pipelineParallelSize")) or 1
    how = "KServe's Hugging Face server gives the model to vLLM"
    yield from servers(
        text,
        evolve(
            process,
            argv=("vllm", "serve", *words),
            replaces=True,
            nodes=nodes,
            assumed=process.assumed if backend == "vllm" else (*process.assumed, how),
        ),
    )


def _not_vllm(process: Process, problem: str) -> FoundServer:
    return FoundServer(
        line=process.line, kind=process.kind, name=process.name, status="not_vllm", problem=problem, gpus=process.gpus
    )


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The server's flags with their values, names with underscores."""
    index = 0
    while index < len(words):
        flag, equals, value = words[index].partition("=")
        index += 1
        name = flag.lstrip("-").replace("-", "_")
        if not equals and name not in _SWITCHES and index < len(words) and not words[index].startswith("-"):
            value = words[index]
            index += 1
        yield name, value


def _as_vllm(words: Sequence[str], stored: StoredModel | None) -> Iterator[str]:
    """The Hugging Face server's arguments as vLLM's own: it hands on what it does not take itself."""
    flags = list(_flags(words))
    named = dict(flags)
    yield named.get("model_id") or (stored.model if stored else named.get("model_dir") or MODELS)
    if stored and stored.revision and "model_id" not in named:
        yield from ("--revision", stored.revision)
    for name, value in flags:
        if name in _OWN or name in {"model_id", "model_dir"} or (name == "task" and value):
            continue
        yield _RENAMED.get(name, "--" + name.replace("_", "-"))
        if value:
            yield value


def _storage_variable(predictor: Block) -> str | None:
    for container in predictor.blocks("containers"):
        for variable in container.blocks("env"):
            if variable.text("name") == "STORAGE_URI":
                return variable.text("value")
    return None


def _with_model(process: Process, model: StoredModel | None) -> Process:
    """The model's name where the words say the folder it is put into."""
    if model is None:
        return process
    argv = tuple(
        text_at(word.replace(MODELS, model.model), getattr(word, "line", process.line)) for word in process.argv
    )
    return evolve(process, argv=argv)


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return KServe()
