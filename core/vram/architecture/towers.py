"""Towers beside a language model: their small modules, and putting both together.

A tower's repeated blocks are modules with a `count`, named after the first block, outside the pipeline-split layers.
vLLM to 0.32 builds towers and projectors on every pipeline rank, later ones those of `interfaces.py:_mark_tower_model` on
the first alone; a tower whose class passes no quantization config is made of `quantizable=False` linears.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod

from vram.architecture.reading import NO_FLOAT16, dtype_hints
from vram.architecture.registered import registered_by
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Parallel, Placed, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec

#: hint of models whose towers `--mm-encoder-tp-mode data` holds whole
_DATA_PARALLEL = "encoder_tp_data"
#: hint of models whose attention sees an image both ways, and the model types that do where the config has no word on it
#: (`transformers_utils/model_arch_config_convertor.py:is_mm_prefix_lm`, 0.33.0)
_SEEN_WHOLE = "mm_prefix_lm"
_SEE_WHOLE = frozenset({"bagel", "gemma3", "molmo2", "moondream3", "paligemma"})
#: first version whose every tower is left out when none of its modalities may be used
TOWERS_LEFT_OUT_SINCE = (0, 19, 0)
_ON_FIRST_STAGE_SINCE = (0, 33, 0)


def dense(
    name: str,
    inputs: int,
    outputs: int,
    *,
    parallel: Parallel = "replicated",
    bias: bool = True,
    quantizable: bool = True,
    count: int = 1,
) -> Linear:
    """One of vLLM's linears: outputs × inputs, replicated unless said otherwise."""
    return Linear(
        name=name,
        inputs=inputs,
        outputs=(Split(size=outputs),),
        parallel=parallel,
        bias=bias,
        sources=(name,),
        quantizable=quantizable,
        count=count,
    )


def convolution(name: str, outputs: int, inputs: int, *kernel: int, bias: bool = True, count: int = 1) -> Tensor:
    """A convolution, or torch's own linear where there is no kernel: outputs × (inputs · kernel + bias).

    Neither is sharded nor quantized (`nn.Conv2d`, `nn.Linear`, `Conv2dLayer`).
    """
    return Tensor(name=name, shape=(outputs, inputs * prod(kernel) + bias), count=count)


def position_ids(name: str, positions: int) -> Tensor:
    """The int64 buffer 0 ... positions-1 that transformers' embeddings register."""
    return Tensor(name=name, shape=(positions,), dtype="int64", buffer=True)


def under(prefix: str, modules: Iterable[Module]) -> tuple[Module, ...]:
    """The same modules with `prefix` before their names and sources."""
    return tuple(
        evolve(module, name=prefix + module.name)
        if isinstance(module, Tensor)
        else evolve(module, name=prefix + module.name, sources=tuple(prefix + source for source in module.sources))
        for module in modules
    )


def unquantized(modules: Iterable[Module]) -> tuple[Module, ...]:
    """The same modules, whose linears were made without a quantization config."""
    return tuple(evolve(module, quantizable=False) if isinstance(module, Linear) else module for module in modules)


def multimodal(
    text: ModelSpec,
    config: ModelConfig,
    *,
    modules: Iterable[Module],
    encoders: tuple[Encoder, ...] = (),
    renames: tuple[tuple[str, str], ...] = (),
    prefix: str = "language_model.",
    inside: str = "",
    modalities: tuple[str, ...] = ("image",),
    data_parallel: bool = False,
) -> ModelSpec:
    """A language model with a tower's `modules` beside it on every pipeline rank.

    The tower serves `modalities`; `data_parallel` is whether vLLM can hold it whole on every rank instead
    (`supports_encoder_tp_data`). A second tower is added by `with_tower`. The language model's names get `prefix`; with
    `inside`, only those below "model." change, to that prefix (Idefics3's `model.text_model.`, with the LM head outside).
    The architecture is the outer `config`'s. Raises ConfigError.
    """
    if inside:
        runs = tuple(evolve(run, prefix=_moved(run.prefix, inside)) for run in text.runs)
        placed = tuple(evolve(one, module=_renamed(one.module, inside)) for one in text.placed)
    else:
        runs = tuple(evolve(run, prefix=prefix + run.prefix) for run in text.runs)
        placed = tuple(evolve(one, prefix=prefix + one.prefix) for one in text.placed)
    outer = evolve(
        text,
        architecture=config.architecture,
        runs=runs,
        placed=placed,
        renames=renames + text.renames,
        hints=(text.hints - {NO_FLOAT16})
        | dtype_hints(config)
        | {hint for hint, has in ((_DATA_PARALLEL, data_parallel), (_SEEN_WHOLE, _sees_whole(config))) if has},
    )
    return with_tower(outer, modules, modalities=modalities, encoders=encoders)


