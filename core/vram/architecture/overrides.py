"""What `--hf-overrides` makes of a model's config, before vLLM describes the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from vram.errors import InputError
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig
from vram.models.record import evolve

#: sections of a config that are configs themselves: an override changes their fields one by one, and replaces other mappings
_SECTION = "_config"
_NO_SECTION = frozenset({"quantization_config", "compression_config"})


def with_overrides(checkpoint: Checkpoint, overrides: Mapping[str, object] | None) -> Checkpoint:
    """The checkpoint with these fields in its config. The same overrides give the same object. Raises InputError.

    Source: vLLM 0.33.0 `config/model.py:_apply_dict_overrides`.
    """
    if not overrides:
        return checkpoint
    if checkpoint.manual is not None:
        raise InputError(
            name="hf_overrides", value=None, problem="is for a model with a config, not for dimensions by hand"
        )
    return _with(checkpoint, json.dumps(dict(overrides), sort_keys=True, default=str))


@lru_cache(maxsize=64)
def _with(checkpoint: Checkpoint, overrides: str) -> Checkpoint:
    changes = json.loads(overrides)
    raw = _merged(checkpoint.config.raw, changes)
    quantization = raw.get("quantization_config")
    return evolve(
        checkpoint,
        config=ModelConfig(raw=raw, path=checkpoint.config.path, section=checkpoint.config.section),
        quantization=quantization
        if "quantization_config" in changes and isinstance(quantization, Mapping)
        else checkpoint.quantization,
    )


def _merged(raw: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    found = dict(raw)
    for name, value in changes.items():
        own = raw.get(name)
        section = name.endswith(_SECTION) and name not in _NO_SECTION
        if section and isinstance(own, Mapping) and isinstance(value, Mapping):
            found[name] = _merged(own, value)
        else:
            found[name] = value
    # `rope_scaling` and `rope_theta` are older names of what stands in `rope_parameters`
    block = raw.get("rope_parameters")
    if isinstance(block, Mapping) and "rope_parameters" not in changes:
        if isinstance(changes.get("rope_scaling"), Mapping):
            theta = {"rope_theta": block["rope_theta"]} if "rope_theta" in block else {}
            found["rope_parameters"] = {**theta, **_merged({}, dict(changes["rope_scaling"]))}  # type: ignore[call-overload]
        if "rope_theta" in changes and isinstance(found["rope_parameters"], Mapping):
            found["rope_parameters"] = {**found["rope_parameters"], "rope_theta": changes["rope_theta"]}
    return found
