"""The GPU and the vLLM version a format runs on: they decide its kernel, and with it what stays after loading."""

from __future__ import annotations

from typing import Literal

from vram.models.parameters import LocalExperts
from vram.models.platform import Chip, platform_of
from vram.models.record import frozen
from vram.models.scheme import QuantizationRequest

#: what most methods run in (`get_supported_act_dtypes`, 0.33.0)
HALVES = ("bfloat16", "float16")
#: generations that vLLM tells apart when it chooses kernels (`is_device_capability_family`, `is_device_capability`)
Generation = Literal["older", "turing", "ampere", "ada", "hopper", "blackwell", "thor", "consumer blackwell", "other"]

#: where nobody says which GPU: the smallest capability with every kernel of the main path
_USUAL = (9, 0)
_GENERATIONS: dict[int, Generation] = {9: "hopper", 10: "blackwell", 11: "thor", 12: "consumer blackwell"}

#: model types that vLLM keeps off DeepGEMM on Blackwell for their accuracy (`utils/deep_gemm.py`, 0.19.0 to 0.33.0)
_WITHOUT_DEEP_GEMM, _SPARED_SINCE = ("qwen3_5_text", "qwen3_5_moe_text"), (0, 19, 0)


@frozen(kw_only=True)
class Target:
    """Compute capability as (major, minor), vLLM's version, and what else decides kernels.

    `lora`: adapters are served; `moe_backend` is the argument; `deep_gemm`: vLLM does not keep the model off DeepGEMM.
    """

    capability: tuple[int, int] = _USUAL
    version: tuple[int, int, int] = (0, 33, 0)
    lora: bool = False
    moe_backend: str = "auto"
    deep_gemm: bool = True

    @classmethod
    def of(cls, request: QuantizationRequest) -> Target:
        """The request's target; an unknown GPU counts as a Hopper one."""
        version = request.vllm_version
        kind = request.model.text().string("model_type") if request.model else ""
        spared = kind in _WITHOUT_DEEP_GEMM and version >= _SPARED_SINCE
        return cls(
            capability=request.compute_capability or _USUAL,
            version=version,
            lora=request.lora,
            moe_backend=request.moe_backend,
            deep_gemm=not spared,
        )

    @property
    def generation(self) -> Generation:
        """The GPU's generation; what is newer than all of them counts as the last, "other" is no GPU of NVIDIA's."""
        if isinstance(self.capability, Chip):
            return "other"
        if self.capability >= (9, 0):
            return _GENERATIONS.get(self.capability[0], "consumer blackwell")
        if self.capability >= (8, 0):
            return "ada" if self.capability >= (8, 9) else "ampere"
        return "turing" if self.capability >= (7, 5) else "older"

    @property
    def fp8_hardware(self) -> bool:
        """fp8 matrix units: Ada (8.9) and later."""
        return self.capability >= (8, 9) or self.has("fp8")

    @property
    def fp4_hardware(self) -> bool:
        """fp4 matrix units: Blackwell (10.0) and later."""
        return self.capability >= (10, 0)

    def has(self, what: str) -> bool:
        """Whether another platform's chip has a thing (`Platform.has`); False on CUDA, whose rules ask for capabilities."""
        return isinstance(self.capability, Chip) and self.capability.has(what, self.version)

    @property
    def elsewhere(self) -> bool:
        """Whether it is no GPU of NVIDIA's: none of its kernels runs, and weights stay as they are created."""
        return isinstance(self.capability, Chip)

    def experts(self, weights: str, shape: LocalExperts) -> LocalExperts:
        """The sizes in which another platform's kernel has experts created. Raises QuantizationError where it has none."""
        platform = platform_of(self.capability)
        return shape if platform is None else platform.experts(weights, shape, self)
