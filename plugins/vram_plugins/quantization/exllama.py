"""EXL2 and EXL3: ExLlama's formats of mixed widths, which vLLM cannot read.

An example of a scheme that answers with a reason: the method is known, and so is why there is no estimate for it.
"""

from __future__ import annotations

from vram.errors import QuantizationError
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme


class ExllamaScheme(QuantizationScheme):
    """`quant_method: exl2` and `exl3`."""

    name = "exllama"
    methods = ("exl2", "exl3")
    online = True  # asking for it deserves the reason as much as a checkpoint does

    def bind(self, request: QuantizationRequest) -> Quantization:
        """Raises QuantizationError always."""
        raise QuantizationError(
            method=request.method,
            problem="vLLM has no loader for it, in any version; serve it with ExLlama (TabbyAPI), "
            "or choose an AWQ, GPTQ or fp8 checkpoint of the same model",
        )


def schemes() -> list[QuantizationScheme]:
    """The scheme that refuses ExLlama's formats."""
    return [ExllamaScheme()]
