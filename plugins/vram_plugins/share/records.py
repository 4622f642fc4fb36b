"""Several models on some GPUs: each start, in its order, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict

from vram.models.record import field, frozen
from vram.units import GIB


@frozen(kw_only=True)
class Start:
    """One vLLM. Sizes are bytes on each of its GPUs; `used_bytes` is the most that is held of one of them before it starts.

    `holds_bytes` is the most it takes of each GPU from its start on: its budget, its CUDA context, graphs that its budget does not
    count. `tokens` and `users` are what its KV cache holds, `engine_args` what `vram.estimate` takes.
    """

    model: str
    gpu: str
    devices: tuple[int, ...]
    used_bytes: int
    gpu_memory_utilization: float
    holds_bytes: int
    budget_bytes: int
    weights_bytes: int
    tokens: int
    users: int
    max_model_len: int
    concurrency: int
    vllm_version: str
    engine_args: Mapping[str, Any]
    command: str

    @property
    def used_gib(self) -> float:
        """What `--used-gib` of `vram estimate` is told; exact."""
        return self.used_bytes / GIB


@frozen(kw_only=True)
class SharedGpu:
    """One GPU: what others held of it before, and what is held once all have started."""

    index: int
    name: str
    memory_bytes: int
    used_before_bytes: int
    held_bytes: int


@frozen(kw_only=True)
class Sharing:
    """The whole answer: `starts` in their order; without them `obstacle` says why not."""

    gpus: tuple[SharedGpu, ...]
    starts: tuple[Start, ...] = field(default=())
    obstacle: str = ""

    @property
    def feasible(self) -> bool:
        """Whether all models find room."""
        return bool(self.starts)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        starts = [{**asdict(start), "used_gib": start.used_gib} for start in self.starts]
        return {
            "schema_version": 1,
            "feasible": self.feasible,
            "obstacle": self.obstacle or None,
            "gpus": [asdict(gpu) for gpu in self.gpus],
            "starts": starts,
        }
