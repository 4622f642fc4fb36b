"""Names in a ModelOpt block: what is excluded, and which algorithm each module has.

`quantization/modelopt.py`: `is_layer_excluded`, `apply_vllm_mapper`, `_resolve_quant_algo` (0.33.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from vram.quantization.block import QuantizationBlock
from vram.quantization.names import NameSet, rename


def spellings(name: str) -> tuple[str, ...]:
    """Names a module may have in `quantized_layers` (`_quantized_layer_prefix_candidates`)."""
    if name.endswith(".lm_head"):
        return name, "lm_head"
    if name.startswith("language_model.model."):
        return name, "model.language_model." + name.removeprefix("language_model.model.")
    if name.startswith("model.language_model."):
        return name, "language_model.model." + name.removeprefix("model.language_model.")
    return (name,)


def exclusions(names: tuple[str, ...], renames: tuple[tuple[str, str], ...]) -> tuple[NameSet, NameSet]:
    """The list as exact names, and as substrings and wildcards. "layers.0*" is spelt "layers.0" and "layers.0.*"."""
    spelt: list[str] = []
    for name in names:
        if len(name) > 1 and name.endswith("*") and not name.endswith(".*"):
            spelt += [name[:-1], name[:-1] + ".*"]
        else:
            spelt.append(name)
    entries = [rename(name, renames) for name in spelt]
    return NameSet.of(entries, method="modelopt"), NameSet.of(entries, method="modelopt", substring=True, wildcard=True)


def quantized_layers(block: QuantizationBlock, renames: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The algorithm of each module a mixed checkpoint lists, by vLLM's names. Raises QuantizationError."""
    layers: dict[str, str] = {}
    for name, value in block.mapping("quantized_layers").items():
        if not isinstance(value, Mapping):
            raise block.error("quantized_layers", f"has no object for {name[:60]!r}")
        own = QuantizationBlock(
            raw=cast("Mapping[str, object]", value), method=block.method, section="quantized_layers."
        )
        layers[rename(name, renames)] = own.text("quant_algo").upper()
    return layers


def parents(layers: Mapping[str, str]) -> dict[str, str]:
    """The first algorithm below each module, for experts, whose projections are listed one by one."""
    found: dict[str, str] = {}
    for name, algorithm in layers.items():
        parent = name
        while "." in parent:
            parent = parent.rpartition(".")[0]
            found.setdefault(parent, algorithm)
    return found
