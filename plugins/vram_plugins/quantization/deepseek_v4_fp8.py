"""DeepSeek V4: fp8 blocks for linears, and experts in MXFP4 or fp8 as `expert_dtype` says.

vLLM: `models/deepseek_v4/quant_config.py` (0.32.0, 0.33.0). With MXFP4 experts the linears' scales are E8M0 bytes.
"""

from __future__ import annotations

from vram.errors import QuantizationError
from vram.models.record import evolve
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.mxfp4 import Mxfp4Experts
from vram.quantization.names import NameSet, renamed
from vram.quantization.nvfp4 import Nvfp4Format
from vram.quantization.rules import RuledQuantization, skip_rule
from vram.quantization.target import HALVES, Target
from vram_plugins.quantization.fp8 import serialized

_MODEL_TYPES = ("deepseek_v4", "deepseek_v4_text", "deepseek_v41", "deepseek_v41_text")


def _model_type(request: QuantizationRequest) -> str:
    return request.model.string("model_type") if request.model else ""


class DeepseekV4Scheme(QuantizationScheme):
    """Takes "fp8" checkpoints whose model type is DeepSeek V4's."""

    name = "deepseek_v4_fp8"
    methods = ("deepseek_v4_fp8",)
    accepts = ("fp8",)
    min_capability = (7, 5)
    dtypes = HALVES
    since = (0, 20, 0)

    def claims(self, request: QuantizationRequest) -> bool:
        """See QuantizationScheme."""
        return request.method == "fp8" and _model_type(request) in _MODEL_TYPES

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method=self.name)
        dtype = (request.model.string("expert_dtype") if request.model else "") or "fp4"
        if dtype not in ("fp4", "fp8"):
            raise QuantizationError(method=self.name, problem=f"expert_dtype {dtype[:40]!r} is neither fp4 nor fp8")
        linear = serialized(request, block, self.name)
        names = NameSet.of(
            renamed(block.names("ignored_layers", "modules_to_not_convert"), request.renames), method=self.name
        )
        target = Target.of(request)
        experts: Nvfp4Format | Mxfp4Experts | None = None
        if dtype == "fp4":
            linear = evolve(linear, scale_dtype="float8_e8m0fnu")
            experts = Mxfp4Experts(method=self.name, target=target)
            if block.text("moe_quant_algo").upper() == "NVFP4":
                experts = Nvfp4Format(method=self.name, target=target)
        return RuledQuantization(
            name=self.name,
            format=linear,
            experts=experts or linear,
            skipped=skip_rule(names, method=self.name, exact=True),
            kv_scales=True,
        )


def schemes() -> list[QuantizationScheme]:
    """DeepSeek V4's scheme."""
    return [DeepseekV4Scheme()]
