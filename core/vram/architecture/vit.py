"""Transformer blocks of vision and audio towers."""

from __future__ import annotations

from vram.models.parameters import Linear, Module, Parallel, Split, Tensor
from vram.models.record import frozen


@frozen(kw_only=True)
class BlockNames:
    """How a tower calls the linears of a block, and what the checkpoint calls the parts of the fused ones."""

    qkv: str = "attn.qkv"
    qkv_parts: tuple[str, ...] = ()
    out: str = "attn.proj"
    up: str = "mlp.fc1"
    up_parts: tuple[str, ...] = ()
    down: str = "mlp.fc2"


#: CLIP, SigLIP and whatever is modelled on them
CLIP_NAMES = BlockNames(
    qkv="self_attn.qkv_proj",
    qkv_parts=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    out="self_attn.out_proj",
)
#: gated feed-forward under Llama's names
GATED_NAMES = BlockNames(up="mlp.gate_up_proj", up_parts=("mlp.gate_proj", "mlp.up_proj"), down="mlp.down_proj")


def blocks(
    prefix: str,
    *,
    count: int,
    width: int,
    heads: int,
    mlp_width: int,
    names: BlockNames = CLIP_NAMES,
    head_dim: int | None = None,
    kv_heads: int | None = None,
    qkv_bias: bool = True,
    out_bias: bool = True,
    mlp_bias: bool = True,
    gated: bool = False,
    norm_bias: bool = True,
    norms: int = 2,
    qk_norm: int = 0,
    scales: int = 0,
    sharded: bool = True,
    quantizable: bool = True,
    mlp_quantizable: bool = True,
    whole_attention: bool = False,
) -> tuple[Module, ...]:
    """`count` equal blocks of attention and feed-forward below `prefix`, as one description.

    qkv (3·heads·head_dim, width) and up (mlp_width, width; twice for `gated`) are column-parallel, out and down
    row-parallel; all replicated unless `sharded`. Per block `norms` norms of `width`, `qk_norm` elements of query and key
    norms, and `scales` vectors of `width` (layer scale). Without `quantizable` no linear takes a scheme, without
    `mlp_quantizable` none of the feed-forward does. `whole_attention` is torch's own attention: every rank holds it
    unquantized. `count` 0 gives nothing.
    """
    if count == 0:
        return ()
    at = f"{prefix}.0." if prefix else ""
    dim = width // heads if head_dim is None else head_dim
    kv = heads if kv_heads is None else kv_heads
    column: Parallel = "column" if sharded else "replicated"
    row: Parallel = "row" if sharded else "replicated"
    whole: Parallel | None = "replicated" if whole_attention else None

    def linear(
        name: str,
        inputs: int,
        outputs: tuple[Split, ...],
        parallel: Parallel,
        bias: bool,
        parts: tuple[str, ...] = (),
        takes_scheme: bool = quantizable,
    ) -> Linear:
        return Linear(
            name=at + name,
            inputs=inputs,
            outputs=outputs,
            parallel=parallel,
            bias=bias,
            sources=tuple(at + part for part in parts or (name,)),
            quantizable=takes_scheme,
            count=count,
        )

    qkv = (
        Split(size=heads * dim, units=heads),
        Split(size=kv * dim, units=kv),
        Split(size=kv * dim, units=kv),
    )
    up = (Split(size=mlp_width),) * (2 if gated else 1)
    modules: list[Module] = [
        linear(names.qkv, width, qkv, whole or column, qkv_bias, names.qkv_parts, quantizable and not whole),
        linear(names.out, heads * dim, (Split(size=width),), whole or row, out_bias, (), quantizable and not whole),
        linear(names.up, width, up, column, mlp_bias, names.up_parts, quantizable and mlp_quantizable),
        linear(names.down, mlp_width, (Split(size=width),), row, mlp_bias, (), quantizable and mlp_quantizable),
    ]
    if norms:
        modules.append(Tensor(name=f"{at}norms", shape=(norms, width * (2 if norm_bias else 1)), count=count))
    if qk_norm:
        modules.append(Tensor(name=f"{at}qk_norm", shape=(qk_norm,), count=count))
    if scales:
        modules.append(Tensor(name=f"{at}layer_scale", shape=(scales, width), count=count))
    return tuple(modules)
