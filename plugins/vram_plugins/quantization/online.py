"""`--quantization fp8_per_tensor` and its like: an unquantized checkpoint quantized while it is loaded.

vLLM: `config/quantization.py:_ONLINE_SHORTHANDS`, `quantization/online/`, `experts_int8.py` (0.33.0). Embeddings and
the LM head stay as they are.
"""

from __future__ import annotations

from vram.models.scheme import Format, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.fp8 import Fp8Format, Strategy
from vram.quantization.int8 import Int8Format
from vram.quantization.nvfp4 import Nvfp4Format
from vram.quantization.online import OnlineFormat
from vram.quantization.rules import RuledQuantization
from vram.quantization.target import HALVES, Target

_FP8: dict[str, Strategy] = {"fp8_per_tensor": "tensor", "fp8_per_block": "block", "fp8_per_channel": "channel"}
#: blocks of experts are whole since then (`online/fp8.py:Fp8PerBlockOnlineMoEMethod.maybe_roundup_sizes`)
_BLOCK, _ROUNDED_SINCE = 128, (0, 25, 0)


class OnlineScheme(QuantizationScheme):
    """fp8 of linears and experts; int8 of experts alone."""

    name = "online"
    methods: tuple[str, ...] = ("fp8_per_tensor", "fp8_per_block", "int8_per_channel_weight_only")
    min_capability = (7, 5)
    dtypes = HALVES
    since = (0, 20, 0)
    online = True

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        target = Target.of(request)
        strategy = _FP8.get(request.method)
        if strategy is not None:
            stored = OnlineFormat(
                inner=Fp8Format(method=request.method, strategy=strategy, strict=False, target=target),
                multiple=_BLOCK if strategy == "block" and target.version >= _ROUNDED_SINCE else 1,
            )
            return RuledQuantization(name=request.method, format=stored, experts=stored)
        inner: Format = Int8Format()
        if request.method == "nvfp4_per_token":
            inner = Nvfp4Format(method=request.method, target=target)
        return RuledQuantization(name=request.method, format=None, experts=OnlineFormat(inner=inner))


class OnlinePerChannelScheme(OnlineScheme):
    """fp8 with a scale per output, for activations per token, which Marlin has not."""

    name = "fp8_per_channel"
    methods = ("fp8_per_channel",)
    min_capability = (8, 9)
    dtypes = HALVES
    since = (0, 24, 0)


class OnlineNvfp4Scheme(OnlineScheme):
    """NVFP4 of experts alone, on data centre Blackwell."""

    name = "nvfp4_per_token"
    methods = ("nvfp4_per_token",)
    min_capability = (10, 0)
    dtypes = HALVES
    since = (0, 26, 0)


class ExpertsInt8Scheme(QuantizationScheme):
    """Experts in int8 per output, everything else as it is."""

    name = "experts_int8"
    methods = ("experts_int8",)
    min_capability = (8, 0)
    dtypes = HALVES
    deprecated = ((0, 14, 0), (0, 20, 0))
    online = True

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        del request
        return RuledQuantization(name=self.name, format=None, experts=OnlineFormat(inner=Int8Format()))


def schemes() -> list[QuantizationScheme]:
    """Online schemes."""
    return [OnlineScheme(), OnlinePerChannelScheme(), OnlineNvfp4Scheme(), ExpertsInt8Scheme()]
