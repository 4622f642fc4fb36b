"""GGUF: ggml's blocks as the file stores them, a type per tensor.

vLLM: `quantization/gguf.py` (0.20.2; gone in 0.24). Weights are taken over as raw bytes; parts of a fused layer are padded to
the widest row of them. Block sizes: ggml's `ggml_type` traits, gguf-py's `GGML_QUANT_SIZES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import ParallelismError, QuantizationError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.names import rename
from vram.quantization.unquantized import expert_biases

#: type: (weights, bytes) of a block
BLOCKS: Mapping[str, tuple[int, int]] = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q8_1": (32, 40),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210), "Q8_K": (256, 292),
    "IQ1_S": (256, 50), "IQ1_M": (256, 56), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ2_S": (256, 82),
    "IQ3_XXS": (256, 98), "IQ3_S": (256, 110), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136), "TQ1_0": (256, 54),
    "TQ2_0": (256, 66), "MXFP4": (32, 17), "NVFP4": (64, 36), "Q1_0": (128, 18),
}  # fmt: skip
#: types vLLM loads as plain weights of the model's dtype
_PLAIN = frozenset(("F32", "F16", "BF16", "F64"))


@frozen(kw_only=True)
class GgufFormat(Format):
    """`types` are those of the fused parts in order; of experts gate, up and down."""

    types: tuple[str, ...]

    @property
    def bits_per_weight(self) -> float:
        """Width of the widest part."""
        return max(8 * BLOCKS[kind][1] / BLOCKS[kind][0] for kind in self.types)

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """qweight (rows, bytes of the widest row), qweight_type. Raises ParallelismError where blocks are cut."""
        width = max(_row_bytes(kind, shape.inputs, shape.full_inputs, shape.tp) for kind in self.types)
        return (
            StoredTensor(name="qweight", elements=shape.rows * width, dtype="uint8"),
            StoredTensor(name="qweight_type", elements=len(shape.outputs), dtype="uint8"),
        )

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13 (E, up, row bytes), w2 (E, hidden, row bytes), their types."""
        *ups, down = self.types
        hidden, width = shape.hidden_size, shape.intermediate_size
        up_row = max(_row_bytes(kind, hidden, hidden, shape.tp) for kind in ups)
        down_row = _row_bytes(down, width, shape.full_intermediate_size, shape.tp)
        return (
            StoredTensor(name="w13_qweight", elements=shape.experts * shape.up_rows * up_row, dtype="uint8"),
            StoredTensor(name="w2_qweight", elements=shape.experts * hidden * down_row, dtype="uint8"),
            *expert_biases(shape),
        )


def _row_bytes(kind: str, inputs: int, full_inputs: int, tp: int) -> int:
    weights, size = BLOCKS[kind]
    if inputs % weights == 0:
        return inputs // weights * size
    if full_inputs % weights == 0:
        raise ParallelismError(
            what=f"{kind} blocks of {weights} inputs", units=full_inputs // weights, tensor_parallel_size=tp
        )
    raise QuantizationError(
        method="gguf", problem=f"a layer of {full_inputs} inputs is no multiple of {kind}'s block {weights}"
    )


@frozen(kw_only=True, eq=False)
class Gguf(Quantization):
    """Types by module name; parts of one fused layer may have several. Embeddings are stored in blocks too."""

    types: Mapping[str, str]
    name: str = "gguf"
    embeddings: bool = True
    _formats: dict[tuple[str, ...], Format] = field(factory=dict)

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError for a tensor the file has not."""
        names = module.parts or (module.name,)
        if module.kind == "experts":
            names = tuple(f"{module.name}.{projection}" for projection in ("gate_proj", "up_proj", "down_proj"))
            names = names if names[0] in self.types else names[1:]
        missing = [name for name in names if name not in self.types]
        if missing:
            if module.kind == "embedding":
                return None
            if module.kind == "lm_head":
                return self._made((self.types["model.embed_tokens"],)) if "model.embed_tokens" in self.types else None
            raise QuantizationError(method="gguf", problem=f"the file has no tensor for {missing[0]}")
        return self._made(tuple(self.types[name] for name in names))

    def _made(self, kinds: tuple[str, ...]) -> Format | None:
        if set(kinds) <= _PLAIN:
            return None
        if _PLAIN.intersection(kinds):
            raise QuantizationError(
                method="gguf", problem="a fused layer of quantized and plain parts, which vLLM refuses"
            )
        if kinds not in self._formats:
            self._formats[kinds] = GgufFormat(types=kinds)
        return self._formats[kinds]


class GgufScheme(QuantizationScheme):
    """A GGUF file's header: {"quant_method": "gguf", "tensor_types": {module: type}}."""

    name = "gguf"
    methods = ("gguf",)
    min_capability = (6, 0)
    removed = (0, 24, 0)

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method="gguf")
        types: dict[str, str] = {}
        for name, kind in block.mapping("tensor_types").items():
            if not isinstance(kind, str) or (kind.upper() not in BLOCKS and kind.upper() not in _PLAIN):
                raise block.error("tensor_types", f"has no ggml type for {name[:60]!r}")
            types[rename(name, request.renames)] = kind.upper()
        if not types:
            raise block.error("tensor_types", "is missing: give the .gguf file, whose header tells each tensor's type")
        return Gguf(types=types)


def schemes() -> list[QuantizationScheme]:
    """The GGUF scheme."""
    return [GgufScheme()]
