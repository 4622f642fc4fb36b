"""The GPU and the vLLM version a format runs on: they decide its kernel, and with it what stays after loading."""

from __future__ import annotations

from vram.models.record import frozen
from vram.models.scheme import QuantizationRequest

#: what most methods run in (`get_supported_act_dtypes`, 0.33.0)
HALVES = ("bfloat16", "float16")
#: where nobody says which GPU: the smallest capability with every kernel of the main path
_USUAL = (9, 0)


@frozen(kw_only=True)
class Target:
    """Compute capability as (major, minor), and vLLM's version."""

    capability: tuple[int, int] = _USUAL
    version: tuple[int, int, int] = (0, 33, 0)

    @classmethod
    def of(cls, request: QuantizationRequest) -> Target:
        """The request's target; an unknown GPU counts as a Hopper one."""
        return cls(capability=request.compute_capability or _USUAL, version=request.vllm_version)

    @property
    def fp8_hardware(self) -> bool:
        """fp8 matrix units: Ada (8.9) and later."""
        return self.capability >= (8, 9)

    @property
    def fp4_hardware(self) -> bool:
        """fp4 matrix units: Blackwell (10.0) and later."""
        return self.capability >= (10, 0)