def _sees_whole(config: ModelConfig) -> bool:
    return config.flag("is_mm_prefix_lm", default=config.string("model_type") in _SEE_WHOLE)


def with_tower(
    spec: ModelSpec, modules: Iterable[Module], *, modalities: tuple[str, ...], encoders: tuple[Encoder, ...] = ()
) -> ModelSpec:
    """The model with one more tower, on every pipeline rank.

    vLLM marks the modules made for a tower; a bare parameter of the model itself, which has no dot in its name
    (LLaVA-NeXT's `image_newline`), is none and stays whatever becomes of the tower.
    """
    added = tuple(
        Placed(module=module, stage="every", modalities=() if _is_bare(module) else modalities) for module in modules
    )
    return evolve(spec, placed=spec.placed + added, encoders=spec.encoders + encoders)


def _is_bare(module: Module) -> bool:
    return isinstance(module, Tensor) and "." not in module.name


@lru_cache(maxsize=256)
def served(spec: ModelSpec, refused: frozenset[str], *, tp_mode: str, version: tuple[int, int, int]) -> ModelSpec:
    """The model without the towers all of whose modalities are `refused`, its others whole per rank if asked.

    `--limit-mm-per-prompt` of 0 leaves a tower out (`interfaces.py:_mark_tower_model`); `tp_mode` "data"
    (`--mm-encoder-tp-mode`) holds towers whole where their class supports it. Since 0.33 later pipeline stages have none.
    Its attention's scales are registered as that version does.
    Cached, so that the same question gives the same object.
    """
    spec = registered_by(spec, version)
    whole = tp_mode == "data" and _DATA_PARALLEL in spec.hints
    first = version >= _ON_FIRST_STAGE_SINCE
    if not any(whole or first or refused.issuperset(one.modalities) for one in spec.placed if one.modalities):
        return spec
    text_only = all(refused.issuperset(one.modalities) for one in spec.placed if one.modalities)
    kept = [one for one in spec.placed if not one.modalities or not refused.issuperset(one.modalities)]
    encoders = [encoder for encoder in spec.encoders if encoder.modality not in refused]
    return evolve(
        spec,
        hints=spec.hints - {_SEEN_WHOLE} if text_only else spec.hints,
        placed=tuple(_of_tower(one, whole=whole, first=first) if one.modalities else one for one in kept),
        encoders=tuple(evolve(encoder, tensor_parallel=not whole and encoder.tensor_parallel) for encoder in encoders),
    )


def _of_tower(placed: Placed, *, whole: bool, first: bool) -> Placed:
    module = _whole(placed.module) if whole else placed.module
    return evolve(placed, module=module, stage="first" if first else placed.stage)


def _whole(module: Module) -> Module:
    """A tower's module held whole; a projector outside the tower's class stays divided (Llama 4)."""
    if not isinstance(module, Linear) or module.name.startswith("multi_modal_projector."):
        return module
    return evolve(module, parallel="replicated")


def _moved(name: str, inside: str) -> str:
    return inside + name.removeprefix("model.") if name.startswith("model.") else name


def _renamed(module: Module, inside: str) -> Module:
    if isinstance(module, Tensor):
        return evolve(module, name=_moved(module.name, inside))
    sources = tuple(_moved(source, inside) for source in module.sources)
    return evolve(module, name=_moved(module.name, inside), sources=sources)
