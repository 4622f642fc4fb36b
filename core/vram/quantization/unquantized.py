"""Modules that stay in the model's dtype."""

from __future__ import annotations

from vram.dtypes import dtype_bytes
from vram.models.parameters import LocalExperts, LocalLinear, round_up
from vram.models.record import evolve, frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization.expert_kernels import expert_kernel
from vram.quantization.target import Target

#: inputs of one block of TRT-LLM's layout (`oracle/unquantized.py`: padded after loading since 0.24, before since 0.31)
_BLOCK, _PADDED_LATER, _PADDED_FIRST = 128, (0, 24, 0), (0, 31, 0)


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
    """A weight in the layer's own dtype (`linear.py:UnquantizedLinearMethod`, `unquantized_fused_moe_method.py`).

    Without a `target` experts are as the checkpoint stores them.
    """

    target: Target | None = None

    @property
    def bits_per_weight(self) -> float:
        """Nominal: that of the dtypes models come in."""
        return 16.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """weight (rows, inputs)."""
        return (StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype=shape.dtype),)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """w13_weight (E, up, hidden), w2_weight (E, hidden, intermediate), biases."""
        target = self.target
        if target is not None and target.elsewhere:
            expert_kernel("plain", shape, target)  # what is asked for there may be refused
            created = target.experts("plain", shape)
            return _stored(created, created)
        if target is None or expert_kernel("plain", shape, target) != "trtllm" or target.version < _PADDED_LATER:
            return _stored(shape, shape)
        padded = evolve(shape, intermediate_size=round_up(shape.intermediate_size, _BLOCK))
        return _stored(padded if target.version >= _PADDED_FIRST else shape, padded)


def _stored(created: LocalExperts, kept: LocalExperts) -> tuple[StoredTensor, ...]:
    sizes = zip(("w13_weight", "w2_weight"), expert_weights(created), expert_weights(kept), strict=True)
    item = dtype_bytes(created.dtype)
    return (
        *(
            StoredTensor(name=name, elements=first, dtype=created.dtype, kept_bytes=last * item)
            for name, first, last in sizes
        ),
        *expert_biases(created),
    )


UNQUANTIZED = UnquantizedFormat()
