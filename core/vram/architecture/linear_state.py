"""Linear-attention blocks: Kimi delta attention, OLMo's delta net, and plain linear attention (MiniMax-01, Bailing)."""

from __future__ import annotations

from vram.architecture.parts import Part
from vram.architecture.state import delta_net_state
from vram.models.cache import StateCache, StateTensor
from vram.models.parameters import Linear, Module, Parallel, Split, Tensor
from vram.models.record import evolve

_PACK_ROWS = 16  # rows of the fused projection are aligned to this on each rank (`kimi_gdn_linear_attn.py`)


def kda(
    *,
    hidden_size: int,
    num_heads: int,
    head_dim: int,
    conv_kernel: int,
    tensor_parallel_size: int,
    full_rank_gate: bool = False,
    checkpoints: bool = False,
    fused_decode: bool = False,
    name: str = "self_attn",
) -> Part:
    """Kimi delta attention; P = num_heads·head_dim.

    One fused projection: q, k, v (P each), beta (heads) and f_a (head_dim, on every rank); with `full_rank_gate` also the
    gate (P) and padding to 16 rows per rank, else a low-rank gate g_a (head_dim, H) and g_b (P, head_dim). conv1d (3·P,
    kernel), dt_bias (P) and A_log (heads) are fp32. State: convolution (3·P, kernel − 1), fp32 recurrent (heads, d, d);
    `checkpoints` is whether FlashKDA exports it inside a prefill. `fused_decode`: one kernel does convolution, attention and
    norm of decoding, with fp32 copies of both weights.
    Source: vLLM 0.32.0 `mamba/gdn/kimi_gdn_linear_attn.py`, `models/kimi_k3/nvidia/kda.py`.
    """
    width = num_heads * head_dim
    wide, heads = Split(size=width, units=num_heads), Split(size=num_heads)
    whole = Split(size=head_dim, units=1)  # one unit: the same on every rank
    outputs: tuple[Split, ...] = (wide, wide, wide, heads, whole)
    sources: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "b_proj", "f_a_proj")
    if full_rank_gate:
        local = (4 * width + num_heads) // tensor_parallel_size + head_dim
        padding = -local % _PACK_ROWS
        outputs = (wide, wide, wide, wide, whole, heads) + ((Split(size=padding, units=1),) if padding else ())
        sources = ("q_proj", "k_proj", "v_proj", "g_proj", "f_a_proj", "b_proj")
    modules: list[Module] = [
        _linear(f"{name}.in_proj_qkvgfab", hidden_size, outputs, sources=tuple(f"{name}.{part}" for part in sources)),
        _linear(f"{name}.f_b_proj", head_dim, (wide,)),
        Linear(
            name=f"{name}.conv1d",
            inputs=conv_kernel,
            outputs=(wide, wide, wide),
            quantizable=False,
            dtype="float32",
        ),
        Tensor(name=f"{name}.dt_bias", shape=(width,), dtype="float32", sharded_units=num_heads),
        Tensor(name=f"{name}.A_log", shape=(num_heads,), dtype="float32", sharded_units=num_heads),
        Tensor(name=f"{name}.o_norm", shape=(head_dim,)),
        _linear(f"{name}.o_proj", width, (Split(size=hidden_size),), parallel="row"),
    ]
    if not full_rank_gate:
        modules.append(_linear(f"{name}.g_a_proj", hidden_size, (Split(size=head_dim),), parallel="replicated"))
        modules.append(_linear(f"{name}.g_b_proj", head_dim, (wide,)))
    if fused_decode:
        copy = Tensor(
            name=f"{name}.decode_conv1d_weight",
            shape=(width, 3, conv_kernel),
            dtype="float32",
            sharded_units=num_heads,
            buffer=True,
        )
        modules += [copy, Tensor(name=f"{name}.decode_norm_weight", shape=(head_dim,), dtype="float32", buffer=True)]
    state = StateCache(
        kind="kda",
        tensors=(
            StateTensor(rows=(wide, wide, wide), columns=conv_kernel - 1, grows_with_speculation=True),
            StateTensor(rows=(heads,), columns=head_dim * head_dim, dtype="float32"),
        ),
        checkpoints=checkpoints,
    )
    return Part(modules=tuple(modules), caches=(state,))


