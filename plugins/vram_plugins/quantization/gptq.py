"""GPTQ: 2 to 8-bit integers packed along the inputs, with zero points even where they mean nothing.

vLLM: `quantization/auto_gptq.py`, `utils/gptq_utils.py` (0.33.0), before 0.22 `gptq.py` and `gptq_marlin.py`. Until 0.29
each linear also has g_idx; act-order (`desc_act`) keeps it and is refused since. Since 0.22 Marlin's widths and groups alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import cast

from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import evolve, field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization import marlin
from vram.quantization.block import QuantizationBlock
from vram.quantization.names import NameSet, renamed
from vram.quantization.packed_int import GPTQ, PackedIntFormat
from vram.quantization.rules import all_parts
from vram.quantization.stored import quantized_modules
from vram.quantization.target import HALVES, Target
from vram.quantization.unquantized import UNQUANTIZED

#: first release without g_idx and with act-order refused; first with `auto_gptq.py`, which has no kernel besides Marlin's kind
_WITHOUT_INDEX = (0, 30, 0)
_MARLIN_ALONE = (0, 22, 0)
_WIDTHS = (2, 3, 4, 8)


@frozen(kw_only=True)
class DynamicExpertsFormat(Format):
    """Experts with a `dynamic` rule: where Marlin does not fit the checkpoint's own group, vLLM's other kernel
    (`moe_wna16.py`) takes the checkpoint's own numbers and no rule.
    """

    base: PackedIntFormat
    own: Format

    @property
    def bits_per_weight(self) -> float:
        """That of the rule."""
        return min(self.own.bits_per_weight, self.base.bits_per_weight)

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """The rule's."""
        return self.own.linear(shape)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """The rule's, or the checkpoint's. Raises QuantizationError."""
        fits = marlin.supports_experts(shape.hidden_size, shape.intermediate_size, self.base.group_size)
        return (self.own if fits else self.base).experts(shape)


@frozen(kw_only=True, eq=False)
class GptqQuantization(Quantization):
    """GPTQ with `dynamic` rules, the first that matches counts: "-:regex" leaves a module unquantized, others change its numbers."""

    base: PackedIntFormat
    block: QuantizationBlock
    quantized: NameSet
    dynamic: Mapping[str, object] = field(factory=dict)
    lm_head: bool = False
    name: str = "gptq"
    refusals: tuple[str, ...] = ()

    @cached_property
    def _rules(self) -> tuple[tuple[re.Pattern[str], Format | None], ...]:
        return tuple(self._rule(pattern, values) for pattern, values in self.dynamic.items())

    def _rule(self, pattern: str, values: object) -> tuple[re.Pattern[str], Format | None]:
        negative = pattern.startswith("-:")
        try:
            compiled = re.compile(pattern.removeprefix("-:").removeprefix("+:"))
        except (re.error, OverflowError, RecursionError) as error:
            raise self.block.error("dynamic", f"has a rule that is no regular expression: {pattern[:60]!r}") from error
        if negative:
            return compiled, None
        if not isinstance(values, Mapping):
            raise self.block.error("dynamic", f"has a rule without an object: {pattern[:60]!r}")
        own = QuantizationBlock(
            raw=cast("Mapping[str, object]", values), method="gptq", section=f"dynamic.{pattern[:40]}."
        )
        bits = _width(own, self.base.bits)
        group = own.group_size("group_size", default=self.base.group_size)
        return compiled, evolve(self.base, bits=bits, group_size=group)

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError where only some parts of a fused module are quantized."""
        if module.kind == "lm_head" and not self.lm_head:
            return None
        for pattern, replacement in self._rules:
            if pattern.match(module.name) and module.kind == "experts":
                return DynamicExpertsFormat(base=self.base, own=replacement or UNQUANTIZED)
            if pattern.match(module.name):
                return replacement if replacement is None or self._is_quantized(module) else None
        return self.base if self._is_quantized(module) else None

    def _is_quantized(self, module: ModuleRef) -> bool:
        if module.kind == "experts" or not self.quantized:
            return True
        if module.parts:
            found = sum(map(self.quantized.matches, module.parts))
            if found not in (0, len(module.parts)):
                return all_parts(module, self.quantized, method="gptq")
            return found > 0
        return self.quantized.matches(module.name)


def _width(block: QuantizationBlock, default: int | None = None) -> int:
    bits = block.integer("bits", default=default, low=1, high=16)
    if bits not in _WIDTHS:
        raise block.error("bits", f"must be one of {', '.join(map(str, _WIDTHS))}, not {bits}")
    return bits


class GptqScheme(QuantizationScheme):
    """`quant_method: gptq`."""

    name = "gptq"
    methods = ("gptq", "auto_gptq", "gptq_marlin")
    accepts = ("marlin", "moe_wna16")
    min_capability = (6, 0)
    dtypes = HALVES

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        del method
        return {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="gptq")
        bits, group = _width(block), block.group_size("group_size")
        symmetric = block.flag("sym", default=True)
        ordered = block.flag("desc_act") and group != -1
        indexed = request.vllm_version < _WITHOUT_INDEX
        refusals: list[str] = []
        if not indexed and ordered:
            refusals.append("vLLM no longer runs GPTQ with desc_act and groups; requantize with desc_act=false")
        if request.vllm_version >= _MARLIN_ALONE:
            if bits not in (4, 8) or not symmetric:
                refusals.append(f"vLLM no longer runs GPTQ with bits={bits} and sym={str(symmetric).lower()}")
            if group not in marlin.GROUP_SIZES:
                refusals.append(f"vLLM no longer runs GPTQ in groups of {group}, but of 32, 64, 128 or none")
        base = PackedIntFormat(
            method="gptq",
            layout=GPTQ,
            bits=bits,
            group_size=group,
            zero_points=not symmetric,
            group_index=indexed or ordered,
            act_order=ordered,
            marlin_experts=request.requested != "moe_wna16",
            target=Target.of(request),
        )
        listed = renamed(block.names("modules_in_block_to_quantize"), request.renames) or quantized_modules(request)
        quantization = GptqQuantization(
            base=base,
            block=block,
            quantized=NameSet.of(listed, method="gptq", substring=True),
            dynamic=block.mapping("dynamic"),
            lm_head=block.flag("lm_head"),
            refusals=tuple(refusals),
        )
        _ = quantization._rules  # broken rules are the block's fault, not some module's
        return quantization


def schemes() -> list[QuantizationScheme]:
    """The GPTQ scheme."""
    return [GptqScheme()]
