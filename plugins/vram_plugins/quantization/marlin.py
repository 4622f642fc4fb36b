"""Checkpoints stored in Marlin's own layout: 4 bits, symmetric, groups of 128 or one per output.

vLLM: `quantization/marlin.py` (0.9.2; gone in 0.11).
"""

from __future__ import annotations

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.rules import RuledQuantization

_TILE_ROWS, _TILE_INPUTS, _PARALLEL = 64, 128, 16
#: from here on such a checkpoint is read as any GPTQ one
_GONE = (0, 10, 2)


@frozen(kw_only=True)
class MarlinFormat(Format):
    """B, s and a workspace of 16 int32 per 64 outputs."""

    group_size: int

    @property
    def bits_per_weight(self) -> float:
        """Width with group scales."""
        return 4 + (16 / self.group_size if self.group_size > 0 else 0)

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """B (inputs / 16, rows × 2) int32, s (groups, rows). Raises QuantizationError on sizes Marlin cannot tile."""
        if shape.rows % _TILE_ROWS or shape.inputs % _TILE_INPUTS:
            raise QuantizationError(
                method="marlin",
                problem=f"a layer of {shape.inputs} inputs and {shape.rows} outputs does not fit its tiles",
            )
        weights = shape.rows * shape.inputs
        groups = 1 if self.group_size < 0 else shape.inputs // self.group_size
        return (
            StoredTensor(name="B", elements=weights // 8, dtype="int32"),
            StoredTensor(name="s", elements=groups * shape.rows, dtype=shape.dtype),
            StoredTensor(name="workspace", elements=shape.rows // _TILE_ROWS * _PARALLEL, dtype="int32"),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: vLLM had no fused experts in this layout."""
        raise QuantizationError(
            method="marlin", problem=f"vLLM has no kernel for {shape.global_experts} fused experts in it"
        )


class MarlinScheme(QuantizationScheme):
    """`quant_method: marlin`, and GPTQ checkpoints that say they are stored so."""

    name = "marlin"
    methods = ("marlin",)
    accepts = ("gptq",)
    min_capability = (8, 0)
    removed = _GONE

    def claims(self, request: QuantizationRequest) -> bool:
        """See QuantizationScheme."""
        config = request.config
        stored = config.get("checkpoint_format") == "marlin" or config.get("is_marlin_format") is True
        return request.method == "gptq" and stored and request.vllm_version < _GONE

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="marlin")
        group = block.group_size("group_size")
        if group not in (-1, 128):
            raise block.error("group_size", f"must be 128 or -1, not {group}")
        stored = MarlinFormat(group_size=group)
        return RuledQuantization(name="marlin", format=stored, experts=stored, lm_head=block.flag("lm_head"))


def schemes() -> list[QuantizationScheme]:
    """The Marlin scheme."""
    return [MarlinScheme()]
