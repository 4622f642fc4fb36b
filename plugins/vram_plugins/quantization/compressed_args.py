"""One set of quantization arguments of compressed-tensors, and what kind it is.

Fields and defaults as in compressed-tensors' `QuantizationArgs`; kinds as in
`compressed_tensors/compressed_tensors.py:CompressedTensorsConfig._is_*` (0.33.0).
"""

from __future__ import annotations

from vram.models.record import frozen
from vram.quantization.block import QuantizationBlock

_STRATEGIES = ("tensor", "channel", "group", "block", "token", "tensor_group", "attn_head")


@frozen(kw_only=True)
class QuantArgs:
    """`weights` or `input_activations` of a group. `dynamic` is also True for "local"."""

    bits: int
    kind: str
    strategy: str
    symmetric: bool
    dynamic: bool
    group_size: int
    block: tuple[int, int] | None = None
    actorder: str = ""
    scale_dtype: str = ""

    @classmethod
    def read(cls, block: QuantizationBlock) -> QuantArgs:
        """The arguments. Raises QuantizationError on wrong types, unknown strategies, impossible sizes."""
        group = block.group_size("group_size", default=-1)
        structure = _structure(block)
        strategy = block.text("strategy") or _default_strategy(group, structure)
        if strategy not in _STRATEGIES:
            raise block.error("strategy", f"must be one of {', '.join(_STRATEGIES)}, not {strategy[:40]!r}")
        kind = block.text("type", default="int")
        if kind not in ("int", "float"):
            raise block.error("type", f"must be int or float, not {kind[:40]!r}")
        if strategy in ("group", "tensor_group") and group < 1:
            raise block.error("group_size", f"is missing for strategy {strategy!r}")
        if strategy == "block" and structure is None:
            raise block.error("block_structure", "is missing for strategy 'block'")
        actorder = block.find("actorder")[1]
        return cls(
            bits=block.integer("num_bits", default=8, low=1, high=16),
            kind=kind,
            strategy=strategy,
            symmetric=block.flag("symmetric", default=True),
            dynamic=block.flag("dynamic"),
            group_size=group,
            block=structure,
            actorder="group" if actorder is True else str(actorder or ""),
            scale_dtype=str(block.find("scale_dtype")[1] or ""),
        )

    @property
    def is_nvfp4(self) -> bool:
        """4-bit floats in groups of 16 under a tensor scale."""
        return self.strategy == "tensor_group" and self.kind == "float" and self.bits == 4 and self.group_size == 16

    @property
    def is_mxfp4(self) -> bool:
        """4-bit floats in groups of 32."""
        return self.strategy == "group" and self.kind == "float" and self.bits == 4 and self.group_size == 32

    @property
    def is_mxfp8(self) -> bool:
        """8-bit floats in groups of 32 with E8M0 scales."""
        small = self.strategy == "group" and self.kind == "float" and self.bits == 8 and self.group_size == 32
        return small and "uint8" in self.scale_dtype

    @property
    def is_packed_int(self) -> bool:
        """Static integers with a scale per group or output."""
        return self.kind == "int" and self.strategy in ("channel", "group") and not self.dynamic


def _default_strategy(group: int, structure: tuple[int, int] | None) -> str:
    if structure:
        return "block"
    return "group" if group > 0 else "tensor"


def _structure(block: QuantizationBlock) -> tuple[int, int] | None:
    name, value = block.find("block_structure")
    if value is None:
        return None
    if isinstance(value, str):
        value = value.lower().split("x")
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise block.error(name, "must be two integers")
    sizes = []
    for size in value:
        text = str(size)
        if not text.isdecimal() or not 0 < int(text[:10]) <= 2**20:
            raise block.error(name, "must be two positive integers")
        sizes.append(int(text[:10]))
    return sizes[0], sizes[1]
