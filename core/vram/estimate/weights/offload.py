"""Weights that stay on the host: `--cpu-offload-gb` and, by whole layers, `--offload-group-size`.

Source: vLLM 0.33.0 `model_executor/offloader/` (`base.py:create_offloader`, `uva.py`, `prefetch.py`).
"""

from __future__ import annotations

from vram.architecture.runners import offloads
from vram.estimate.weights.ranks import Parallelism, RankWeights, module_bytes
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.deployment import Deployment, EngineArgs
from vram.models.parameters import Module, Tensor
from vram.units import gib


def kept_on_host(
    model: ResolvedModel, weights: tuple[RankWeights, ...], parallel: Parallelism, deployment: Deployment
) -> tuple[int, ...]:
    """Bytes by which each pipeline rank's weights are fewer on the GPU. Only decoder layers may leave it."""
    args = deployment.args
    by_layers = args.offload_backend == "prefetch" or (args.offload_backend == "auto" and args.offload_group_size > 0)
    asked = by_layers or (args.cpu_offload_gb > 0 and args.offload_backend in {"auto", "uva"})
    if not asked or not offloads(deployment.vllm_version, v2_runner=deployment.v2_runner):
        return (0,) * len(weights)
    if by_layers:
        return tuple(_by_layers(model, stage.layers, args, parallel, deployment.dtype) for stage in weights)
    within = gib(args.cpu_offload_gb)
    return tuple(_by_parameters(model, stage.layers, within, parallel, deployment.dtype) for stage in weights)


def _by_parameters(model: ResolvedModel, layers: range, most: int, parallel: Parallelism, dtype: str) -> int:
    """Modules of one layer after the other until as much has gone: the last one goes whole (`_maybe_offload_to_cpu`, since 0.6.6)."""
    leaving = [one for one in model.modules if one.placed is None and not _stays(one.module)]
    sizes = [module_bytes(one.module, one.format, parallel, dtype)[1] for one in leaving]
    gone = 0
    for index in layers:
        for one, size in zip(leaving, sizes, strict=True):
            if gone >= most:
                return gone
            gone += size if index in one.indices else 0
    return gone


def _by_layers(model: ResolvedModel, layers: range, args: EngineArgs, parallel: Parallelism, dtype: str) -> int:
    """The last layers of each group, less the buffers into which they are fetched: for every parameter of one kind as many as
    layers are fetched ahead, which may be more than leaves.
    """
    group, last = args.offload_group_size, args.offload_num_in_group
    away = {index for place, index in enumerate(layers) if place % group >= group - last}
    gone, buffers = 0, {}
    for one in model.modules:
        if one.placed is not None or _stays(one.module):
            continue
        size, count = module_bytes(one.module, one.format, parallel, dtype)[1], len(away.intersection(one.indices))
        gone += size * count
        if count:
            buffers[one.module.name, size] = size
    return gone - args.offload_prefetch_step * sum(buffers.values())


def _stays(module: Module) -> bool:
    return isinstance(module, Tensor) and module.buffer
