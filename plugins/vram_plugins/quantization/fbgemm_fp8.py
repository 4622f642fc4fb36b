"""Meta's fp8 checkpoints (Llama 3.1 405B): fp8 per output, activations per token.

vLLM: `quantization/fbgemm_fp8.py` (0.33.0, where it is deprecated and needs --allow-deprecated-quantization).
"""

from __future__ import annotations

from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.quantization.block import QuantizationBlock
from vram.quantization.fp8 import Fp8Format
from vram.quantization.names import NameSet, renamed
from vram.quantization.rules import RuledQuantization, skip_rule
from vram.quantization.target import HALVES, Target


@frozen(kw_only=True)
class FbgemmFormat(Format):
    """fp8 per output and one upper bound for activations."""

    inner: Fp8Format

    @property
    def bits_per_weight(self) -> float:
        """A byte each."""
        return 8.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs), weight_scale (rows, 1), input_scale_ub."""
        return (*self.inner.linear(shape), StoredTensor(name="input_scale_ub", elements=1, dtype="float32"))

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """Experts as fp8 per output."""
        return self.inner.experts(shape)


class FbgemmScheme(QuantizationScheme):
    """`quant_method: fbgemm_fp8`."""

    name = "fbgemm_fp8"
    methods = ("fbgemm_fp8",)
    min_capability = (8, 0)
    dtypes = HALVES
    deprecated = ((0, 14, 0), None)

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method=self.name)
        names = NameSet.of(renamed(block.names("modules_to_not_convert"), request.renames), method=self.name)
        stored = FbgemmFormat(inner=Fp8Format(method=self.name, strategy="channel", target=Target.of(request)))
        return RuledQuantization(name=self.name, format=stored, skipped=skip_rule(names, method=self.name, exact=True))


def schemes() -> list[QuantizationScheme]:
    """The FBGEMM scheme."""
    return [FbgemmScheme()]
