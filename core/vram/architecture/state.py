"""Blocks with a recurrent state instead of keys and values: Mamba, delta nets, linear attention, short convolution.

State shapes: vLLM 0.32.0 `model_executor/layers/mamba/mamba_utils.py:MambaStateShapeCalculator`.
"""

from __future__ import annotations

from vram.architecture.parts import Part
from vram.models.cache import StateCache, StateTensor
from vram.models.parameters import Linear, Module, Split, Tensor


def mamba1(
    *,
    hidden_size: int,
    intermediate_size: int,
    state_size: int,
    conv_kernel: int,
    time_step_rank: int,
    conv_bias: bool = True,
    proj_bias: bool = False,
    norms: bool = False,
    norm_weights: bool = True,
    name: str = "mamba",
) -> Part:
    """Mamba-1 mixer; nothing in it is quantized. Shapes are sharded by the inner width I = `intermediate_size`.

    in_proj (2·I, H), conv1d (I, kernel), x_proj (rank + 2·N, I) row-parallel, dt_proj (I, rank) with bias, A (I, N) in
    fp32, D (I), out_proj (H, I) row-parallel; `norms` adds those of dt, B and C (Jamba). State: convolution (I, kernel
    − 1) and SSM (I, N). Source: vLLM 0.32.0 `mamba/mamba_mixer.py`.
    """
    inner = Split(size=intermediate_size)
    low_rank = time_step_rank + 2 * state_size
    modules: list[Module] = [
        _plain(f"{name}.in_proj", hidden_size, (inner, inner), bias=proj_bias),
        _plain(f"{name}.conv1d", conv_kernel, (inner,), bias=conv_bias),
        _plain(f"{name}.x_proj", intermediate_size, (Split(size=low_rank),), row=True),
        _plain(f"{name}.dt_proj", time_step_rank, (inner,), bias=True),
        Tensor(
            name=f"{name}.A", shape=(intermediate_size, state_size), dtype="float32", sharded_units=intermediate_size
        ),
        Tensor(name=f"{name}.D", shape=(intermediate_size,), sharded_units=intermediate_size),
        _plain(f"{name}.out_proj", intermediate_size, (Split(size=hidden_size),), bias=proj_bias, row=True),
    ]
    if norms and norm_weights:
        modules.append(Tensor(name=f"{name}.dt_layernorm", shape=(time_step_rank,)))
        modules.append(Tensor(name=f"{name}.b_c_layernorms", shape=(2, state_size)))
    return Part(
        modules=tuple(modules),
        caches=(
            StateCache(
                kind="mamba1",
                tensors=(
                    StateTensor(rows=(inner,), columns=conv_kernel - 1),
                    StateTensor(rows=(inner,), columns=state_size, dtype="ssm"),
                ),
            ),
        ),
    )


def mamba2(
    *,
    hidden_size: int,
    intermediate_size: int,
    num_heads: int,
    head_dim: int,
    state_size: int,
    n_groups: int,
    conv_kernel: int,
    conv_bias: bool = True,
    proj_bias: bool = False,
    rms_norm: bool = True,
    tensor_parallel_size: int = 1,
    name: str = "mixer",
) -> Part:
    """Mamba-2 mixer, sharded by heads; a single group of B and C is repeated on every rank.

    in_proj (2·I + 2·G·N + heads, H), conv1d (I + 2·G·N, kernel) unquantized, A (heads) in fp32, D, dt_bias (heads),
    gated norm (I), out_proj (H, I). State: convolution (I + 2·G·N, kernel − 1), SSM (heads, head_dim, N). vLLM
    registers conv_weights, a view of conv1d, as a buffer. Where the group is repeated in_proj counts as one output, not
    five. Source: vLLM 0.32.0 `mamba/mamba_mixer2.py`.
    """
    inner = Split(size=intermediate_size, units=num_heads, repeated=False)
    group = Split(size=n_groups * state_size, units=n_groups, repeated=n_groups == 1)
    heads = Split(size=num_heads)
    convolved = (inner, group, group)
    projected: tuple[Split, ...] = (inner, inner, group, group, heads)
    if n_groups % tensor_parallel_size:
        width = 2 * intermediate_size + 2 * tensor_parallel_size * state_size + num_heads
        projected = (Split(size=width, units=tensor_parallel_size),)
    modules: list[Module] = [
        Linear(
            name=f"{name}.in_proj",
            inputs=hidden_size,
            outputs=projected,
            bias=proj_bias,
            sources=(f"{name}.in_proj",),
        ),
        _plain(f"{name}.conv1d", conv_kernel, convolved, bias=conv_bias),
        Linear(
            name=f"{name}.conv_weights", inputs=conv_kernel, outputs=convolved, quantizable=False, presence="registered"
        ),
        Tensor(name=f"{name}.A", shape=(num_heads,), dtype="float32", sharded_units=num_heads),
        Tensor(name=f"{name}.D", shape=(num_heads,), sharded_units=num_heads),
        Tensor(name=f"{name}.dt_bias", shape=(num_heads,), sharded_units=num_heads),
        Linear(
            name=f"{name}.out_proj",
            inputs=intermediate_size,
            outputs=(Split(size=hidden_size),),
            parallel="row",
            bias=proj_bias,
            sources=(f"{name}.out_proj",),
        ),
    ]
    if rms_norm:
        modules.append(Tensor(name=f"{name}.norm", shape=(intermediate_size,), sharded_units=num_heads))
    state = StateCache(
        kind="mamba2",
        tensors=(
            StateTensor(rows=convolved, columns=conv_kernel - 1, grows_with_speculation=True),
            StateTensor(rows=(heads,), columns=head_dim * state_size, dtype="ssm"),
        ),
    )
    return Part(modules=tuple(modules), caches=(state,))


