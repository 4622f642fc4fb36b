"""AutoRound, Intel's INC: GPTQ or AWQ packing, fp8 blocks, MXFP4 or MXFP8, with exceptions by module.

vLLM: `quantization/inc/` (0.33.0), until 0.14 `auto_round.py`. Only blocks named in `block_name_to_quantize` are quantized;
`extra_config` changes the numbers of modules by name, by ending or by regular expression; 16 bits mean unquantized.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from vram.errors import QuantizationError
from vram.models.record import field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization import marlin
from vram.quantization.block import QuantizationBlock
from vram.quantization.fp8 import Fp8Format
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.names import NameSet, rename, renamed
from vram.quantization.packed_int import AWQ, GPTQ, PackedIntFormat
from vram.quantization.target import HALVES, Target

_METHOD = "auto-round"
_REGEX = frozenset(r"*+?^$()[]{}|\\")
Numbers = tuple[int, int, bool]


@frozen(kw_only=True, eq=False)
class AutoRound(Quantization):
    """`numbers` are (bits, group_size, symmetric) of most modules; `exceptions` those of some, by name or expression."""

    name: str
    numbers: Numbers
    make: Maker
    blocks: tuple[str, ...]
    exceptions: Mapping[str, Numbers]
    expressions: NameSet
    refusals: tuple[str, ...] = ()
    _formats: dict[Numbers, Format | None] = field(factory=dict)

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError where parts of a fused module differ."""
        numbers = self._numbers(module)
        if numbers not in self._formats:
            self._formats[numbers] = None if numbers[0] >= 16 else self.make(numbers)
        return self._formats[numbers]

    def _numbers(self, module: ModuleRef) -> Numbers:
        own = self.exceptions.get(module.name) or self._by_ending(module.name)
        if own:
            return own
        quantized = self._in_blocks(module)
        default = self.numbers if quantized else (16, -1, True)
        parts = [self._exception(part) for part in module.parts] if module.kind != "experts" else []
        if any(parts):
            found = {part or default for part in parts}
            if len(found) > 1:
                raise QuantizationError(method=_METHOD, problem=f"the parts of {module.name} are quantized differently")
            return found.pop()
        if module.kind == "experts":
            inside = {n for name, n in self.exceptions.items() if name.startswith(module.name)}
            if len(inside) > 1:
                raise QuantizationError(
                    method=_METHOD, problem=f"the experts of {module.name} are quantized differently"
                )
            if inside:
                return inside.pop()
        return self._exception(module.name) or default

    def _in_blocks(self, module: ModuleRef) -> bool:
        if self.blocks:
            return module.name.startswith(self.blocks)
        return module.kind != "lm_head"

    def _exception(self, name: str) -> Numbers | None:
        if name in self.exceptions:
            return self.exceptions[name]
        found = self.expressions.first(name)
        return self.exceptions[found.removeprefix("re:(?s:.*?)")] if found else None

    def _by_ending(self, name: str) -> Numbers | None:
        start = name.find(".") + 1
        while start:
            if name[start:] in self.exceptions:
                return self.exceptions[name[start:]]
            start = name.find(".", start) + 1
        return None


@frozen(kw_only=True)
class Maker:
    """Makes the format of some numbers, all else being the checkpoint's."""

    packing: str
    data_type: str
    target: Target

    def __call__(self, numbers: Numbers) -> Format:
        bits, group, symmetric = numbers
        if "mx_fp" in self.data_type:
            if bits not in (4, 8):
                raise QuantizationError(method=_METHOD, problem=f"microscaling floats have 4 or 8 bits, not {bits}")
            packed = "weight_packed" if bits == 4 else "weight"
            return MicroscalingFormat(
                method=_METHOD, bits=bits, weight=packed, expert_weight=packed, target=self.target
            )
        if self.data_type in ("fp", "fp8"):
            scale = "weight_scale_inv"
            return Fp8Format(method=_METHOD, strategy="block", block=(group, group), scale=scale, target=self.target)
        awq = "awq" in self.packing
        return PackedIntFormat(
            method=_METHOD,
            layout=AWQ if awq else GPTQ,
            bits=bits,
            group_size=group,
            zero_points=not symmetric,
            group_index=not awq and self.target.version < (0, 30, 0),
            target=self.target,
        )


