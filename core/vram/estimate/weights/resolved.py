"""Every module of a model with the format its quantization scheme stores it in.

A module is resolved once per run of equal layers and per format, so that cost grows with a model's distinct shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from vram.models.cache import AttentionCache
from vram.models.parameters import Embedding, Experts, Linear, Module, Placed, Tensor
from vram.models.record import evolve, frozen
from vram.models.scheme import Format, ModuleRef, Quantization
from vram.models.spec import Draft, ModelSpec
from vram.quantization.target import Target
from vram.quantization.unquantized import UnquantizedFormat


@frozen(kw_only=True, eq=False)
class ResolvedModule:
    """A module, how it is stored, and where: layer indices, or a placement outside the layers."""

    module: Module
    format: Format | None
    indices: tuple[int, ...] = ()
    placed: Placed | None = None


@frozen(kw_only=True, eq=False)
class ResolvedModel:
    """Every distinct (module, format) of a model under one quantization. Compared by identity."""

    spec: ModelSpec
    modules: tuple[ResolvedModule, ...]


@lru_cache(maxsize=256)
def resolve(spec: ModelSpec, quantization: Quantization | None, target: Target | None = None) -> ResolvedModel:
    """Ask the scheme for every module of every layer, and group layers by the answer.

    Unquantized experts are as `target`'s kernels want them; without one, as the checkpoint stores them.
    """
    found: list[ResolvedModule] = []
    for run in spec.runs:
        for module in run.layer.modules:
            for form, indices in _formats(module, quantization, run.prefix, run.indices):
                found.append(ResolvedModule(module=module, format=form, indices=indices))
            if quantization is not None and module.name.endswith("attn.kv_scales"):
                caches = run.layer.caches  # an encoder keeps nothing and still gets scales
                heads = next((c.num_kv_heads for c in caches if isinstance(c, AttentionCache)), int(not caches))
                for one in quantization.attention_tensors(heads):
                    scale = evolve(one, count=module.count)
                    found.append(ResolvedModule(module=scale, format=None, indices=run.indices))
    for placed in spec.placed:
        form = _format_of(placed.module, quantization, placed.prefix)
        found.append(ResolvedModule(module=placed.module, format=form, placed=placed))
    if spec.draft is not None:
        found.extend(_resolved_draft(spec.draft, quantization if spec.draft.target_quantization else None))
    if target is not None:
        plain = UnquantizedFormat(target=target)
        found = [evolve(part, format=plain) if _bare(part) else part for part in found]
    return ResolvedModel(spec=spec, modules=tuple(found))


def _bare(part: ResolvedModule) -> bool:
    return part.format is None and isinstance(part.module, Experts)


def _resolved_draft(draft: Draft, quantization: Quantization | None) -> Iterator[ResolvedModule]:
    """A draft's modules; its layers all sit on the last pipeline rank, whatever their number."""
    for run in draft.runs:
        for module in run.layer.modules:
            for form, indices in _formats(module, quantization, run.prefix, run.indices):
                times = 1 if isinstance(module, Tensor) and module.shared else len(indices)
                several = evolve(module, count=module.count * times)
                yield ResolvedModule(module=several, format=form, placed=Placed(module=several, stage="last"))
    for placed in draft.placed:
        yield ResolvedModule(
            module=placed.module, format=_format_of(placed.module, quantization, placed.prefix), placed=placed
        )


def _formats(
    module: Module, quantization: Quantization | None, prefix: str, indices: tuple[int, ...]
) -> list[tuple[Format | None, tuple[int, ...]]]:
    if quantization is None or not _asks_scheme(module, quantization):
        return [(None, indices)]
    by_format: dict[Format | None, list[int]] = {}
    for index in indices:
        form = _format_of(module, quantization, f"{prefix}.{index}.")
        by_format.setdefault(form, []).append(index)
    return [(form, tuple(at)) for form, at in by_format.items()]


def _asks_scheme(module: Module, quantization: Quantization) -> bool:
    if isinstance(module, Embedding):
        return module.lm_head or quantization.embeddings
    return isinstance(module, Linear | Experts) and module.quantizable


def _format_of(module: Module, quantization: Quantization | None, prefix: str) -> Format | None:
    if quantization is None or isinstance(module, Tensor) or not _asks_scheme(module, quantization):
        return None
    parts = tuple(prefix + source for source in module.sources) or (prefix + module.name,)
    return quantization.format_for(ModuleRef(name=prefix + module.name, parts=parts, kind=_kind(module)))


def _kind(module: Module) -> Literal["linear", "experts", "lm_head", "embedding"]:
    if isinstance(module, Embedding):
        return "lm_head" if module.lm_head else "embedding"
    return "experts" if isinstance(module, Experts) else "linear"
