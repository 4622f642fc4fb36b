"""Classes of other packages that hand their arguments to vLLM: Ray's `LLMConfig` and batch processor, LangChain's and LlamaIndex's.

Ray: `engine_kwargs` are vLLM's own arguments, the model is `model_source`, else `model_id` (ray.llm, LLMConfig and
vLLMEngineProcessorConfig). LangChain's `VLLM` and LlamaIndex's `Vllm` give vLLM's `LLM` the arguments that are named here, and
`vllm_kwargs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.gpu_names import gpu_named, uncertain
from vram_plugins.readers.python_engine import Room, engine_servers
from vram_plugins.readers.python_held import Called, Missing, text_of

_HANDED_ON = ("tensor_parallel_size", "trust_remote_code", "dtype", "download_dir")
_PACKAGES = {"langchain", "langchain_community", "llama_index"}


def wrapped_servers(
    text: DeploymentText, whole: str, call: Called, line: int, room: Room
) -> Iterator[FoundServer] | None:
    """The servers of such a class by its whole name; None for any other call."""
    package, name = whole.split(".", maxsplit=1)[0], whole.rsplit(".", 1)[-1]
    if package == "ray" and name in {"LLMConfig", "vLLMEngineProcessorConfig"}:
        return _ray(text, call, line, room)
    if package in _PACKAGES and name in {"VLLM", "Vllm"}:
        return _in_process(text, call, line, room)
    return None


def _ray(text: DeploymentText, call: Called, line: int, room: Room) -> Iterator[FoundServer]:
    given = call.named
    if text_of(given.get("llm_engine", "vLLM")).lower() not in {"vllm", "llmengine.vllm"}:
        return
    loading = _mapping(given.get("model_loading_config"))
    source = loading.get("model_source", given.get("model_source"))
    if isinstance(source, dict | Called):
        source = _mapping(source).get("bucket_uri", Missing("model_source"))
    served = loading.get("model_id")
    model = source if source is not None else served if served is not None else Missing("model_loading_config")
    words = _mapping(given.get("engine_kwargs"))
    if words.get("device") in {"auto", "cuda"}:  # Ray's own samples say it, longer than vLLM had the flag
        words.pop("device")
    accelerator = given.get("accelerator_type")
    inside = evolve(room, kind="ray serve", name=served if isinstance(served, str) else room.name)
    variables = _mapping(_mapping(given.get("runtime_env")).get("env_vars"))
    inside = evolve(inside, environment={**room.environment, **{k: text_of(v) for k, v in variables.items()}})
    if isinstance(accelerator, str):
        gpu = gpu_named(accelerator)
        inside = evolve(inside, gpu=gpu, assumed=(*room.assumed, *uncertain(accelerator, gpu)))
    offline = "model_loading_config" not in given and "model_source" in given
    yield from engine_servers(text, Called("LLM", (), {**words, "model": model}), line, inside, offline=offline)


def _in_process(text: DeploymentText, call: Called, line: int, room: Room) -> Iterator[FoundServer]:
    given = {name: call.named[name] for name in ("model", *_HANDED_ON) if name in call.named}
    given |= _mapping(call.named.get("vllm_kwargs"))
    yield from engine_servers(text, Called("LLM", call.values[:1], given), line, room, offline=True)


def _mapping(held: Any) -> dict[str, Any]:
    """The entries of a mapping or of a call that makes one; what only a run would tell under `**`."""
    if isinstance(held, Called):
        return dict(held.named)
    if isinstance(held, dict):
        return dict(held)
    return {} if held is None else {"**": held if isinstance(held, Missing) else Missing("…")}
