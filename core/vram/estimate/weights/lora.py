"""LoRA slots: zeros that vLLM allocates for `max_loras` adapters of `max_lora_rank`, part of "Model loading took".

Sources (vLLM 0.32.0): `lora/layers/base_linear.py`, `column_parallel_linear.py`, `row_parallel_linear.py`,
`fused_moe.py`, `logits_processor.py`, `vocab_parallel_embedding.py`: every linear layer of the language model is
wrapped, one pair of matrices per fused part; A is whole on the input side of column-parallel layers, B is whole on the
output side of row-parallel ones. Embedding and LM head are counted for every model, although some models' classes leave
them out: at most a few MiB too much.
"""

from __future__ import annotations

from functools import lru_cache

from vram.dtypes import canonical_dtype, dtype_bytes
from vram.estimate.weights.ranks import Parallelism, RankWeights, module_count
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.deployment import EngineArgs
from vram.models.parameters import Embedding, Experts, Linear, Module


def lora_bytes(
    model: ResolvedModel, weights: tuple[RankWeights, ...], parallel: Parallelism, args: EngineArgs, dtype: str
) -> tuple[int, ...]:
    """Bytes of LoRA slots on each pipeline rank; zeros without --enable-lora. Raises UnknownNameError on a dtype."""
    if not args.enable_lora:
        return (0,) * len(weights)
    name = dtype if args.lora_dtype == "auto" else canonical_dtype(args.lora_dtype)
    elements = _slot_elements(model, weights, parallel, args.max_lora_rank, args.fully_sharded_loras)
    return tuple(count * args.max_loras * dtype_bytes(name) for count in elements)


@lru_cache(maxsize=64)
def _slot_elements(
    model: ResolvedModel, weights: tuple[RankWeights, ...], parallel: Parallelism, rank: int, sharded: bool
) -> tuple[int, ...]:
    """Elements of one adapter's slot on each pipeline rank."""
    totals = [0] * len(weights)
    for resolved in model.modules:
        if resolved.placed is not None and not isinstance(resolved.module, Embedding):
            continue  # towers keep no slots unless asked to
        elements = _elements(resolved.module, parallel, rank, sharded)
        for index, stage in enumerate(weights):
            totals[index] += elements * module_count(resolved, index, stage.layers, len(weights))
    return tuple(totals)


def _elements(module: Module, parallel: Parallelism, rank: int, sharded: bool) -> int:
    """A and B of one module: rank × inputs and outputs × rank for each fused part.

    Fully sharded, the side that is whole otherwise is divided over the ranks, too: the rank of A in front of a column-parallel
    layer, the outputs of B behind a row-parallel one (0.33.0 `base_linear.py`, `fused_moe.py`).
    """
    over = parallel.tp if sharded else 1
    if isinstance(module, Linear):
        shape = module.local(parallel.tp, "bfloat16")
        first, last = (over if module.parallel == side else 1 for side in ("column", "row"))
        return sum(rank // first * shape.inputs + rank * (out // last) for out in shape.outputs) * module.count
    if isinstance(module, Experts):
        local = module.local(parallel.moe_tp, parallel.ep, "bfloat16")
        pairs = 2 if module.gated else 1
        up = pairs * (rank // over * local.hidden_size + rank * local.intermediate_size)
        return local.experts * (up + rank * local.intermediate_size + rank * (local.hidden_size // over)) * module.count
    if isinstance(module, Embedding):
        return rank * (module.rows + module.columns) * module.count
    return 0
