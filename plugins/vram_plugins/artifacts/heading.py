"""The first lines of every file that is written: what it runs, for which vLLM, and what was predicted."""

from __future__ import annotations

from vram import __version__
from vram.models.artifact import ArtifactRequest
from vram_plugins.artifacts.yaml_text import comment


def heading(request: ArtifactRequest, *more: str) -> str:
    """Comment lines; nothing of the model's name can leave them."""
    facts = request.estimate.deployment
    machines = f" over {request.nodes} machines" if request.nodes > 1 else ""
    servers = f", {request.serving.replicas} times" if request.serving.replicas > 1 else ""
    return comment(
        f"Written by vram {__version__} for vLLM {facts.vllm_version}: {request.model} on {request.gpus} x {facts.gpu}{machines}{servers}.",
        *request.notes,
        *more,
    )
