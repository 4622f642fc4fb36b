"""The smallest blocks: parts of a layer, norms, and putting a layer together."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.cache import AttentionCache, CacheLayer
from vram.models.parameters import Linear, Module, Parallel, Split, Tensor
from vram.models.record import evolve, field, frozen
from vram.models.spec import Layer


@frozen(kw_only=True)
class Part:
    """Some modules of a layer and what they keep per request."""

    modules: tuple[Module, ...] = ()
    caches: tuple[CacheLayer, ...] = field(default=())


def layer(*parts: Part | Module | Iterable[Module]) -> Layer:
    """A layer from parts, modules, or groups of modules, in order."""
    modules: list[Module] = []
    caches: list[CacheLayer] = []
    for part in parts:
        if isinstance(part, Part):
            modules.extend(part.modules)
            caches.extend(part.caches)
        elif isinstance(part, Iterable):
            modules.extend(part)
        else:
            modules.append(part)
    return Layer(modules=tuple(modules), caches=tuple(caches))


def norm(name: str, width: int, *, bias: bool = False, dtype: str | None = None, count: int = 1) -> Tensor:
    """A norm's weight (and bias) of `width` elements, replicated on every rank."""
    return Tensor(name=name, shape=(2 if bias else 1, width), dtype=dtype, count=count)


def norms(width: int, *names: str, bias: bool = False) -> tuple[Tensor, ...]:
    """Several norms of one width; by default the two of a pre-norm decoder layer."""
    names = names or ("input_layernorm", "post_attention_layernorm")
    return tuple(norm(name, width, bias=bias) for name in names)


def bias_free_linear(
    name: str, inputs: int, outputs: int, parallel: Parallel = "column", *, quantizable: bool = True
) -> Linear:
    """A plain linear (outputs × inputs)."""
    return Linear(
        name=name,
        inputs=inputs,
        outputs=(Split(size=outputs),),
        parallel=parallel,
        sources=(name,),
        quantizable=quantizable,
    )


def replicated(part: Part) -> Part:
    """The part with every linear whole on every rank, as where transformers has no tensor-parallel plan."""
    modules = tuple(evolve(m, parallel="replicated") if isinstance(m, Linear) else m for m in part.modules)
    return Part(modules=modules, caches=part.caches)


def of_triton(part: Part, argument: str) -> Part:
    """Attention with an argument that vLLM's Triton backend alone takes."""
    caches = tuple(evolve(c, triton=argument) if isinstance(c, AttentionCache) else c for c in part.caches)
    return Part(modules=part.modules, caches=caches)
