"""A recommended deployment: what was asked, each flag with its reason, and the estimate that it fits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack

from attrs import asdict

from vram.errors import InputError
from vram.models.estimate import Estimate
from vram.models.published import Published
from vram.models.record import field, frozen
from vram.models.targets import Lengths, Service, Targets

if TYPE_CHECKING:
    from vram.models.checkpoint import Model
    from vram.models.deployment import Policy
    from vram.models.engine_arguments import EngineArguments
    from vram.models.performance import Performance

BatchingMode = Literal["throughput", "latency", "balanced"]
BATCHING_MODES: tuple[BatchingMode, ...] = ("throughput", "latency", "balanced")
_LONGEST = 2**31


@frozen(kw_only=True)
class Job:
    """The work a deployment is planned for. `concurrency` counts requests at once over all replicas.

    `context_len` are the tokens every request must have room for: prompt + generated where these were given. `assumed` says
    that neither they nor a context length were given and `context_len` is this program's choice.
    """

    prompt_tokens: int
    gen_tokens: int
    concurrency: int
    batching_mode: BatchingMode
    context_len: int
    assumed: bool = False


@frozen(kw_only=True)
class Setting:
    """One flag of `vllm serve`: vLLM's name of the argument, its value, and why."""

    name: str
    value: int | float | str | bool
    reason: str


@frozen(kw_only=True)
class Option:
    """Another way: what it takes, in words, and the command that does it. Every one was estimated and fits."""

    title: str
    gpu: str
    gpus: int
    model: str
    max_model_len: int
    concurrency: int
    command: str
    vllm_version: str


@frozen(kw_only=True)
class PlanLimits:
    """How far the recommendation reaches, each tight: one step of 0.01, one MiB, one token or one user beyond does not fit.

    `min_gpus` is of the numbers that GPUs are rented in (1, 2, 4, 8, whole machines), or of those at hand.
    `max_context` is at the asked users, `max_concurrency` at the recommended context, of all replicas together.
    """

    min_gpus: int
    min_utilization: float | None
    min_memory_bytes: int | None
    max_context: int
    max_concurrency: int


@frozen(kw_only=True)
class Recommendation:
    """What to run. `estimate` answers for one replica with its share of the users (`estimate.deployment.concurrency`).

    `gpus` are those of all replicas. `hardware_reason` says why so many. `performance` is of one replica, None where the
    GPU's speed is not known. `service` is what all of them give where there are targets: then the command is run `service.servers`
    times.
    """

    model: str
    gpu: str
    gpus: int
    replicas: int
    settings: tuple[Setting, ...]
    command: str
    hardware_reason: str
    estimate: Estimate
    limits: PlanLimits
    performance: Performance | None = None
    published: tuple[Published, ...] = ()
    service: Service | None = None

    @property
    def servers(self) -> int:
        """How many times the command is run."""
        return self.service.servers if self.service else 1

    @property
    def engine_args(self) -> Mapping[str, object]:
        """The recommended engine arguments under vLLM's names, as `vram.estimate` takes them."""
        return {
            setting.name: json.loads(str(setting.value)) if str(setting.value).startswith(("{", "[")) else setting.value
            for setting in self.settings
        }


@frozen(kw_only=True)
class Plan:
    """The whole answer. Without a `recommendation`, `obstacle` says why none fits, and `options` are the nearest that do.

    `refused` are deployments with less hardware, or the closest there is, each with its reason, which is that of its command.
    """

    model: str
    gpu: str
    gpu_memory_bytes: int
    most_gpus: int
    job: Job
    recommendation: Recommendation | None
    obstacle: str = ""
    options: tuple[Option, ...] = ()
    refused: tuple[Option, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    targets: Targets | None = None
    lengths: Lengths | None = None

    @property
    def feasible(self) -> bool:
        """Whether the asked hardware does the asked work."""
        return self.recommendation is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        return {
            "schema_version": 1,
            "feasible": self.feasible,
            "model": self.model,
            "gpu": self.gpu,
            "gpu_memory_bytes": self.gpu_memory_bytes,
            "most_gpus": self.most_gpus,
            "workload": asdict(self.job),
            "recommendation": _recommendation_to_dict(self.recommendation) if self.recommendation else None,
            "obstacle": self.obstacle or None,
            "options": [asdict(option) for option in self.options],
            "refused": [asdict(option) for option in self.refused],
            "warnings": list(self.warnings),
            "targets": asdict(self.targets) if self.targets else None,
            "lengths": asdict(self.lengths) if self.lengths else None,
        }


class Planner(Protocol):
    """`vram.plan`: how to run a model on up to `gpus` GPUs, as whichever plugin has the name answers it. Raises VramError."""

    def __call__(
        self,
        model: Model,
        *,
        gpu: str | None = None,
        gpu_memory_gib: float | None = None,
        gpus: int | None = None,
        used_gib: float | None = None,
        interconnect: str | float | None = None,
        prompt_tokens: int | None = None,
        gen_tokens: int | None = None,
        concurrency: int = 1,
        batching_mode: str = "balanced",
        ttft_ms: float | None = None,
        tpot_ms: float | None = None,
        requests_per_second: float | None = None,
        percentile: int = 50,
        goal: str = "cost",
        lengths: str | PathLike[str] | Iterable[tuple[int, int]] | None = None,
        prices: str | PathLike[str] | Mapping[str, float] | None = None,
        vllm_version: str | None = None,
        profile: str | None = None,
        policy: Policy | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        **engine_args: Unpack[EngineArguments],
    ) -> Plan: ...


def _recommendation_to_dict(found: Recommendation) -> dict[str, Any]:
    return {
        "model": found.model,
        "gpu": found.gpu,
        "gpus": found.gpus,
        "replicas": found.replicas,
        "engine_args": dict(found.engine_args),
        "settings": [{"flag": "--" + setting.name.replace("_", "-"), **asdict(setting)} for setting in found.settings],
        "command": found.command,
        "hardware_reason": found.hardware_reason,
        "limits": asdict(found.limits),
        "published": [asdict(each) for each in found.published],
        "performance": found.performance.to_dict() if found.performance else None,
        "service": asdict(found.service) if found.service else None,
        "estimate": found.estimate.to_dict(),
    }


def checked_tokens(name: str, value: int | None) -> int | None:
    """None, or a count of tokens. Raises InputError."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LONGEST:
        raise InputError(name=name, value=value, problem="must be a whole number from 1 to 2^31")
    return value


def checked_mode(value: str) -> BatchingMode:
    """One of the batching modes. Raises InputError."""
    for mode in BATCHING_MODES:
        if value == mode:
            return mode
    raise InputError(name="batching_mode", value=value, problem=f"must be {', '.join(BATCHING_MODES)}")
