"""What a model is made of, described as vLLM builds it: modules with their parallel rule.

Nothing here knows a quantization format or a byte: a module gives shapes, and `local(...)` gives the
shapes one tensor-parallel rank holds. The rules are vLLM's (`model_executor/layers/linear.py`,
`vocab_parallel_embedding.py`, `fused_moe/config.py`, read in 0.33.0).
"""

from __future__ import annotations

from math import prod
from typing import Literal

from vram.errors import ParallelismError
from vram.models.record import frozen

Parallel = Literal["column", "row", "replicated"]
Stage = Literal["first", "last", "ends", "every", "apart"]
Presence = Literal["always", "registered", "loaded"]


def ceil_div(a: int, b: int) -> int:
    """Ceiling of a / b for non-negative a and positive b."""
    return -(-a // b)


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `value`."""
    return ceil_div(value, multiple) * multiple


@frozen(kw_only=True)
class Split:
    """One output of a column-parallel linear: `size` features made of `units` indivisible heads.

    With more ranks than heads vLLM replicates heads (`QKVParallelLinear`), unless they are no `repeated` ones;
    `units=0` means that any divisor will do.
    """

    size: int
    units: int = 0
    repeated: bool = True

    def local(self, tp: int, *, name: str) -> int:
        """Features one of `tp` ranks holds. Raises ParallelismError when they do not divide."""
        if tp == 1:
            return self.size
        if self.units and tp > self.units:
            if tp % self.units or not self.repeated:
                raise ParallelismError(what=name, units=self.units, tensor_parallel_size=tp)
            return self.size // self.units
        divided = self.units or self.size
        if divided % tp:
            raise ParallelismError(what=name, units=divided, tensor_parallel_size=tp)
        return self.size // tp


@frozen(kw_only=True)
class LocalLinear:
    """One rank's share of a linear: a (sum(outputs), inputs) matrix, parts kept apart for their scales."""

    inputs: int
    outputs: tuple[int, ...]
    full_inputs: int
    full_outputs: tuple[int, ...]
    parallel: Parallel
    tp: int
    dtype: str

    @property
    def rows(self) -> int:
        return sum(self.outputs)


@frozen(kw_only=True)
class Linear:
    """A linear layer, fused as vLLM fuses it (qkv_proj, gate_up_proj ...).

    `name` is relative to its layer; `sources` are the checkpoint's names of the fused parts, which is
    what ignore lists speak of. `quantizable` is False where vLLM passes no quantization config.
    `dtype` forces one ("float32" routers); None is the model's. `dequantized_copy`: once loaded, a quantized weight also
    exists in the activation dtype (latent attention's kv_b_proj). `presence` is as in `Tensor`.
    """

    name: str
    inputs: int
    outputs: tuple[Split, ...]
    parallel: Parallel = "column"
    bias: bool = False
    sources: tuple[str, ...] = ()
    quantizable: bool = True
    dtype: str | None = None
    count: int = 1
    dequantized_copy: bool = False
    presence: Presence = "always"

    def local(self, tp: int, dtype: str) -> LocalLinear:
        """This rank's shapes. Raises ParallelismError."""
        inputs = self.inputs
        outputs = tuple(part.size for part in self.outputs)
        if self.parallel == "column":
            outputs = tuple(part.local(tp, name=self.name) for part in self.outputs)
        elif self.parallel == "row":
            inputs = Split(size=self.inputs).local(tp, name=self.name)
        return LocalLinear(
            inputs=inputs,
            outputs=outputs,
            full_inputs=self.inputs,
            full_outputs=tuple(part.size for part in self.outputs),
            parallel=self.parallel,
            tp=1 if self.parallel == "replicated" else tp,
            dtype=self.dtype or dtype,
        )

    def bias_elements(self, tp: int) -> int:
        """Elements of the bias on one rank: sharded with the outputs, whole for row-parallel."""
        if not self.bias:
            return 0
        if self.parallel == "column":
            return sum(part.local(tp, name=self.name) for part in self.outputs)
        return sum(part.size for part in self.outputs)


@frozen(kw_only=True)
class LocalExperts:
    """One rank's share of a fused mixture-of-experts layer: w13 (E, n_up, H) and w2 (E, H, I)."""

    experts: int
    global_experts: int
    hidden_size: int
    intermediate_size: int
    full_intermediate_size: int
    gated: bool
    bias: bool
    top_k: int
    tp: int
    dtype: str
    activation: str = "silu"
    routing: str = "renormalize"

    @property
    def up_rows(self) -> int:
        return self.intermediate_size * (2 if self.gated else 1)


@frozen(kw_only=True)
class Experts:
    """vLLM's FusedMoE: `num_experts` experts of hidden × intermediate, gated (SwiGLU) or not.

    Where tensor parallelism would leave a rank less than `least_width` of the width, each rank is padded to it.
    vLLM chooses kernels by `activation` and `routing`, its own names (`MoEActivation`, `RoutingMethodType`) in lower case.
    """

    name: str
    num_experts: int
    hidden_size: int
    intermediate_size: int
    top_k: int
    gated: bool = True
    bias: bool = False
    quantizable: bool = True
    dtype: str | None = None
    sources: tuple[str, ...] = ()
    count: int = 1
    least_width: int = 0
    activation: str = "silu"
    routing: str = "renormalize"

    def local(self, moe_tp: int, ep: int, dtype: str) -> LocalExperts:
        """This rank's shapes: the experts shared out over `ep`, or their width over `moe_tp`.

        Rank 0 is meant, which gets one expert more when they do not divide
        (`fused_moe/layer.py:determine_expert_map`). Raises ParallelismError.
        """
        width = self.intermediate_size
        if moe_tp > 1 and width // moe_tp < self.least_width:
            width = self.least_width * moe_tp
        return LocalExperts(
            experts=ceil_div(self.num_experts, ep),
            global_experts=self.num_experts,
            hidden_size=self.hidden_size,
            intermediate_size=Split(size=width).local(moe_tp, name=self.name),
            full_intermediate_size=width,
            gated=self.gated,
            bias=self.bias,
            top_k=self.top_k,
            tp=moe_tp,
            dtype=self.dtype or dtype,
            activation=self.activation,
            routing=self.routing,
        )


@frozen(kw_only=True)
class Embedding:
    """VocabParallelEmbedding or ParallelLMHead: rows padded to `padding`, shared out over TP."""

    name: str
    rows: int
    columns: int
    padding: int = 64
    bias: bool = False
    lm_head: bool = False
    sharded: bool = True
    dtype: str | None = None
    sources: tuple[str, ...] = ()
    count: int = 1

    def local_rows(self, tp: int) -> int:
        """Rows on one rank; padded to `padding` (64 by default), then divided. Raises ParallelismError."""
        if not self.sharded:
            return self.rows
        padded = round_up(self.rows, self.padding)
        return Split(size=padded).local(tp, name=self.name)


@frozen(kw_only=True)
class Tensor:
    """A plain parameter or buffer: norm, convolution, position table, rotary cache.

    `sharded_units` > 0 divides it over TP by that many heads or features (as `Split`). Tensors that share
    a `shared` key exist once per rank (vLLM caches rotary tables by their arguments). `presence`: "registered" is a buffer
    that only views another tensor (Mamba's conv_weights; no memory of its own), "loaded" is memory that is no registered
    parameter or buffer (the sparse indexer's top-k buffer).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None
    sharded_units: int = 0
    shared: str | None = None
    buffer: bool = False
    count: int = 1
    presence: Presence = "always"

    def local_elements(self, tp: int) -> int:
        """Elements on one rank. Raises ParallelismError."""
        elements = prod(self.shape)
        if self.sharded_units:
            return Split(size=elements, units=self.sharded_units).local(tp, name=self.name)
        return elements


Module = Linear | Experts | Embedding | Tensor


@frozen(kw_only=True)
class Placed:
    """A module outside the repeated layers and the pipeline ranks that hold it.

    "ends" is first and last (tied embeddings); "apart" is last where that
    is not first too; "every" each rank (vLLM builds towers on all).
    `modalities` are what a tower's module serves: it is left out where the user limits all of them to none.
    """

    module: Module
    stage: Stage
    prefix: str = ""
    modalities: tuple[str, ...] = ()
