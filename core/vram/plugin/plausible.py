"""Whether what a plugin's method gave can be, for what it was given: sentences.

The types of it are held against the contract's annotations before (`vram.plugin.conform`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vram.errors import VramError
from vram.models.spec import OWN_LAYERS
from vram.plugin.ranges import dtypes

if TYPE_CHECKING:
    from vram.models.adapter import BuildContext
    from vram.models.artifact import ArtifactRequest, GeneratedFile
    from vram.models.config import ModelConfig
    from vram.models.parameters import LocalExperts, LocalLinear
    from vram.models.scheme import Format, Quantization, StoredTensor
    from vram.models.spec import ModelSpec

#: what a format takes is at least so much of its own `bits_per_weight`: one of three expert matrices forgotten is a third less,
#: and nominal widths that count scales which are made later (bitsandbytes) a tenth more
_LEAST = 0.85
#: and at most so often, created or loaded whichever is less: a float32 model quantized to 4.25 bits while it loads is created in 7.5
#: times the width and kept in one; above what tiles pad; below so many weights rounding decides
_MOST, _TILES = 6.0, 2**17


def _stored(bits: float, weights: int, tensors: tuple[StoredTensor, ...]) -> Iterator[str]:
    created = sum(tensor.created_bytes for tensor in tensors)
    least = min(created, sum(tensor.loaded_bytes for tensor in tensors))
    nominal = weights * bits / 8
    if (weights > _TILES and created < _LEAST * nominal) or least > _MOST * nominal + _TILES:
        yield (
            f"makes {created:,} bytes of {weights:,} weights, where {bits:g} bits_per_weight are {nominal:,.0f}: "
            "is a matrix forgotten, are bits taken for bytes, or is the width another one"
        )


def _linear(form: Format, shape: LocalLinear, *, given: tuple[StoredTensor, ...]) -> Iterator[str]:
    yield from _stored(form.bits_per_weight, shape.rows * shape.inputs, given)


def _experts(form: Format, shape: LocalExperts, *, given: tuple[StoredTensor, ...]) -> Iterator[str]:
    weights = shape.experts * shape.hidden_size * (shape.up_rows + shape.intermediate_size)
    yield from _stored(form.bits_per_weight, weights, given)


def _built(_: object, config: ModelConfig, __: BuildContext, *, given: ModelSpec) -> Iterator[str]:
    """Where a config tells its number of layers in the field that everybody writes, the model has at least so many."""
    try:
        layers = config.text().integer("num_hidden_layers", default=0, low=0)
    except VramError:
        return
    if given.num_layers < layers and OWN_LAYERS not in given.hints:
        yield f"describes {given.num_layers} layers where num_hidden_layers is {layers} (hint {OWN_LAYERS!r} where that is right)"
    if layers and not any(run.layer.modules for run in given.runs):
        yield "describes layers of no modules"


def _typical(_: object, method: str, *, given: Mapping[str, object] | None) -> Iterator[str]:
    if given is not None and not isinstance(given.get("quant_method", method), str):
        yield "has a quant_method that is no text"


def _bound(_: object, __: object, *, given: Quantization) -> Iterator[str]:
    if not given.name:
        yield "has no name"
    yield from dtypes(*given.dtypes)


def _rendered(artifact: object, request: ArtifactRequest, *, given: tuple[GeneratedFile, ...]) -> Iterator[str]:
    from vram.plugin.quoting import render_problems

    yield from render_problems(artifact, request, given=given)


def _detected(_: object, *, given: tuple[object, ...]) -> Iterator[str]:
    if not given:
        yield "finds nothing and raises no DetectionError"


#: by contract and method
PLAUSIBLE: Mapping[tuple[str, str], Callable[..., Iterator[str]]] = {
    ("Format", "linear"): _linear,
    ("Format", "experts"): _experts,
    ("ArchitectureAdapter", "build"): _built,
    ("QuantizationScheme", "typical"): _typical,
    ("QuantizationScheme", "bind"): _bound,
    ("Artifact", "render"): _rendered,
    ("GpuDetector", "detect"): _detected,
}


def unsaid(*_: Any, **__: Any) -> Iterator[str]:
    """Of a method nothing more is asked than the type."""
    return iter(())
