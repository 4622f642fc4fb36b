"""What an engine argument may be: validators of the record that holds them, each raising InputError."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vram.errors import InputError

if TYPE_CHECKING:
    from attrs import Attribute

_MAX = 2**40  # no count or length in a deployment is larger


def whole(low: int = 1) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator: None, or an integer of at least `low`."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= _MAX or (low < 0 and not value):
            raise InputError(name=attribute.name, value=value, problem=f"must be a whole number from {low} to 2^40")

    return check


def number(low: float, high: float, *, exclusive: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator: None, or a finite number within [low, high] (low excluded if `exclusive`)."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is None:
            return
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or not low <= value <= high or (exclusive and value == low):
            raise InputError(name=attribute.name, value=value, problem=f"must be a number from {low:g} to {high:g}")

    return check


def of_its_kind(name: str, kind: str, value: Any) -> Any:
    """An argument's value, if it is what its annotation says: a switch, text, a mapping, a list of text. Numbers are checked elsewhere.

    Raises InputError.
    """
    if kind.startswith("bool") and not isinstance(value, bool):
        raise InputError(name=name, value=value, problem="must be true or false")
    if kind.startswith("str") and not isinstance(value, str):
        raise InputError(name=name, value=value, problem="must be text")
    if kind.startswith("Sequence") and not (
        isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    ):
        raise InputError(name=name, value=value, problem="must be a list of names")
    if kind.startswith("Mapping"):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise InputError(name=name, value=value, problem="must be names with values (a JSON object)")
        if kind.startswith("Mapping[str, str]") and not all(isinstance(one, str) for one in value.values()):
            raise InputError(name=name, value=value, problem="must be names with values that are text")
    return value


def one_of(*allowed: object) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator: None, or one of the words, which are of one kind."""
    kind = type(allowed[0])

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool) or value not in allowed):
            raise InputError(name=attribute.name, value=value, problem=f"must be {', '.join(map(str, allowed))}")

    return check


#: of a draft, text and whole numbers (vLLM 0.33.0 `config/speculative.py:SpeculativeConfig`)
_DRAFT_TEXT = ("method", "model", "quantization", "revision", "code_revision", "moe_backend", "attention_backend")
_DRAFT_COUNTS = (
    "num_speculative_tokens",
    "draft_tensor_parallel_size",
    "max_model_len",
    "prompt_lookup_min",
    "prompt_lookup_max",
)
#: what an item may be besides its count (vLLM 0.33.0 `config/multimodal.py`: `gt=0`)
_SIZES = {"image": ("width", "height"), "video": ("num_frames", "width", "height"), "audio": ("length",)}


def names_or_numbers(_: Any, attribute: Attribute[Any], value: Any) -> None:
    """A validator of `--speculative-config`: its names are text, its counts at least 1."""
    for key, one in (value or {}).items():
        if key in _DRAFT_TEXT and one is not None and not isinstance(one, str):
            raise InputError(name=f"{attribute.name}.{key}", value=one, problem="must be text")
        if key in _DRAFT_COUNTS and one is not None and not _is_whole(one, 1):
            raise InputError(name=f"{attribute.name}.{key}", value=one, problem="must be a whole number from 1")


def redundant_experts(_: Any, attribute: Attribute[Any], value: Any) -> None:
    """A validator of `--eplb-config`: its redundant experts are counted."""
    for key, one in (value or {}).items():
        if key == "num_redundant_experts" and not _is_whole(one, 0):
            raise InputError(name=f"{attribute.name}.{key}", value=one, problem="must be a whole number from 0")


def counts_of_items(_: Any, attribute: Attribute[Any], value: Any) -> None:
    """A validator of `--limit-mm-per-prompt`: of each modality a count from 0, or a mapping of it with sizes from 1."""
    for modality, given in (value or {}).items():
        options = given if isinstance(given, Mapping) else {"count": given}
        for key, one in options.items():
            name = f"{attribute.name}.{modality}" + (f".{key}" if given is options else "")
            if key == "count" and not _is_whole(one, 0):
                raise InputError(name=name, value=one, problem="must be a whole number from 0")
            if key != "count" and key not in _SIZES.get(modality, ()):
                raise InputError(name=name, value=one, problem="is nothing that vLLM knows of such an item")
            if key != "count" and one is not None and not _is_whole(one, 1):
                raise InputError(name=name, value=one, problem="must be a whole number from 1")


def _is_whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= _MAX
