"""AMD Quark: fp8, int8, int4, MXFP4, by module name, module type or for the whole model.

vLLM: `quantization/quark/quark.py`, `quark/schemes/`, `quark_moe.py` (0.33.0).
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
from vram.quantization.fp8 import Fp8Format
from vram.quantization.int8 import Int8Format
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.names import NameSet, rename, renamed
from vram.quantization.packed_int import AWQ, PackedIntFormat
from vram.quantization.rules import KV_SCALES, all_parts
from vram.quantization.target import Target

_METHOD = "quark"


@frozen(kw_only=True, eq=False)
class Quark(Quantization):
    """Exclusions, formats by name pattern, the format of the rest."""

    base: QuantizationBlock
    named: Mapping[str, QuantizationBlock]
    patterns: NameSet
    excluded: NameSet
    target: Target
    name: str = _METHOD
    kv_cache_dtype: str | None = None
    _formats: dict[tuple[str, bool], Format] = field(factory=dict)

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError for what vLLM has no scheme for."""
        experts = module.kind == "experts"
        if module.kind == "lm_head" or all_parts(module, self.excluded, method=_METHOD):
            return None
        found = self._pattern(module)
        key = (found or "", experts)
        if key not in self._formats:
            self._formats[key] = _format(self.named[found] if found else self.base, self.target, experts)
        return self._formats[key]

    def _pattern(self, module: ModuleRef) -> str | None:
        found = {self.patterns.first(name) for name in module.parts or (module.name,)}
        if len(found) > 1 and module.kind != "experts":
            raise QuantizationError(method=_METHOD, problem=f"the parts of {module.name} are quantized differently")
        return found.pop() if len(found) == 1 else self.patterns.first(module.name)

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        """See Quantization."""
        return KV_SCALES if num_kv_heads else ()


def _format(block: QuantizationBlock, target: Target, experts: bool) -> Format:
    weights = block.sub("weight")
    if weights is None:
        raise block.error("weight", "is missing")
    inputs = block.sub("input_tensors")
    dtype, scheme = weights.text("dtype"), weights.text("qscheme")
    static = inputs is not None and not inputs.flag("is_dynamic")
    if dtype == "fp8_e4m3" and scheme in ("per_tensor", "per_channel"):
        strategy = "tensor" if scheme == "per_tensor" else "channel"
        return Fp8Format(method=_METHOD, strategy=strategy, static_input=static, target=target)  # type: ignore[arg-type]
    if dtype == "int8" and scheme in ("per_tensor", "per_channel") and inputs is not None:
        return Int8Format(
            per_channel=scheme == "per_channel", static_input=static, input_zero_point=static, weight_zero_point=True
        )
    if dtype == "fp4" and scheme == "per_group" and weights.group_size("group_size", default=-1) == 32:
        return MicroscalingFormat(method=_METHOD, bits=4, target=target)
    if dtype in ("int4", "uint4") and scheme == "per_group" and inputs is None and not experts:
        group = weights.group_size("group_size")
        return PackedIntFormat(
            method=_METHOD, layout=AWQ, bits=4, group_size=group, zero_points=dtype == "uint4", target=target
        )
    raise QuantizationError(method=_METHOD, problem=f"vLLM has no scheme for {dtype[:20]!r} weights {scheme[:20]!r}")


def _kv_cache(block: QuantizationBlock) -> str | None:
    export = block.sub("export")
    if export is None or not export.names("kv_cache_group"):
        return None
    for pattern in export.names("kv_cache_group"):
        config = block.mapping("layer_quant_config").get(pattern)
        if isinstance(config, Mapping):
            output = config.get("output_tensors")
            if isinstance(output, Mapping) and output.get("dtype") == "fp8_e4m3":
                return "fp8"
    return None


class QuarkScheme(QuantizationScheme):
    """`quant_method: quark`."""

    name = _METHOD
    methods = (_METHOD,)
    min_capability = (7, 0)
    since = (0, 7, 3)

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method=_METHOD)
        base = block.sub("global_quant_config")
        if base is None:
            raise block.error("global_quant_config", "is missing")
        named: dict[str, QuantizationBlock] = {}
        for name, value in block.mapping("layer_quant_config").items():
            if not isinstance(value, Mapping):
                raise block.error("layer_quant_config", f"has no object for {name[:60]!r}")
            pattern = rename(name, request.renames)
            spelt = pattern if pattern.startswith("re:") else f"re:{translate(pattern)}"
            named[spelt] = QuantizationBlock(
                raw=cast("Mapping[str, object]", value), method=_METHOD, section="layer_quant_config."
            )
        return Quark(
            base=base,
            named=named,
            patterns=NameSet.of(named, method=_METHOD, regex=True),
            excluded=NameSet.of(renamed(block.names("exclude"), request.renames), method=_METHOD, regex=True),
            target=Target.of(request),
            kv_cache_dtype=_kv_cache(block),
        )


def schemes() -> list[QuantizationScheme]:
    """The Quark scheme."""
    return [QuarkScheme()]
