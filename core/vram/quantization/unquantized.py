"""Modules that stay in the model's dtype."""

from __future__ import annotations

from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import frozen
from vram.models.scheme import Format, StoredTensor


def expert_biases(shape: LocalExperts, dtype: str | None = None) -> tuple[StoredTensor, ...]:
    """Biases of fused experts that have them: (E, up) and (E, hidden), in the layer's dtype unless one is given."""
    if not shape.bias:
        return ()
    kind = dtype or shape.dtype
    return (
        StoredTensor(name="w13_bias", elements=shape.experts * shape.up_rows, dtype=kind),
        StoredTensor(name="w2_bias", elements=shape.experts * shape.hidden_size, dtype=kind),
    )


def expert_weights(shape: LocalExperts) -> tuple[int, int]:
    """Elements of w13 (E, up, hidden) and of w2 (E, hidden, intermediate)."""
    per_row = shape.experts * shape.hidden_size
    return per_row * shape.up_rows, per_row * shape.intermediate_size


@frozen(kw_only=True)
class UnquantizedFormat(Format):
    """A weight in the layer's own dtype (`linear.py:UnquantizedLinearMethod`, `unquantized_fused_moe_method.py`)."""

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs)."""
        return (StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype=shape.dtype),)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13_weight (E, up, hidden), w2_weight (E, hidden, intermediate), biases."""
        w13, w2 = expert_weights(shape)
        return (
            StoredTensor(name="w13_weight", elements=w13, dtype=shape.dtype),
            StoredTensor(name="w2_weight", elements=w2, dtype=shape.dtype),
            *expert_biases(shape),
        )


UNQUANTIZED = UnquantizedFormat()
