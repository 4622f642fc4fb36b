"""What was asked, before any model is read."""

from __future__ import annotations

from vram.models.deployment import EngineArgs, Policy
from vram.models.record import field, frozen


@frozen(kw_only=True)
class Request:
    """What was asked, before any model is read."""

    args: EngineArgs = field(factory=EngineArgs)
    gpu: str | None = None
    gpu_memory_gib: float | None = None
    gpus: int | None = None
    concurrency: int = 1
    vllm_version: str | None = None
    profile: str | None = None
    policy: Policy = field(factory=Policy)
    trust_remote_code: bool = False
