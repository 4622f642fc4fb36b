"""The library: what the command line does, without the terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Unpack

from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.models.checkpoint import Model
from vram.models.deployment import Policy
from vram.models.estimate import Estimate

if TYPE_CHECKING:
    from vram.checkpoint import CatalogModel
    from vram.models.engine_arguments import EngineArguments, EstimateArguments
    from vram.models.profile import Gpu


def estimate(
    model: Model,
    *,
    gpu: str | None = None,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    used_gib: float | None = None,
    concurrency: int = 1,
    vllm_version: str | None = None,
    profile: str | None = None,
    policy: Policy | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    ask_vllm: bool | str | os.PathLike[str] = False,
    **engine_args: Unpack[EngineArguments],
) -> Estimate:
    """Predict what vLLM prints when it starts `model` on `gpu`, and whether the workload fits.

    `model`: Hub id, folder, config.json, GGUF file or an opened Checkpoint. `gpu`: a name people use ("H100",
    "RTX 4090", "NVIDIA H100 80GB HBM3"); `gpu_memory_gib` overrides its memory (or stands alone). `gpus` is a number of
    GPUs to spread over by tensor parallelism when no parallel size is given. `used_gib` is what other processes hold of each GPU
    before vLLM starts (None: not known, and not looked at). `engine_args` have vLLM's names (`tensor_parallel_size`,
    `max_model_len`, `environment`: its variables ...). `ask_vllm` lets an installed vLLM build and plan the model:
    True, or the path of its Python.

    Raises VramError on bad input. A context that does not fit is an answer, not an error.
    """
    return answer(
        ask(
            model,
            gpu=gpu,
            gpu_memory_gib=gpu_memory_gib,
            gpus=gpus,
            used_gib=used_gib,
            concurrency=concurrency,
            vllm_version=vllm_version,
            profile=profile,
            policy=policy,
            trust_remote_code=trust_remote_code,
            revision=revision,
            ask_vllm=ask_vllm,
            **engine_args,
        )
    )


def max_context(model: Model, **arguments: Unpack[EstimateArguments]) -> int:
    """The largest context (tokens) that fits at the asked concurrency. Arguments as `estimate`. Raises VramError."""
    return estimate(model, **arguments).limits.max_context_at_concurrency


def max_concurrency(model: Model, **arguments: Unpack[EstimateArguments]) -> int:
    """The most requests of the asked context that fit at once. Arguments as `estimate`. Raises VramError."""
    return estimate(model, **arguments).limits.max_concurrency_at_context


def gpus() -> tuple[Gpu, ...]:
    """Every whole GPU that plugins know, by name: its memory, rates and where they are from; no slices of one. Raises VramError."""
    from vram.gpus import all_gpus
    from vram.plugin import plugins

    whole = (gpu for gpu in all_gpus(plugins().profiles) if gpu.kind != "partition")
    return tuple(sorted(whole, key=lambda gpu: gpu.name))


def models(search: str = "") -> tuple[CatalogModel, ...]:
    """The models of the bundled catalog whose id has `search` in it, by id; any other is read from its folder or the Hub."""
    from vram.checkpoint import list_catalog

    return tuple(model for model in list_catalog() if search.lower() in model.id.lower())