def full_rank_kda(
    *, hidden_size: int, num_heads: int, head_dim: int, conv_kernel: int, name: str = "self_attn"
) -> Part:
    """Kimi delta attention without low-rank parts (Ring 3): decay f and gate g are (P, H) each.

    Source: vLLM 0.32.0 `bailing_moe_v3.py:BailingMoeV3KimiDeltaAttention`.
    """
    plain = kda(
        hidden_size=hidden_size, num_heads=num_heads, head_dim=head_dim, conv_kernel=conv_kernel, tensor_parallel_size=1
    )
    wide, heads = Split(size=num_heads * head_dim, units=num_heads), Split(size=num_heads)
    sources = tuple(f"{name}.{part}" for part in ("q_proj", "k_proj", "v_proj", "b_proj"))
    kept = ("conv1d", "dt_bias", "A_log", "o_norm", "o_proj")
    return Part(
        modules=(
            _linear(f"{name}.qkvb_proj", hidden_size, (wide, wide, wide, heads), sources=sources),
            _linear(f"{name}.f_proj", hidden_size, (wide,)),
            _linear(f"{name}.g_proj", hidden_size, (wide,)),
            *(module for module in plain.modules if module.name.endswith(kept)),
        ),
        caches=plain.caches,
    )


def olmo_delta_net(
    *,
    hidden_size: int,
    num_k_heads: int,
    num_v_heads: int,
    head_k_dim: int,
    head_v_dim: int,
    conv_kernel: int,
    name: str = "linear_attn",
) -> Part:
    """OLMo's gated delta net: separate a and b projections, A_log in the model's dtype.

    Its kernel exports no states inside a prefill, so it is no `gated_delta_net` to the planner. Source: vLLM 0.33.0
    `mamba/gdn/olmo_gdn_linear_attn.py`.
    """
    key = Split(size=num_k_heads * head_k_dim, units=num_k_heads)
    value = Split(size=num_v_heads * head_v_dim, units=num_v_heads)
    heads = Split(size=num_v_heads)
    sources = tuple(f"{name}.{part}" for part in ("q_proj", "k_proj", "v_proj", "g_proj"))
    state = delta_net_state(key=key, value=value, per_head=head_v_dim * head_k_dim, conv_kernel=conv_kernel)
    return Part(
        modules=(
            _linear(f"{name}.in_proj_qkvg", hidden_size, (key, key, value, value), sources=sources),
            _linear(f"{name}.b_proj", hidden_size, (heads,)),
            _linear(f"{name}.a_proj", hidden_size, (heads,)),
            Linear(name=f"{name}.conv1d", inputs=conv_kernel, outputs=(key, key, value), quantizable=False),
            Tensor(name=f"{name}.dt_bias", shape=(num_v_heads,), sharded_units=num_v_heads),
            Tensor(name=f"{name}.A_log", shape=(num_v_heads,), sharded_units=num_v_heads),
            Tensor(name=f"{name}.o_norm", shape=(head_v_dim,)),
            _linear(f"{name}.o_proj", value.size, (Split(size=hidden_size),), parallel="row"),
        ),
        caches=(evolve(state, kind="linear_attention"),),
    )


def linear_attention(
    *,
    hidden_size: int,
    num_heads: int,
    head_dim: int,
    qkv_bias: bool = False,
    out_bias: bool = False,
    qk_norm: bool = False,
    name: str = "self_attn",
    names: tuple[str, str, str, str] = ("qkv_proj", "output_gate", "out_proj", "norm"),
) -> Part:
    """Linear attention over P = num_heads·head_dim: qkv (3·P, H), an output gate (P, H), a norm (P), output (H, P).

    `names` are those of the projections and the norm. State: one head_dim × head_dim matrix per head, in
    `mamba_cache_dtype`. Sources: vLLM 0.32.0 `mamba/linear/minimax_linear_attn.py`, `bailing_linear_attn.py`.
    """
    qkv, gate, out, norm = names
    wide = Split(size=num_heads * head_dim, units=num_heads)
    modules: list[Module] = [
        _linear(f"{name}.{qkv}", hidden_size, (wide, wide, wide), bias=qkv_bias),
        _linear(f"{name}.{gate}", hidden_size, (wide,)),
        _linear(f"{name}.{out}", wide.size, (Split(size=hidden_size),), parallel="row", bias=out_bias),
        Tensor(name=f"{name}.{norm}", shape=(wide.size,), sharded_units=num_heads),
    ]
    if qk_norm:
        modules.append(Tensor(name=f"{name}.qk_norm", shape=(2, head_dim)))
    state = StateTensor(rows=(Split(size=num_heads),), columns=head_dim * head_dim)
    return Part(modules=tuple(modules), caches=(StateCache(kind="linear_attention", tensors=(state,)),))


def _linear(
    name: str,
    inputs: int,
    outputs: tuple[Split, ...],
    *,
    parallel: Parallel = "column",
    bias: bool = False,
    sources: tuple[str, ...] = (),
) -> Linear:
    return Linear(name=name, inputs=inputs, outputs=outputs, parallel=parallel, bias=bias, sources=sources or (name,))
