"""The GPU and the vLLM version a format runs on: they decide its kernel, and with it what stays after loading."""

from __future__ import annotations

from typing import Literal

from vram.models.record import frozen
from vram.models.scheme import QuantizationRequest

#: generations that vLLM tells apart when it chooses kernels (`is_device_capability_family`, `is_device_capability`)
Generation = Literal["older", "turing", "ampere", "ada", "hopper", "blackwell", "thor", "consumer blackwell"]

#: where nobody says which GPU: the smallest capability with every kernel of the main path
_USUAL = (9, 0)
_GENERATIONS: dict[int, Generation] = {9: "hopper", 10: "blackwell", 11: "thor", 12: "consumer blackwell"}


@frozen(kw_only=True)
class Target:
    """Compute capability as (major, minor), vLLM's version, and whether LoRA adapters are served."""

    capability: tuple[int, int] = _USUAL
    version: tuple[int, int, int] = (0, 33, 0)
    lora: bool = False

    @classmethod
    def of(cls, request: QuantizationRequest) -> Target:
        """The request's target; an unknown GPU counts as a Hopper one."""
        return cls(capability=request.compute_capability or _USUAL, version=request.vllm_version)

    @property
    def generation(self) -> Generation:
        """The GPU's generation; what is newer than all of them counts as the last."""
        if self.capability >= (9, 0):
            return _GENERATIONS.get(self.capability[0], "consumer blackwell")
        if self.capability >= (8, 0):
            return "ada" if self.capability >= (8, 9) else "ampere"
        return "turing" if self.capability >= (7, 5) else "older"

    @property
    def fp8_hardware(self) -> bool:
        """fp8 matrix units: Ada (8.9) and later."""
        return self.capability >= (8, 9)

    @property
    def fp4_hardware(self) -> bool:
        """fp4 matrix units: Blackwell (10.0) and later."""
        return self.capability >= (10, 0)
