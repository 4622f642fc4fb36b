"""MXFP4 experts, of gpt-oss and others; linears stay unquantized.

vLLM: `quantization/mxfp4.py`, `fused_moe/oracle/mxfp4.py` (0.33.0); the kernel, chosen by GPU and version, decides the
bytes (`vram.quantization.mxfp4`).
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.scheme import ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.mxfp4 import Mxfp4Experts
from vram.quantization.online import OnlineFormat
from vram.quantization.rules import RuledQuantization
from vram.quantization.target import Target

#: since then only gpt-oss's experts are run by the kernels that were written for them
_TWO_ORDERS = (0, 20, 0)
#: architectures whose compressed-tensors checkpoints vLLM reads with this method instead
_REROUTED = ("KimiK3ForConditionalGeneration", "KimiK3MTPModel")


def _linears(module: ModuleRef) -> bool:
    return module.kind != "experts"


class Mxfp4Scheme(QuantizationScheme):
    """`quant_method: mxfp4`, and `--quantization mxfp4` of an unquantized checkpoint."""

    name = "mxfp4"
    methods = ("mxfp4", "gpt_oss_mxfp4")
    min_capability = (8, 0)
    dtypes = ("bfloat16",)
    since = (0, 10, 1)
    online = True

    def claims(self, request: QuantizationRequest) -> bool:
        """Kimi K3's packed experts (`models/config.py:KimiK3ForConditionalGenerationConfig`, since 0.27)."""
        packed = request.config.get("format") == "mxfp4-pack-quantized"
        return request.method == "compressed-tensors" and packed and request.architecture in _REROUTED

    def typical(self, method: str) -> Mapping[str, object]:
        """See QuantizationScheme."""
        del method
        return {"quant_method": "mxfp4"}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        target = Target.of(request)
        if not request.config:
            inner = OnlineFormat(inner=MicroscalingFormat(method="mxfp4", bits=4, target=target))
            return RuledQuantization(name="mxfp4", format=inner, experts=inner)
        QuantizationBlock(raw=request.config, method="mxfp4").names("modules_to_not_convert")
        gpt_oss = request.model is not None and request.model.string("model_type") == "gpt_oss"
        own_order = gpt_oss or target.version < _TWO_ORDERS
        experts = Mxfp4Experts(method="mxfp4", order="gpt_oss_mxfp4" if own_order else "mxfp4", target=target)
        return RuledQuantization(
            name="gpt_oss_mxfp4" if gpt_oss else "mxfp4", format=None, experts=experts, skipped=_linears
        )


def schemes() -> list[QuantizationScheme]:
    """The MXFP4 scheme."""
    return [Mxfp4Scheme()]
