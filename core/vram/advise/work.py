"""What one forward pass of a model moves and computes on one tensor-parallel rank.

Nothing here knows a GPU's speed; `roofline` turns work into time, `counting` makes it of a model's modules.
"""

from __future__ import annotations

from typing import Literal

from vram.models.record import frozen

#: what the multiplications run in; "packed" weights are expanded to 16 bit inside the kernel (Marlin and its like)
Arithmetic = Literal["16", "fp8", "int8", "fp4", "packed"]


@frozen(kw_only=True)
class Matrices:
    """Weights read whole in every step: `bytes`, their number (`elements`), operations per token."""

    arithmetic: Arithmetic
    bytes: float
    elements: float
    flops: float


@frozen(kw_only=True)
class ExpertMatrices:
    """Equal mixture-of-experts layers: `layers` of them, `experts` of `global_experts` on this rank, `top_k` per token.

    `bytes` and `elements` are one expert's of one layer on this rank, `flops` one token's through one expert.
    """

    arithmetic: Arithmetic
    layers: int
    experts: int
    global_experts: int
    top_k: int
    bytes: float
    elements: float
    flops: float

    def touched(self, tokens: float) -> float:
        """Distinct experts of this rank that `tokens` tokens visit in one layer: E·(1 − (1 − k/E)^tokens)."""
        share = min(1.0, self.top_k / self.global_experts)
        return float(self.experts * (1.0 - (1.0 - share) ** tokens))


@frozen(kw_only=True)
class Attention:
    """Equal attention layers: cached `bytes` per token and operations per (query, cached token) pair, of all of them.

    `window` limits how far back they look (0: all), `per_state` is how many tokens share one cached entry.
    `fixed_bytes` is a recurrent state that is read and written once per request and step, and `token_flops` what a
    recurrence computes per token.
    """

    bytes: float = 0.0
    flops: float = 0.0
    prefill_flops: float = 0.0
    window: int = 0
    per_state: int = 1
    fixed_bytes: float = 0.0
    token_flops: float = 0.0

    def seen(self, context: float) -> float:
        """Cached entries one token at position `context` attends to."""
        entries = context / self.per_state
        return min(entries, self.window) if self.window else entries

    def seen_on_average(self, start: float, stop: float) -> float:
        """The mean of `seen` over the positions from `start` to `stop`."""
        if stop <= start:
            return self.seen(start)
        if not self.window:
            return (start + stop) / 2 / self.per_state
        limit = self.window * self.per_state
        if start >= limit:
            return float(self.window)
        inside = min(stop, limit)
        area = (start + inside) / 2 / self.per_state * (inside - start) + (stop - inside) * self.window
        return area / (stop - start)


@frozen(kw_only=True, eq=False)
class ModelWork:
    """One rank's work over all layers.

    `reduced_width` is the hidden size that all-reduces carry, `activation_bytes` what moves between the products, both in
    bytes per token. `kernels` and `all_reduces` are numbers of launches in one pass.
    """

    matrices: tuple[Matrices, ...]
    experts: tuple[ExpertMatrices, ...]
    attention: tuple[Attention, ...]
    head: Matrices
    vocabulary: int
    activation_bytes: float
    kernels: int
    all_reduces: int
    reduced_width: int
    layers: int
