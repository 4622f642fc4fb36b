"""The contract of an artifact: a file that deploys an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vram.models.estimate import Estimate
from vram.models.platform import CUDA_DEVICES, Devices
from vram.models.record import field, frozen
from vram.models.saved_request import SavedRequest, Serving


@frozen(kw_only=True)
class GeneratedFile:
    """A file to write: `path` relative to the output folder, its text, and whether it is a script."""

    path: str
    text: str
    executable: bool = False


@frozen(kw_only=True)
class ArtifactRequest:
    """An answered deployment, ready to be written down.

    `model` is what vLLM is told to serve: a Hub id or, with `local`, an absolute path. `name` is a valid name in Kubernetes
    and compose. `flags` are the words of each flag behind `vllm serve MODEL`, the port among them; those that place a process
    on one of several nodes are the artifact's own. Text in `model` and `flags` can be anything and must be quoted.
    `devices` is how its containers get the GPUs. `asked` and `serving` say the rest; secrets are in none of them.
    """

    estimate: Estimate
    asked: SavedRequest
    model: str | None
    name: str
    flags: tuple[tuple[str, ...], ...]
    local: bool = False
    nodes: int = 1
    notes: tuple[str, ...] = field(default=())
    devices: Devices = CUDA_DEVICES

    @property
    def serving(self) -> Serving:
        return self.asked.serving

    @property
    def gpus(self) -> int:
        """GPUs of the whole deployment, every replica and node counted."""
        facts = self.estimate.deployment
        return facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size

    @property
    def gpus_per_node(self) -> int:
        """GPUs that each machine gives."""
        return self.gpus // self.nodes

    @property
    def words(self) -> tuple[str, ...]:
        """The flags as one list of words."""
        return tuple(word for flag in self.flags for word in flag)

    @property
    def image(self) -> str:
        """The container image, tagged by vLLM's version."""
        own = self.serving.image == CUDA_DEVICES.image  # nobody chose another
        return f"{self.devices.image if own else self.serving.image}:v{self.estimate.deployment.vllm_version}"


class Artifact(ABC):
    """One kind of file that `vram generate --emit NAME` writes. `name` is unique.

    `serves` tells kinds that start a server, and so need a model vLLM can load, from those that only write down a request.
    """

    name: str
    description: str = ""
    serves: bool = True

    @abstractmethod
    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        """The files for an answered deployment. Raises InputError for one that this kind cannot express."""
