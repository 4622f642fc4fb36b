"""Weights quantized while they are loaded: created in the model's dtype on the meta device, kept as another format.

`quantization/online/base.py` (0.33.0): layers are materialised and quantized one by one, so that the model's dtype is
what is created and the inner format is what stays.
"""

from __future__ import annotations

from vram.models.parameters import LocalExperts, LocalLinear, round_up
from vram.models.record import evolve, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization.unquantized import UNQUANTIZED


@frozen(kw_only=True)
class OnlineFormat(Format):
    """`inner` is what the weights become; experts' hidden size and width per rank are created as multiples of `multiple`."""

    inner: Format
    multiple: int = 1

    @property
    def bits_per_weight(self) -> float:
        """That of what stays."""
        return self.inner.bits_per_weight

    @property
    def needs(self) -> str:
        """What a platform is asked for: as the inner format."""
        return self.inner.needs

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """The unquantized weight, of which the inner format's tensors are kept."""
        return _becoming(UNQUANTIZED.linear(shape), self.inner.linear(shape))

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """The unquantized experts, of which the inner format's tensors are kept."""
        rounded = evolve(
            shape,
            hidden_size=round_up(shape.hidden_size, self.multiple),
            intermediate_size=round_up(shape.intermediate_size, self.multiple),
        )
        return _becoming(UNQUANTIZED.experts(rounded), self.inner.experts(rounded))


def _becoming(created: tuple[StoredTensor, ...], kept: tuple[StoredTensor, ...]) -> tuple[StoredTensor, ...]:
    """What is created, with all that stays put down to the first tensor."""
    first, *rest = created
    total = sum(tensor.loaded_bytes for tensor in kept)
    return (
        StoredTensor(name=first.name, elements=first.elements, dtype=first.dtype, kept_bytes=total),
        *(StoredTensor(name=t.name, elements=t.elements, dtype=t.dtype, kept_bytes=0) for t in rest),
    )
