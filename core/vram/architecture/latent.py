"""Multi-head latent attention and the sparse indexer beside it (DeepSeek V2 to V3.2 and their relatives)."""

from __future__ import annotations

from vram.architecture.attention import kv_scales
from vram.architecture.parts import Part
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache, CacheLayer, IndexerCache, LatentCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor
from vram.models.record import evolve
from vram.vllm.rope import Rope, read_ropes, rope_table, table_positions

#: Rows of the top-k buffer when the scheduler's token budget is not known: vLLM's default on GPUs of 70 GiB and more
DEFAULT_TOKEN_BUDGET = 8192

#: sizes of heads that FlashInfer's rotary kernel takes
_FLASHINFER = frozenset({64, 128, 256, 512})


def mla(
    *,
    hidden_size: int,
    num_heads: int,
    q_lora_rank: int,
    kv_lora_rank: int,
    qk_nope_head_dim: int,
    qk_rope_head_dim: int,
    v_head_dim: int,
    name: str = "self_attn",
    input_size: int = 0,
    absorbed: bool = True,
    fused: bool = True,
    sparse: bool = False,
    bias: bool = False,
    output_gate: bool = False,
) -> Part:
    """Latent attention: queries through a bottleneck of `q_lora_rank` (0: none), keys and values of `kv_lora_rank`.

    The down-projections q_a (q_lora_rank, H) and kv_a (kv_lora_rank + qk_rope, H) are replicated on every rank and
    fused when both exist (unless `fused` is False); q_b, kv_b are column-parallel by heads, o row-parallel. `absorbed`
    False is vLLM's plain path, which keeps full keys of qk_nope + qk_rope per head (values padded to that) instead of
    the latent vector. `input_size` is another width of the projections' input (EAGLE heads). `output_gate` (Kimi K3) adds a gate of
    num_heads·v_head_dim by heads. Sources: vLLM 0.32.0
    `deepseek_v2.py:DeepseekV2MLAAttention`, `DeepseekV2Attention`;
    `attention/mla_attention.py:process_weights_after_loading` for the dequantized copy.
    """
    width = input_size or hidden_size
    qk_head_dim = qk_nope_head_dim + qk_rope_head_dim
    q_a = Split(size=q_lora_rank)
    kv_a = Split(size=kv_lora_rank + qk_rope_head_dim)
    modules: list[Module] = []
    gate = Split(size=num_heads * v_head_dim, units=num_heads)
    if q_lora_rank and absorbed and fused and output_gate:
        whole = tuple(evolve(part, units=1) for part in (q_a, kv_a))  # one unit: the same on every rank
        sources = tuple(f"{name}.{part}" for part in ("q_a_proj", "kv_a_proj_with_mqa", "g_proj"))
        modules.append(
            Linear(name=f"{name}.fused_qkv_a_g_proj", inputs=width, outputs=(*whole, gate), bias=bias, sources=sources)
        )
    elif q_lora_rank and absorbed and fused:
        modules.append(
            _replicated(
                f"{name}.fused_qkv_a_proj", width, (q_a, kv_a), bias, (f"{name}.q_a_proj", f"{name}.kv_a_proj_with_mqa")
            )
        )
    else:
        if q_lora_rank:
            modules.append(_replicated(f"{name}.q_a_proj", width, (q_a,), bias, (f"{name}.q_a_proj",)))
        modules.append(_replicated(f"{name}.kv_a_proj_with_mqa", width, (kv_a,), bias, (f"{name}.kv_a_proj_with_mqa",)))
        if output_gate:
            modules.append(Linear(name=f"{name}.g_proj", inputs=width, outputs=(gate,), sources=(f"{name}.g_proj",)))
    if q_lora_rank:
        modules.append(Tensor(name=f"{name}.q_a_layernorm", shape=(q_lora_rank,)))
    modules += [
        _by_heads(
            f"{name}.q_b_proj" if q_lora_rank else f"{name}.q_proj", q_lora_rank or width, num_heads, qk_head_dim
        ),
        Tensor(name=f"{name}.kv_a_layernorm", shape=(kv_lora_rank,)),
        _by_heads(
            f"{name}.kv_b_proj", kv_lora_rank, num_heads, qk_nope_head_dim + v_head_dim, dequantized_copy=absorbed
        ),
        Linear(
            name=f"{name}.o_proj",
            inputs=num_heads * v_head_dim,
            outputs=(Split(size=hidden_size),),
            parallel="row",
            bias=bias,
            sources=(f"{name}.o_proj",),
        ),
        kv_scales(),
    ]
    cache: CacheLayer = LatentCache(
        kv_lora_rank=kv_lora_rank,
        qk_rope_head_dim=qk_rope_head_dim,
        sparse=sparse,
        qk_nope_head_dim=qk_nope_head_dim,
    )
    if not absorbed:
        cache = AttentionCache(
            kind="full_attention", num_kv_heads=num_heads, head_size=qk_head_dim, head_size_v=qk_head_dim
        )
    return Part(modules=tuple(modules), caches=(cache,))