def _numbers(block: QuantizationBlock, default: Numbers | None = None) -> Numbers:
    group = block.find("group_size")[1]
    if isinstance(group, list | tuple):
        pair = QuantizationBlock(raw={"group_size": group[0] if group else None}, method=_METHOD, section=block.section)
        size = pair.integer("group_size", high=2**20)
    else:
        size = block.group_size("group_size", default=default[1] if default else None)
    bits = block.integer("bits", default=default[0] if default else None, low=1, high=32)
    return bits, size, block.flag("sym", default=default[2] if default else True)


def _exceptions(block: QuantizationBlock, numbers: Numbers, renames: tuple[tuple[str, str], ...]) -> dict[str, Numbers]:
    found: dict[str, Numbers] = {}
    for name, value in block.mapping("extra_config").items():
        if not isinstance(value, Mapping):
            raise block.error("extra_config", f"has no object for {name[:60]!r}")
        own = QuantizationBlock(raw=cast("Mapping[str, object]", value), method=_METHOD, section="extra_config.")
        found[rename(name, renames)] = _numbers(own, numbers)
    return found


def _is_expression(name: str) -> bool:
    if not _REGEX.intersection(name):
        return False
    try:
        re.compile(name)
    except (re.error, OverflowError, RecursionError):
        return False  # vLLM passes over what is no regular expression
    return True


#: packings and the first release that takes them (`SUPPORTED_FORMATS`), and the first without GPTQ's other widths
_PACKINGS = {
    "auto_round:auto_gptq": (0, 9, 0),
    "auto_round:auto_awq": (0, 9, 0),
    "auto_round:llm_compressor": (0, 27, 0),
    "auto_round:fp8": (0, 29, 0),
}
_MARLIN_ALONE = (0, 22, 0)


def _refusals(packing: str, data_type: str, numbers: Numbers, version: tuple[int, int, int]) -> tuple[str, ...]:
    since = _PACKINGS.get(packing)
    if since is None or version < since:
        return (f"vLLM does not read AutoRound's packing_format {packing[:40]!r}",)
    if data_type not in ("int", "fp") and "mx_fp" not in data_type:
        return (f"vLLM does not read AutoRound's data_type {data_type[:40]!r}",)
    bits, group, symmetric = numbers
    packed = data_type == "int" and "gptq" in packing and version >= _MARLIN_ALONE
    if packed and (bits not in (4, 8) or not symmetric or group not in marlin.GROUP_SIZES):
        return (f"vLLM does not run AutoRound with bits={bits}, group_size={group} and sym={str(symmetric).lower()}",)
    return ()


class IncScheme(QuantizationScheme):
    """`quant_method: auto-round`."""

    name = "inc"
    methods = ("auto-round", "inc")
    accepts = ("*",)
    min_capability = (6, 0)
    dtypes = HALVES
    since = (0, 9, 0)
    deprecated = ((0, 14, 0), (0, 15, 0))  # in 0.14 alone, on the way from `auto_round.py` to `inc.py`

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        return {"quant_method": method, "bits": 4, "group_size": 128, "sym": True, "data_type": "int"}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method=_METHOD)
        numbers = _numbers(block)
        data_type = block.text("data_type", default="int")
        packing = block.text("packing_format", default="auto_round:auto_gptq")
        names = block.find("block_name_to_quantize", "to_quant_block_names")[1]
        listed = (
            tuple(names.split(","))
            if isinstance(names, str)
            else block.names("block_name_to_quantize", "to_quant_block_names")
        )
        exceptions = _exceptions(block, numbers, request.renames)
        patterns = [f"re:(?s:.*?){name}" for name in exceptions if _is_expression(name)]
        return AutoRound(
            name=self.name,
            numbers=numbers,
            make=Maker(packing=packing, data_type=data_type, target=Target.of(request)),
            blocks=renamed((name.strip() for name in listed), request.renames),
            exceptions=exceptions,
            expressions=NameSet.of(patterns, method=_METHOD, regex=True),
            refusals=_refusals(packing, data_type, numbers, request.vllm_version),
        )


def schemes() -> list[QuantizationScheme]:
    """The AutoRound scheme."""
    return [IncScheme()]
