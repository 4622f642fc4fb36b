"""The contract of an architecture adapter: from config.json to a ModelSpec."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vram.errors import ArchitectureError
from vram.models.config import ModelConfig
from vram.models.platform import Chip
from vram.models.record import frozen
from vram.models.spec import Draft, ModelSpec


@frozen(kw_only=True)
class BuildContext:
    """What besides the config decides the shape of a model.

    `quantization` is vLLM's name of the method or None; some layers are built differently under it.
    `max_model_len` is the user's, None where vLLM takes the model's own (also to fit it later, --max-model-len auto).
    `max_num_batched_tokens` is the batch as vLLM resolved it; None only while it is being resolved.
    `items` is what the user says of the sizes of images and videos (`vram.architecture.items`). `compiled`: vLLM's own compilation
    runs, and custom operations stand back.
    """

    vllm_version: tuple[int, int, int] = (0, 33, 0)
    compute_capability: tuple[int, int] = (9, 0)
    quantization: str | None = None
    max_model_len: int | None = None
    max_num_batched_tokens: int | None = None
    tensor_parallel_size: int = 1
    items: tuple[tuple[str, object], ...] = ()
    compiled: bool = True

    @property
    def elsewhere(self) -> bool:
        """Whether it is built for another platform than CUDA, so that none of NVIDIA's kernels asks for a layer of its own."""
        return isinstance(self.compute_capability, Chip)

    def has(self, what: str) -> bool:
        """Whether another platform's chip has a thing by name (`Platform.has`); False on CUDA."""
        chip = self.compute_capability
        return isinstance(chip, Chip) and chip.has(what, self.vllm_version)


class ArchitectureAdapter(ABC):
    """Describes the models of one or more architectures.

    `name` is unique. `architectures` are the names in config.json's `architectures` it answers for.
    """

    name: str
    architectures: tuple[str, ...]

    @abstractmethod
    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError on missing or impossible fields."""

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """The checkpoint's own prediction layers (`speculative_config` method "mtp"). Raises ArchitectureError."""
        del context
        raise ArchitectureError(
            architecture=config.architecture, problem="has no prediction layers that are known here"
        )
