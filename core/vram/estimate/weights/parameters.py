"""How many parameters a model has, whatever they are stored in."""

from __future__ import annotations

from functools import lru_cache

from vram.dtypes import dtype_bits
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.parameters import Embedding, Experts, Linear, Module, Tensor
from vram.models.spec import ModelSpec


@lru_cache(maxsize=256)
def parameter_count(spec: ModelSpec) -> int:
    """Parameters of the whole model, unsharded and unpadded; buffers are not counted."""
    if spec.parameters is not None:
        return spec.parameters
    total = 0
    for run in spec.runs:
        total += len(run.indices) * sum(_elements(module) for module in run.layer.modules)
    return total + sum(_elements(placed.module) for placed in spec.placed)


def unpadded_bytes(model: ResolvedModel, dtype: str) -> int:
    """Bytes of all parameters by their number and width alone: without what kernels pad, and scales beside few-bit weights."""
    total = 0.0
    for part in model.modules:
        times = len(part.indices) if part.placed is None else 1
        own = part.module.dtype if isinstance(part.module, Tensor | Embedding) else None
        bits = part.format.bits_per_weight if part.format is not None else dtype_bits(own or dtype)
        total += times * _elements(part.module) * bits / 8
    return int(total)


def _elements(module: Module) -> int:
    if isinstance(module, Linear | Tensor) and module.presence != "always":
        return 0
    if isinstance(module, Tensor):
        return 0 if module.buffer else module.local_elements(1) * module.count
    if isinstance(module, Embedding):
        return module.rows * (module.columns + module.bias) * module.count
    if isinstance(module, Experts):
        ups = 2 if module.gated else 1
        weights = module.num_experts * module.hidden_size * module.intermediate_size * (ups + 1)
        bias = module.num_experts * (ups * module.intermediate_size + module.hidden_size) if module.bias else 0
        return (weights + bias) * module.count
    outputs = sum(part.size for part in module.outputs)
    return (outputs * module.inputs + module.bias_elements(1)) * module.count
