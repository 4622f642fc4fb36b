"""AMD Quark: fp8, int8, int4, MXFP4 to MXFP8, NVFP4, by module name or for the whole model.

vLLM: `quantization/quark/quark.py` (0.33.0). `layer_type_quant_config` is never reached there: its keys are compared with classes.
A block that speaks of the KV cache does not change its dtype: --kv-cache-dtype does.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import translate
from typing import cast

from vram.errors import QuantizationError
from vram.models.parameters import Tensor
from vram.models.record import field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.names import NameSet, rename, renamed
from vram.quantization.rules import KV_SCALES, all_parts
from vram.quantization.target import HALVES, Target
from vram_plugins.quantization.quark_formats import METHOD, format_of, lowest_capability


@frozen(kw_only=True, eq=False)
class Quark(Quantization):
    """Exclusions, formats by name pattern, the format of the rest."""

    base: QuantizationBlock
    named: Mapping[str, QuantizationBlock]
    patterns: NameSet
    excluded: NameSet
    target: Target
    name: str = METHOD
    min_capability: tuple[int, int] | None = None
    _formats: dict[tuple[str, bool], Format] = field(factory=dict)

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError for what vLLM has no scheme for."""
        experts = module.kind == "experts"
        if module.kind == "lm_head" or self._is_excluded(module):
            return None
        found = self._pattern(module)
        key = (found, experts)
        if key not in self._formats:
            self._formats[key] = format_of(self._block(found), self.target, experts=experts)
        return self._formats[key]

    def _is_excluded(self, module: ModuleRef) -> bool:
        if module.kind == "experts":
            return self.excluded.first(module.name) is not None or self.excluded.below(module.name)
        return all_parts(module, self.excluded, method=METHOD)

    def _block(self, pattern: str) -> QuantizationBlock:
        return self.named[pattern] if pattern else self.base

    def _pattern(self, module: ModuleRef) -> str:
        """The pattern that means the module, "" where none does."""
        if module.kind == "experts":
            return self._matching(module.name)
        found = [self._matching(name) for name in module.parts or (module.name,)]
        configs = [{**self._block(one).raw, "output_tensors": None} for one in found]
        if any(config != configs[0] for config in configs):
            raise QuantizationError(method=METHOD, problem=f"the parts of {module.name} are quantized differently")
        return found[0]

    def _matching(self, name: str) -> str:
        """The first pattern: with a star a shell's, without one any text that the name is part of."""
        found = self.patterns.first(name)
        plain = next((each for each in self.named if "*" not in each and name in each), None)
        order = [each for each in (found, plain) if each]
        return min(order, key=list(self.named).index) if order else ""

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        """See Quantization."""
        return KV_SCALES if num_kv_heads else ()


class QuarkScheme(QuantizationScheme):
    """`quant_method: quark`."""

    name = METHOD
    methods = (METHOD,)
    min_capability = (7, 0)
    dtypes = HALVES
    since = (0, 7, 3)

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method=METHOD)
        base = block.sub("global_quant_config")
        if base is None:
            raise block.error("global_quant_config", "is missing")
        named: dict[str, QuantizationBlock] = {}
        for name, value in block.mapping("layer_quant_config").items():
            if not isinstance(value, Mapping):
                raise block.error("layer_quant_config", f"has no object for {name[:60]!r}")
            pattern = rename(name, request.renames)
            named[f"re:{translate(pattern)}" if "*" in pattern else pattern] = QuantizationBlock(
                raw=cast("Mapping[str, object]", value), method=METHOD, section="layer_quant_config."
            )
        return Quark(
            base=base,
            named=named,
            patterns=NameSet.of([name for name in named if name.startswith("re:")], method=METHOD, regex=True),
            excluded=NameSet.of(renamed(block.names("exclude"), request.renames), method=METHOD, regex=True),
            target=Target.of(request),
            min_capability=max(lowest_capability(each) for each in (base, *named.values())),
        )


def schemes() -> list[QuantizationScheme]:
    """The Quark scheme."""
    return [QuarkScheme()]
