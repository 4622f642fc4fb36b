"""Where headers (or an inventory source) list every tensor: weights of a model no adapter knows, and its LM head.

The generic decoder (`generic.py`) says how layers attend; how much they weigh is then not assumed from dimensions but read
from the tensors. Over tensor parallelism matrices are divided, vectors are not, as vLLM divides nearly every one; keys and
values no further than their heads go, routers not at all, and vocabularies are padded first.
"""

from __future__ import annotations

import re
from collections import Counter
from math import prod

from vram.models.cache import AttentionCache
from vram.models.checkpoint import HeaderTensor, Inventory
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, LayerRun, ModelSpec

_LAYER = r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\."
_INPUT = r"embed|wte|wpe|tok_"
_OUTPUT = r"lm_head|output\.weight|final|\bnorm|ln_f"
_KEYS_AND_VALUES = r"(?:^|[._])(?:k|v|key|value)(?:_proj)?\.weight$"
_ROUTER = r"(?:^|\.)(?:gate|router)\.weight$"
_VOCABULARY = r"(?:^|\.)(?:embed_tokens|tok_embeddings|wte|word_embeddings|lm_head)\.weight$"
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
    heads = max((cache.num_kv_heads for cache in spec.caches if isinstance(cache, AttentionCache)), default=0)
    runs = [
        LayerRun(
            layer=Layer(modules=_modules(by_layer.get(index, []), heads), caches=run.layer.caches), indices=(index,)
        )
        for run in spec.runs
        for index in run.indices
    ]
    grouped: dict[Layer, list[int]] = {}
    for run in runs:
        grouped.setdefault(run.layer, []).extend(run.indices)
    buffers = tuple(one for one in spec.placed if isinstance(one.module, Tensor) and one.module.buffer)
    whose = f"the tensors that {inventory.source!r} tells of" if inventory.source else "the tensors that its files list"
    return evolve(
        spec,
        runs=tuple(LayerRun(layer=each, indices=tuple(sorted(at))) for each, at in grouped.items()),
        placed=(*buffers, *(_placed(tensor) for tensor in outside)),
        parameters=inventory.elements,
        assumptions=(
            f"No adapter knows {spec.architecture}: its weights are {whose}, divided over GPUs as vLLM divides most; "
            "that every layer attends in full is assumed. Whether vLLM serves it is not known here.",
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


def _modules(tensors: list[HeaderTensor], heads: int) -> tuple[Module, ...]:
    """One module per distinct shape and way of being divided, with its count, whatever the tensors' names."""
    counted = Counter((tensor.shape, tensor.dtype, _units(tensor, heads)) for tensor in tensors)
    return tuple(_module(shape, dtype, units, count) for (shape, dtype, units), count in sorted(counted.items()))


def _units(tensor: HeaderTensor, heads: int) -> int:
    """Into how many parts a tensor can be divided, 0 for none."""
    if len(tensor.shape) < _DIMENSIONS_OF_A_MATRIX or re.search(_ROUTER, tensor.name):
        return 0
    elements = prod(tensor.shape)
    return heads if heads and elements % heads == 0 and re.search(_KEYS_AND_VALUES, tensor.name) else elements


def _module(shape: tuple[int, ...], dtype: str, units: int, count: int = 1) -> Tensor:
    return Tensor(name="stored", shape=shape, dtype=dtype, sharded_units=units, count=count)


def _placed(tensor: HeaderTensor) -> Placed:
    stage = "first" if re.search(_INPUT, tensor.name) else "last" if re.search(_OUTPUT, tensor.name) else "every"
    module: Module = _module(tensor.shape, tensor.dtype, _units(tensor, 0))
    if re.search(_VOCABULARY, tensor.name) and len(tensor.shape) == _DIMENSIONS_OF_A_MATRIX:
        module = Embedding(name="stored", rows=tensor.shape[0], columns=tensor.shape[1], dtype=tensor.dtype)
    return Placed(module=module, stage=stage)  # type: ignore[arg-type]
