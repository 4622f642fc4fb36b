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
    stage: Stage = "every",
) -> ModelSpec:
    """A language model below `prefix` with `modules` beside it on every pipeline rank (or on `stage`).

    The architecture and, where the text section says nothing, the dtype are the outer `config`'s. Raises ConfigError.
    """
    beside = [Placed(module=module, stage=stage) for module in modules]
    return evolve(
        text,
        architecture=config.architecture,
        runs=tuple(evolve(run, prefix=prefix + run.prefix) for run in text.runs),
        placed=tuple(evolve(placed, prefix=prefix + placed.prefix) for placed in text.placed) + tuple(beside),
        encoders=text.encoders + encoders,
        renames=renames + text.renames,
    )
