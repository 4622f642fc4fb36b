"""What compose, Kubernetes and the Helm chart have in common: the words in the container, its environment, its folders."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.artifact import ArtifactRequest

ENTRYPOINT = ("vllm", "serve")  # said by the file, because images before 0.11 start another module
CACHE = "/cache"
#: both caches on one volume; a new container then neither downloads nor compiles again (vLLM's docs, deployment/docker.md)
ENVIRONMENT = {"HF_HOME": f"{CACHE}/huggingface", "VLLM_CACHE_ROOT": f"{CACHE}/vllm"}
HEALTH = "/health"  # `entrypoints/serve/instrumentator/health.py`: 200 once the engine serves
_HOST_FLAGS = ("--host", "--uds")  # in a container the server must listen on every interface


def variables_of(request: ArtifactRequest) -> dict[str, str]:
    """Variables of vLLM's that the answer counted on, and no others: nothing of them is secret."""
    given = request.asked.engine_args.get("environment")
    found = {str(name): str(text) for name, text in given.items()} if isinstance(given, Mapping) else {}
    return dict(sorted(found.items()))  # the same file from run to run, as a chart renders it


def container_words(request: ArtifactRequest) -> tuple[str, ...]:
    """The model and its flags as a container takes them: dollar signs doubled, as compose and Kubernetes both want them."""
    assert request.model is not None
    flags = (flag for flag in request.flags if flag[0].split("=", 1)[0] not in _HOST_FLAGS)
    return tuple(literal(word) for word in (request.model, *(word for flag in flags for word in flag)))


def literal(word: str) -> str:
    """A word in which nothing is replaced by a variable."""
    return word.replace("$", "$$")