def gated_delta_net(
    *,
    hidden_size: int,
    num_k_heads: int,
    num_v_heads: int,
    head_k_dim: int,
    head_v_dim: int,
    conv_kernel: int,
    fused_checkpoint: bool = False,
    replicated_ba: bool = False,
    float32_decay: bool = True,
    name: str = "linear_attn",
) -> Part:
    """Gated delta net (Qwen3-Next, Qwen3.5): K = k heads·dim, V = v heads·dim.

    in_proj_qkvz (2·K + 2·V, H), in_proj_ba (2·v heads, H), conv1d (2·K + V, kernel) unquantized, dt_bias and fp32 A_log
    (v heads), gated norm (head_v_dim), out_proj (H, V). `fused_checkpoint` is Qwen3-Next's interleaved layout: one
    output each. Not `float32_decay`: A_log is in the model's dtype. `replicated_ba`: AWQ and GPTQ keep in_proj_ba
    whole on every rank. State: convolution (2·K + V, kernel − 1), recurrent (v heads, dim_v, dim_k). Source: vLLM 0.32.0
    `mamba/gdn/qwen_gdn_linear_attn.py`.
    """
    key = Split(size=num_k_heads * head_k_dim, units=num_k_heads)
    value = Split(size=num_v_heads * head_v_dim, units=num_v_heads)
    heads = Split(size=num_v_heads)
    qkvz: tuple[Split, ...] = (key, key, value, value)
    ba: tuple[Split, ...] = (heads, heads)
    qkvz_sources: tuple[str, ...] = ("in_proj_qkv", "in_proj_z")
    ba_sources: tuple[str, ...] = ("in_proj_b", "in_proj_a")
    if fused_checkpoint:
        qkvz = (Split(size=2 * key.size + 2 * value.size, units=num_k_heads),)
        ba = (Split(size=2 * num_v_heads, units=num_v_heads),)
        qkvz_sources, ba_sources = ("in_proj_qkvz",), ("in_proj_ba",)
    modules: tuple[Module, ...] = (
        Linear(
            name=f"{name}.in_proj_qkvz",
            inputs=hidden_size,
            outputs=qkvz,
            sources=tuple(f"{name}.{source}" for source in qkvz_sources),
        ),
        Linear(
            name=f"{name}.in_proj_ba",
            inputs=hidden_size,
            outputs=ba,
            parallel="replicated" if replicated_ba else "column",
            sources=tuple(f"{name}.{source}" for source in ba_sources),
        ),
        _plain(f"{name}.conv1d", conv_kernel, (key, key, value)),
        Tensor(name=f"{name}.dt_bias", shape=(num_v_heads,), sharded_units=num_v_heads),
        Tensor(
            name=f"{name}.A_log",
            shape=(num_v_heads,),
            dtype="float32" if float32_decay else None,
            sharded_units=num_v_heads,
        ),
        Tensor(name=f"{name}.norm", shape=(head_v_dim,)),
        Linear(
            name=f"{name}.out_proj",
            inputs=value.size,
            outputs=(Split(size=hidden_size),),
            parallel="row",
            sources=(f"{name}.out_proj",),
        ),
    )
    return Part(
        modules=modules,
        caches=(delta_net_state(key=key, value=value, per_head=head_v_dim * head_k_dim, conv_kernel=conv_kernel),),
    )


def delta_net_state(*, key: Split, value: Split, per_head: int, conv_kernel: int) -> StateCache:
    """Convolution (2·K + V, kernel − 1) and recurrent state (v heads × `per_head`)."""
    return StateCache(
        kind="gated_delta_net",
        tensors=(
            StateTensor(rows=(key, key, value), columns=conv_kernel - 1, grows_with_speculation=True),
            StateTensor(rows=(Split(size=value.units),), columns=per_head, dtype="ssm"),
        ),
    )


def short_conv(*, dim: int, conv_kernel: int, bias: bool = False, name: str = "conv") -> Part:
    """Short convolution (LFM2): in_proj (3·dim, dim), conv (dim, kernel), out_proj (dim, dim); state (dim, kernel − 1).

    Source: vLLM 0.32.0 `mamba/short_conv.py`.
    """
    width = Split(size=dim)
    return Part(
        modules=(
            Linear(
                name=f"{name}.in_proj",
                inputs=dim,
                outputs=(width, width, width),
                bias=bias,
                sources=(f"{name}.in_proj",),
            ),
            _plain(f"{name}.conv", conv_kernel, (width,), bias=bias),
            Linear(
                name=f"{name}.out_proj",
                inputs=dim,
                outputs=(width,),
                parallel="row",
                bias=bias,
                sources=(f"{name}.out_proj",),
            ),
        ),
        caches=(
            StateCache(
                kind="short_conv",
                tensors=(StateTensor(rows=(width,), columns=conv_kernel - 1, grows_with_speculation=True),),
            ),
        ),
    )


def _plain(
    name: str,
    inputs: int,
    outputs: tuple[Split, ...],
    *,
    bias: bool = False,
    row: bool = False,
    dtype: str | None = None,
) -> Linear:
    """A linear vLLM gives no quantization config."""
    return Linear(
        name=name,
        inputs=inputs,
        outputs=outputs,
        parallel="row" if row else "column",
        bias=bias,
        quantizable=False,
        dtype=dtype,
        sources=(name,),
    )