def _replicated(name: str, inputs: int, outputs: tuple[Split, ...], bias: bool, sources: tuple[str, ...]) -> Linear:
    return Linear(name=name, inputs=inputs, outputs=outputs, parallel="replicated", bias=bias, sources=sources)


def _by_heads(name: str, inputs: int, heads: int, per_head: int, *, dequantized_copy: bool = False) -> Linear:
    return Linear(
        name=name,
        inputs=inputs,
        outputs=(Split(size=heads * per_head, units=heads, repeated=False),),
        sources=(name,),
        dequantized_copy=dequantized_copy,
    )


def sparse_indexer(
    *, hidden_size: int, q_lora_rank: int, num_heads: int, head_dim: int, name: str = "self_attn.indexer"
) -> Part:
    """DeepSeek sparse attention's indexer, replicated on every rank, and its own key cache.

    wq_b (num_heads·head_dim, q_lora_rank); wk and weights_proj (head_dim + num_heads, H) fused and never quantized;
    k_norm weight and bias in fp32. Source: vLLM 0.32.0 `deepseek_v2.py:Indexer`.
    """
    return Part(
        modules=(
            _replicated(f"{name}.wq_b", q_lora_rank, (Split(size=num_heads * head_dim),), False, (f"{name}.wq_b",)),
            Linear(
                name=f"{name}.wk_weights_proj",
                inputs=hidden_size,
                outputs=(Split(size=head_dim), Split(size=num_heads)),
                parallel="replicated",
                quantizable=False,
                sources=(f"{name}.wk", f"{name}.weights_proj"),
            ),
            Tensor(name=f"{name}.k_norm", shape=(2, head_dim), dtype="float32"),
        ),
        caches=(IndexerCache(head_dim=head_dim),),
    )


def topk_buffer(index_topk: int, max_num_batched_tokens: int | None = None) -> Tensor:
    """The int32 buffer all sparse layers share: (max_num_batched_tokens, index_topk); no registered parameter.

    Source: vLLM 0.32.0 `deepseek_v2.py:DeepseekV2Model`.
    """
    rows = max_num_batched_tokens or DEFAULT_TOKEN_BUDGET
    return Tensor(
        name="model.topk_indices_buffer",
        shape=(rows, index_topk),
        dtype="int32",
        shared="topk_indices_buffer",
        buffer=True,
        presence="loaded",
    )


def latent_rope(
    config: ModelConfig, context: BuildContext, *, rotary_dim: int, max_position: int, flavour: str = ""
) -> Tensor:
    """The rotary table of the decoupled `rotary_dim` part; any scaled rope is DeepSeek's YaRN, whatever it is called.

    `flavour` tells apart tables that differ only in their layout (the indexer's is not interleaved). A scaled table has the
    model's dtype, and float32 for FlashInfer, which runs where nothing is compiled (since 0.14). Source: vLLM 0.33.0
    `deepseek_v2.py:DeepseekV2MLAAttention`, `deepseek_scaling_rope.py:DeepseekScalingRotaryEmbedding`.
    """
    ropes = read_ropes(config)
    if not ropes or ropes[0].kind == "default":
        table = rope_table(ropes[0] if ropes else None, head_dim=rotary_dim, max_position=max_position)
    else:
        rope = Rope(
            kind="deepseek_yarn",
            factor=ropes[0].factor,
            original_max_position=ropes[0].original_max_position,
            partial=1.0,
            mrope=False,
        )
        table = Tensor(
            name="rotary_emb.cos_sin_cache",
            shape=(table_positions(rope, max_position), rotary_dim),
            dtype="float32"
            if rotary_dim in _FLASHINFER and context.vllm_version >= (0, 14, 0) and not context.compiled
            else None,
            shared=f"deepseek rope {rope} {rotary_dim} {max_position}",
            buffer=True,
        )
    return Tensor(
        name=flavour + table.name, shape=table.shape, dtype=table.dtype, shared=f"{table.shared} {flavour}", buffer=True
    )
