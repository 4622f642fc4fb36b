"""Serving over several machines, as each vLLM version can.

vLLM's own processes span machines with --nnodes since 0.12 (`config/parallel.py`: nnodes, node_rank, master_addr); 0.11
and older need Ray, which images up to 0.14 carry (`Requires-Dist: ray`) and later ones do not.
"""

from __future__ import annotations

from vram.errors import InputError
from vram.models.artifact import ArtifactRequest
from vram.vllm.versions import parse_version

#: the helper of vLLM's image that joins Ray clusters (vLLM's docs, deployment/frameworks/lws.md)
RAY_HELPER = "/vllm-workspace/examples/online_serving/multi-node-serving.sh"


def needs_ray(request: ArtifactRequest) -> bool:
    """Whether this version spans machines by Ray only."""
    return parse_version(request.estimate.deployment.vllm_version) < (0, 12, 0)


def refuse_many_nodes(request: ArtifactRequest, kind: str) -> None:
    """Raises InputError where a version needs Ray, which a plain command cannot start on other machines."""
    if needs_ray(request):
        problem = f"{kind}: vLLM before 0.12 needs a Ray cluster over {request.nodes} machines; emit k8s or helm"
        raise InputError(name="vllm_version", value=request.estimate.deployment.vllm_version, problem=problem)
