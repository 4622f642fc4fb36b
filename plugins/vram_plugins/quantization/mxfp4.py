"""MXFP4 experts, of gpt-oss and others; linears stay unquantized.

vLLM: `quantization/mxfp4.py`, `fused_moe/oracle/mxfp4.py` (0.33.0). The kernel is chosen by GPU, and rounds the experts'
sizes up before they are created.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.scheme import ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.online import OnlineFormat
from vram.quantization.rules import RuledQuantization
from vram.quantization.target import Target

#: where gpt-oss runs on Triton's kernels, whose packages the wheel brings along: Hopper. vLLM's answer without a GPU
#: has none of them, takes Marlin and creates the rounded sizes; what a GPU holds is Triton's layout.
_TRITON = (9, 0)
#: architectures whose compressed-tensors checkpoints vLLM reads with this method instead
_REROUTED = ("KimiK3ForConditionalGeneration", "KimiK3MTPModel")


def rounding(target: Target) -> tuple[int, int]:
    """Multiples the experts' hidden size and width are rounded up to (`mxfp4_round_up_hidden_size_...`).

    Marlin (up to Hopper, and consumer Blackwell) has 256 and 128; TRT-LLM (data centre Blackwell) has 256 and 128
    since 0.28, 256 and 256 before.
    """
    wide = target.capability[0] == 10 and target.version < (0, 28, 0)
    return 256, 256 if wide else 128


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
        gpt_oss = bool(request.model) and request.model.string("model_type") == "gpt_oss"  # type: ignore[union-attr]
        hidden, width = rounding(target)
        experts = MicroscalingFormat(
            method="mxfp4",
            bits=4,
            hidden_multiple=hidden,
            width_multiple=width,
            bias_dtype="bfloat16",
            swizzled=gpt_oss and target.capability == _TRITON,
            target=target,
        )
        return RuledQuantization(
            name="gpt_oss_mxfp4" if gpt_oss else "mxfp4", format=None, experts=experts, skipped=_linears
        )


def schemes() -> list[QuantizationScheme]:
    """The MXFP4 scheme."""
    return [Mxfp4Scheme()]
