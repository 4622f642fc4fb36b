"""Where headers (or the transformers graph) list every tensor: weights of a model no adapter knows, and its LM head.

The generic decoder (`generic.py`) says how layers attend; how much they weigh is then not assumed from dimensions but read
from the tensors. Over tensor parallelism matrices are divided, vectors are not, as vLLM divides nearly every one.
"""

from __future__ import annotations

import re
from collections import Counter
from math import prod

from vram.models.checkpoint import HeaderTensor, Inventory
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, LayerRun, ModelSpec

_LAYER = r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\."
_INPUT = r"embed|wte|wpe|tok_"
_OUTPUT = r"lm_head|output\.weight|final|\bnorm|ln_f"
_HEAD = r"(?:^|\.)lm_head\."
_TIED = "tie_word_embeddings"
_DIMENSIONS_OF_A_MATRIX = 2


def with_stored_weights(spec: ModelSpec, inventory: Inventory) -> ModelSpec:
    """A generic spec whose modules are replaced by the tensors themselves, kept in the dtype they are stored in.

    Layers keep their caches. Tensors outside layers are held by the first or last pipeline rank by their name, else
    by every rank.
    """
    by_layer: dict[int, list[HeaderTensor]] = {}
    outside: list[HeaderTensor] = []
    layer = re.compile(_LAYER)
    for tensor in inventory.tensors:
        match = layer.search(tensor.name)
        if match and int(match[1]) < spec.num_layers:
            by_layer.setdefault(int(match[1]), []).append(tensor)
        else:
            outside.append(tensor)
    runs = [
        LayerRun(layer=Layer(modules=_modules(by_layer.get(index, [])), caches=run.layer.caches), indices=(index,))
        for run in spec.runs
        for index in run.indices
    ]
    grouped: dict[Layer, list[int]] = {}
    for run in runs:
        grouped.setdefault(run.layer, []).extend(run.indices)
    buffers = tuple(one for one in spec.placed if isinstance(one.module, Tensor) and one.module.buffer)
    return evolve(
        spec,
        runs=tuple(LayerRun(layer=each, indices=tuple(sorted(at))) for each, at in grouped.items()),
        placed=(*buffers, *(_placed(tensor) for tensor in outside)),
        parameters=inventory.elements,
        assumptions=(
            f"No adapter knows {spec.architecture}: its weights are those the headers list, divided over GPUs as vLLM divides "
            "most; that every layer attends in full is assumed. Whether vLLM serves it is not known here.",
        ),
    )


def told_of_its_head(config: ModelConfig, inventory: Inventory | None) -> ModelConfig:
    """The config with its embeddings untied where a nested config is silent and the headers list an LM head.

    Outer config classes of transformers 5 tie by default, and files older than they are rely on the text class, which does
    not (Mistral Small 3.1). vLLM looks for that head itself (0.32.0 `config/model.py:maybe_untie_word_embeddings`). A config
    that ties in words is believed: such a head is mostly a copy, and vLLM shares a copy again once it is loaded.
    """
    text = config.text()
    if inventory is None or text is config or config.has(_TIED) or text.has(_TIED):
        return config
    if not any(re.search(_HEAD, tensor.name) for tensor in inventory.tensors):
        return config
    return ModelConfig(raw={**config.raw, _TIED: False}, path=config.path, section=config.section)


def _modules(tensors: list[HeaderTensor]) -> tuple[Module, ...]:
    """One module per distinct shape, with its count, whatever the tensors' names."""
    counted = Counter((tensor.shape, tensor.dtype) for tensor in tensors)
    return tuple(_module(shape, dtype, count) for (shape, dtype), count in sorted(counted.items()))


def _module(shape: tuple[int, ...], dtype: str, count: int) -> Tensor:
    elements = prod(shape)
    whole = len(shape) < _DIMENSIONS_OF_A_MATRIX
    return Tensor(name="stored", shape=shape, dtype=dtype, sharded_units=0 if whole else elements, count=count)


def _placed(tensor: HeaderTensor) -> Placed:
    stage = "first" if re.search(_INPUT, tensor.name) else "last" if re.search(_OUTPUT, tensor.name) else "every"
    return Placed(module=_module(tensor.shape, tensor.dtype, 1), stage=stage)  # type: ignore[arg-type]
