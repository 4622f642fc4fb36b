"""What a user asked for, before anything is resolved: the content of a profile file (`vram ... -p profile.yaml`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from attrs import Attribute, fields

from vram.errors import InputError
from vram.models.deployment import EngineArgs
from vram.models.record import field, frozen

_MOST = 2**40
_PORTS = 65535
_MOST_REPLICAS = 1024
_LONGEST_TEXT = 4096
_LONGEST_NAME = 52  # Kubernetes appends "-0-1" or a hash to the name of a workload and allows 63


def _text(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.strip() or "\0" in value or len(value) > _LONGEST_TEXT:
        raise InputError(name=attribute.name, value=value, problem="must be text")


def _switch(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise InputError(name=attribute.name, value=value, problem="must be true or false")


def _whole(most: int = _MOST) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise InputError(name=attribute.name, value=value, problem=f"must be a whole number from 1 to {most}")

    return check


def _number(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not 0 <= value <= _MOST:
        raise InputError(name=attribute.name, value=value, problem="must be a number of at least 0")


def _words(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(word, str) and "\0" not in word for word in value):
        raise InputError(name=attribute.name, value=value, problem="must be a list of texts")


def _label(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not is_label(value)):
        problem = (
            f"must be small letters, digits and dashes, begin with a letter and have at most {_LONGEST_NAME} characters"
        )
        raise InputError(name=attribute.name, value=value, problem=problem)


def is_label(text: str) -> bool:
    """Whether a text can name everything in Kubernetes, Services included (RFC 1035), and a compose project."""
    plain = all(c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in text)
    return plain and 0 < len(text) <= _LONGEST_NAME and text[0].isalpha() and text[-1] != "-"


def _rate(value: Any) -> Any:
    """GB/s may be written as a number."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _in_one_order(value: Any) -> Any:
    """Engine arguments in EngineArgs' order whatever they came from, so that what is written from them is the same."""
    if not isinstance(value, Mapping):
        return value
    names = [a.name for a in fields(EngineArgs)]
    ordered = {name: value[name] for name in names if value.get(name) is not None}
    return ordered | {name: one for name, one in value.items() if name not in names}


def _engine(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, Mapping):
        raise InputError(name=attribute.name, value=value, problem="must be names with values")
    for one in fields(EngineArgs):
        if one.name in value:
            _typed(one.name, str(one.type), value[one.name])
    EngineArgs.from_mapping(value)


def _typed(name: str, kind: str, value: object) -> None:
    """Raises InputError where a value is not of the engine argument's type; bounds are EngineArgs' own matter."""
    good = (
        (isinstance(value, bool) and "bool" in kind)
        or (isinstance(value, int) and not isinstance(value, bool) and ("int" in kind or "float" in kind))
        or (isinstance(value, float) and "float" in kind)
        or (isinstance(value, str) and "str" in kind and "Mapping" not in kind)
        or (isinstance(value, Mapping) and "Mapping" in kind)
    )
    if not good:
        raise InputError(name=name, value=value, problem=f"has the wrong type (must be {kind})")


@frozen(kw_only=True)
class Serving:
    """How the server is run, beyond what it computes.

    `name` names its parts in Kubernetes and compose (default: from the model). `gpus_per_node` decides how many machines a
    deployment needs. `token_secret` names the Kubernetes secret that holds HF_TOKEN. `requires_api_key`: the server takes its
    VLLM_API_KEY from where secrets are. `replicas` servers are run, each with GPUs of its own. `extra_flags` are further
    words of `vllm serve` that do not decide memory, as given.
    """

    name: str | None = field(default=None, validator=_label)
    port: int = field(default=8000, validator=_whole(_PORTS))
    image: str = field(default="vllm/vllm-openai", validator=_text)
    gpus_per_node: int = field(default=8, validator=_whole())
    token_secret: str = field(default="hf-token", validator=_label)
    requires_api_key: bool = field(default=False, validator=_switch)
    replicas: int = field(default=1, validator=_whole(_MOST_REPLICAS))
    extra_flags: tuple[str, ...] = field(default=(), validator=_words)


@frozen(kw_only=True)
class SavedRequest:
    """A whole request; None is "not said". `engine_args` holds exactly the engine arguments that were given.

    Sizes are in GiB as people write them. Raises InputError on wrong types and impossible values.
    """

    model: str | None = field(default=None, validator=_text)
    revision: str | None = field(default=None, validator=_text)
    trust_remote_code: bool = field(default=False, validator=_switch)
    params_billion: float | None = field(default=None, validator=_number)
    layers: int | None = field(default=None, validator=_whole())
    kv_heads: int | None = field(default=None, validator=_whole())
    head_dim: int | None = field(default=None, validator=_whole())
    hidden_size: int | None = field(default=None, validator=_whole())
    vocab_size: int | None = field(default=None, validator=_whole())
    vision_gib: float | None = field(default=None, validator=_number)
    gpu: str | None = field(default=None, validator=_text)
    gpus: int | None = field(default=None, validator=_whole())
    gpu_memory_gib: float | None = field(default=None, validator=_number)
    used_gib: float | None = field(default=None, validator=_number)
    interconnect: str | None = field(default=None, converter=_rate, validator=_text)
    profile: str | None = field(default=None, validator=_text)
    vllm_version: str | None = field(default=None, validator=_text)
    prompt_tokens: int | None = field(default=None, validator=_whole())
    gen_tokens: int | None = field(default=None, validator=_whole())
    concurrency: int | None = field(default=None, validator=_whole())
    batching_mode: str | None = field(default=None, validator=_text)
    ttft_ms: float | None = field(default=None, validator=_number)
    tpot_ms: float | None = field(default=None, validator=_number)
    requests_per_second: float | None = field(default=None, validator=_number)
    percentile: int | None = field(default=None, validator=_whole())
    goal: str | None = field(default=None, validator=_text)
    lengths: str | None = field(default=None, validator=_text)
    headroom_gib: float | None = field(default=None, validator=_number)
    fragmentation_factor: float | None = field(default=None, validator=_number)
    overhead_gib: float | None = field(default=None, validator=_number)
    engine_args: Mapping[str, object] = field(factory=dict, converter=_in_one_order, validator=_engine)
    emit: tuple[str, ...] = field(default=(), validator=_words)
    serving: Serving = field(factory=Serving)
