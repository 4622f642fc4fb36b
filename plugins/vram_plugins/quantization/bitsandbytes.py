"""bitsandbytes: NF4 or FP4 with a fp32 scale per 64 weights, or int8 with one per output.

vLLM: `quantization/bitsandbytes.py` (0.25.1; gone in 0.28), `model_loader/bitsandbytes_loader.py`. Weights are created packed;
their scales (the quantization state) exist after loading only. bitsandbytes 0.48 `functional.py:quantize_4bit`: blocks of
64; with double quantization a byte per block, an fp32 per 256 of those and 256 fp32 codes.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear, ceil_div
from vram.models.record import frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.names import renamed
from vram.quantization.rules import RuledQuantization
from vram.quantization.unquantized import expert_biases, expert_weights

_BLOCK = 64
_NESTED_BLOCK = 256
#: the map from codes to values: 16 fp32 for four bits, 256 for the nested eight
_CODE_BYTES, _NESTED_CODE_BYTES = 16 * 4, 256 * 4


@frozen(kw_only=True)
class BitsAndBytes4(Format):
    """Half a byte per weight, and its quantization state per fused part. `nested`: double quantization."""

    nested: bool

    @property
    def bits_per_weight(self) -> float:
        """Width with block scales."""
        return 4 + (8 + 32 / _NESTED_BLOCK if self.nested else 32) / _BLOCK

    def _state(self, weights: int) -> int:
        blocks = ceil_div(weights, _BLOCK)
        if self.nested:
            return blocks + 4 * ceil_div(blocks, _NESTED_BLOCK) + _CODE_BYTES + _NESTED_CODE_BYTES
        return 4 * blocks + _CODE_BYTES

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows × inputs / 2, 1) uint8, with the state it gets while loading."""
        weights = shape.rows * shape.inputs
        state = sum(self._state(rows * shape.inputs) for rows in shape.outputs)
        return (
            StoredTensor(
                name="weight", elements=ceil_div(weights, 2), dtype="uint8", kept_bytes=ceil_div(weights, 2) + state
            ),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 and w2 packed, with the states they get while loading."""
        tensors = [
            StoredTensor(
                name=f"{name}_weight",
                elements=ceil_div(weights, 2),
                dtype="uint8",
                kept_bytes=ceil_div(weights, 2) + self._state(weights),
            )
            for name, weights in zip(("w13", "w2"), expert_weights(shape), strict=True)
        ]
        return (*tensors, *expert_biases(shape))


@frozen(kw_only=True)
class BitsAndBytes8(Format):
    """LLM.int8(): a byte per weight and a fp32 scale per output, the latter after loading."""

    @property
    def bits_per_weight(self) -> float:
        """A byte each."""
        return 8.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs) int8, with its scales (rows)."""
        weights = shape.rows * shape.inputs
        return (StoredTensor(name="weight", elements=weights, dtype="int8", kept_bytes=weights + 4 * shape.rows),)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Raises QuantizationError: vLLM has no int8 experts of bitsandbytes."""
        raise QuantizationError(
            method="bitsandbytes",
            problem=f"vLLM runs {shape.global_experts} experts with 4 bits only, the checkpoint has 8",
        )


def _skip(modules: tuple[str, ...]) -> set[str]:
    return set(modules)


class BitsAndBytesScheme(QuantizationScheme):
    """`quant_method: bitsandbytes`; without a block, NF4 while loading."""

    name = "bitsandbytes"
    methods = ("bitsandbytes",)
    min_capability = (7, 0)
    removed = (0, 28, 0)
    online = True

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        return {"quant_method": method, "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="bitsandbytes")
        eight = block.flag("load_in_8bit", "_load_in_8bit") and not block.flag("load_in_4bit", "_load_in_4bit")
        storage = block.text("bnb_4bit_quant_storage", default="uint8")
        if storage != "uint8" and not eight:
            raise block.error("bnb_4bit_quant_storage", f"must be uint8 for vLLM, not {storage[:20]!r}")
        skipped = _skip(renamed(block.names("llm_int8_skip_modules"), request.renames))

        def is_skipped(module: ModuleRef) -> bool:
            # `is_layer_skipped_bnb`: an entry is one component of the name, or the name's beginning
            parts = module.name.split(".")
            beginnings = {".".join(parts[: end + 1]) for end in range(len(parts))}
            return module.kind == "linear" and bool(skipped.intersection(parts) or skipped.intersection(beginnings))

        stored: Format = BitsAndBytes8() if eight else BitsAndBytes4(nested=block.flag("bnb_4bit_use_double_quant"))
        return RuledQuantization(name="bitsandbytes", format=stored, experts=stored, skipped=is_skipped)


def schemes() -> list[QuantizationScheme]:
    """The bitsandbytes scheme."""
    return [BitsAndBytesScheme()]
