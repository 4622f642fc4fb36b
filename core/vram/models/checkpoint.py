"""What a model's files say: its config, its quantization block, and what is stored if headers are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from os import PathLike
from typing import Literal, Protocol

from vram.models.config import ModelConfig
from vram.models.record import field, frozen

Source = Literal["local", "hub", "cache", "catalog", "manual", "graph", "gguf"]


@frozen(kw_only=True)
class HeaderTensor:
    """One tensor of a safetensors or GGUF header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


@frozen(kw_only=True, eq=False)
class Inventory:
    """Everything the checkpoint stores, from headers alone. `total_bytes` is the sum of the tensors. `source` names the inventory
    source that tells of them, filled in where it is asked; "" where headers do.
    """

    tensors: tuple[HeaderTensor, ...] = field(repr=False)
    total_bytes: int
    files: int
    source: str = ""

    @property
    def elements(self) -> int:
        """Elements of all tensors, as their shapes say (packed weights count their containers)."""
        return sum(prod(tensor.shape) for tensor in self.tensors)


@frozen(kw_only=True)
class ManualModel:
    """Dimensions given by hand. Only `parameters` is always known; None is what nobody said.

    `parameters` counts them, `vision_bytes` is a tower's memory on top, `quantization` and `dtype` are
    the names the user typed.
    """

    parameters: int
    layers: int | None = None
    attention_heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    hidden_size: int | None = None
    intermediate_size: int | None = None
    vocab_size: int | None = None
    experts: int | None = None
    experts_per_token: int | None = None
    max_model_len: int | None = None
    quantization: str | None = None
    dtype: str | None = None
    vision_bytes: int = 0


@frozen(kw_only=True, eq=False)
class Checkpoint:
    """A model as its files describe it.

    `quantization` is the quantization block (of config.json, or hf_quant_config.json translated to the same
    place), empty where there is none. `inventory` is None where only the config is at hand; `stored_bytes` may
    still be known then, from an index file or the catalog. `parameters` counts logical parameters and is None
    where packed weights hide their number. `sentence_length` and `tokenizer_length` are what files beside
    config.json state as longest input. `notes` are sentences for the reader: where the facts are from, and
    what was not at hand. `manual` is set exactly where `source` is "manual". `awaits` is the revision ("": the usual one) of which the
    Hub was asked and said nothing yet, so that these facts stand in for its own; None where they do not.
    """

    id: str
    source: Source
    config: ModelConfig
    quantization: Mapping[str, object] = field(factory=dict, repr=False)
    inventory: Inventory | None = None
    stored_bytes: int | None = None
    parameters: int | None = None
    revision: str | None = None
    sentence_length: int | None = None
    tokenizer_length: int | None = None
    notes: tuple[str, ...] = ()
    manual: ManualModel | None = None
    awaits: str | None = None


class Reading(Protocol):
    """What is told how far the reading of a model from the Hub is."""

    def __call__(self, what: str, done: int, total: int, /) -> None:
        """So many parts of it are done, of so many (0: not known)."""


#: what names a model: a Hub id, a path, or one that is open
Model = str | PathLike[str] | Checkpoint
