"""The matrices of a rank's layers in the order in which vLLM goes through them once they are loaded: what another platform's loading
may pad or copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from vram.estimate.weights.ranks import Parallelism, pipeline_layers
from vram.estimate.weights.resolved import ResolvedModel, ResolvedModule
from vram.models.parameters import Experts, Linear
from vram.models.platform import Matrix
from vram.models.scheme import Format
from vram.quantization.online import OnlineFormat
from vram.quantization.unquantized import UNQUANTIZED


@lru_cache(maxsize=64)
def layer_matrices(
    model: ResolvedModel, parallel: Parallelism, dtype: str
) -> tuple[tuple[tuple[Matrix, ...], ...], ...]:
    """Per pipeline rank, per decoder layer, its linears and experts on the most loaded tensor-parallel rank.

    Raises ParallelismError, InputError.
    """
    by_layer: dict[int, list[Matrix]] = {}
    for resolved in model.modules:
        found = tuple(_matrices(resolved, parallel, dtype)) if resolved.indices else ()
        for index in resolved.indices if found else ():
            by_layer.setdefault(index, []).extend(found)
    stages = pipeline_layers(model.spec.num_layers, parallel.pp)
    for matrices in by_layer.values():
        matrices.sort(key=lambda one: one.what.startswith("experts"))  # shared experts are made before the others
    return tuple(tuple(tuple(by_layer.get(index, ())) for index in stage) for stage in stages)


def _matrices(resolved: ResolvedModule, parallel: Parallelism, dtype: str) -> Iterator[Matrix]:
    module, form = resolved.module, resolved.format or UNQUANTIZED
    if isinstance(module, Linear) and module.presence == "always":
        shape = module.local(parallel.tp, dtype)
        first = form.linear(shape)[0]
        for _ in range(module.count if shape.rows else 0):
            yield Matrix(what=_what(form), rows=shape.rows, row_bytes=first.created_bytes // shape.rows)
    if isinstance(module, Experts):
        local = module.local(parallel.moe_tp, parallel.ep, dtype)
        sizes = {tensor.name: tensor.created_bytes for tensor in form.experts(local)}
        for name, rows in (("w13", local.experts * local.up_rows), ("w2", local.experts * local.hidden_size)):
            size = max((size for tensor, size in sizes.items() if tensor.startswith(name)), default=0)
            for _ in range(module.count if rows else 0):
                yield Matrix(what=f"experts_{_what(form)}", rows=rows, row_bytes=size // rows)


def _what(form: Format) -> str:
    """What is stored, by the name that a platform is asked with: "plain", "fp8_block" …, "quantized" for the rest, as what is
    quantized while loading, whose rows nothing moves apart.
    """
    if isinstance(form, OnlineFormat):
        return "quantized"
    return form.needs or ("plain" if form.bits_per_weight == UNQUANTIZED.bits_per_weight else "quantized")
