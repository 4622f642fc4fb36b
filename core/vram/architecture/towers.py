"""Towers beside a language model: their small modules, and putting both together.

A tower's repeated blocks are modules with a `count`, named after the first block, outside the pipeline-split layers.
vLLM 0.32.0 builds towers and projectors on every pipeline rank (`interfaces.py:_mark_tower_model` marks them but does
not place them); a tower whose class passes no quantization config is made of `quantizable=False` linears.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from attrs import evolve

from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Parallel, Placed, Split, Stage, Tensor
from vram.models.spec import Encoder, ModelSpec


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


def multimodal(
    text: ModelSpec,
    config: ModelConfig,
    *,
    modules: Iterable[Module],
    encoders: tuple[Encoder, ...] = (),
    renames: tuple[tuple[str, str], ...] = (),
    prefix: str = "language_model.",
    inside: str = "",
    stage: Stage = "every",
    hints: frozenset[str] = frozenset(),
) -> ModelSpec:
    """A language model with `modules` beside it on every pipeline rank (or on `stage`).

    The language model's names get `prefix`; with `inside`, only those below "model." change, to that prefix (Idefics3's
    `model.text_model.`, with the LM head outside). The architecture is the outer `config`'s. Raises ConfigError.
    """
    outer = tuple(Placed(module=module, stage=stage) for module in modules)
    if inside:
        runs = tuple(evolve(run, prefix=_moved(run.prefix, inside)) for run in text.runs)
        placed = tuple(evolve(one, module=_renamed(one.module, inside)) for one in text.placed)
    else:
        runs = tuple(evolve(run, prefix=prefix + run.prefix) for run in text.runs)
        placed = tuple(evolve(one, prefix=prefix + one.prefix) for one in text.placed)
    return evolve(
        text,
        architecture=config.architecture,
        runs=runs,
        placed=placed + outer,
        encoders=text.encoders + encoders,
        renames=renames + text.renames,
        hints=text.hints | hints,
    )


def _moved(name: str, inside: str) -> str:
    return inside + name.removeprefix("model.") if name.startswith("model.") else name


def _renamed(module: Module, inside: str) -> Module:
    if isinstance(module, Tensor):
        return evolve(module, name=_moved(module.name, inside))
    sources = tuple(_moved(source, inside) for source in module.sources)
    return evolve(module, name=_moved(module.name, inside), sources=sources)
