"""DeepSeek V4: windowed and compressed latent attention, hyper-connections, hash-routed first layers.

Source: vLLM 0.32.0 `models/deepseek_v4/attention.py`, `compressor.py`, `nvidia/model.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import (
    Dimensions,
    Part,
    bias_free_linear,
    decoder,
    dimensions,
    layer,
    moe,
    norms,
    routing_method,
    runs_by_kind,
)
from vram.architecture.draft import prediction_layers, shared_embedding
from vram.architecture.latent import topk_buffer
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import CompressedCache, CompressorCache, IndexerCache, WindowedLatentCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Parallel, Split, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import Draft, Layer, LayerRun, ModelSpec
from vram.vllm.rope import read_ropes

#: tokens per block of the compressor's state by compression ratio (`compressor.py`)
_STATE_BLOCKS = {4: 4, 128: 8}
_SPARSE_RATIO = 4  # only these layers choose among the compressed tokens and so have an indexer
_MAX_POSITION = 1048576


@frozen(kw_only=True)
class _Kind:
    """What tells layers apart: their compression (1: none) and whether tokens choose experts by hash."""

    ratio: int
    hashed: bool


class DeepSeekV4(ArchitectureAdapter):
    """DeepSeek V4."""

    name = "deepseek_v4"
    architectures = ("DeepseekV4ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=_MAX_POSITION, head_dim_default=512)
        dims = evolve(dims, tie_word_embeddings=False)  # vLLM does not ask
        spec = decoder(
            config,
            dims,
            runs=runs_by_kind(_kinds(config, dims), lambda kind: _layer(config, dims, context, kind)),
            context=context,
            extra=[
                *(("every", module) for module in _stream_head(config, dims)),
                ("every", topk_buffer(config.integer("index_topk", default=512), context.max_num_batched_tokens)),
                ("every", _draft_input(config, dims, context.max_num_batched_tokens)),
            ],
            rope="none",
            max_position_default=_MAX_POSITION,
        )
        streams = config.integer("hc_mult", default=4)
        return evolve(spec, hints=spec.hints | {"latent_attention"}, residual_streams=streams)

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """Prediction layers: an uncompressed layer, two (H, H) projections and a stream head (`nvidia/mtp.py`)."""
        count = prediction_layers(config)
        dims = dimensions(config, max_position_default=_MAX_POSITION, head_dim_default=512)
        block = _layer(config, dims, context, _Kind(ratio=1, hashed=False))
        hidden = dims.hidden_size
        step = layer(
            norms(hidden, "enorm", "hnorm", "shared_head.norm"),
            [bias_free_linear(name, hidden, hidden, "replicated") for name in ("e_proj", "h_proj")],
            _stream_head(config, dims),
            block.modules,
        )
        places = tuple(range(dims.num_hidden_layers, dims.num_hidden_layers + count))
        run = LayerRun(layer=evolve(step, caches=block.caches), indices=places)
        return Draft(runs=(run,), placed=(shared_embedding(dims.vocab_size, hidden),))


def _kinds(config: ModelConfig, dims: Dimensions) -> list[_Kind]:
    ratios = _ratios(config)
    if len(ratios) < dims.num_hidden_layers:
        raise config.error("compress_ratios", f"names {len(ratios)} layers of {dims.num_hidden_layers}")
    hashed = config.integer("num_hash_layers", default=config.strings("mlp_layer_types").count("hash_moe"), low=0)
    kinds = [
        _Kind(ratio=max(1, ratio), hashed=index < hashed)
        for index, ratio in enumerate(ratios[: dims.num_hidden_layers])
    ]
    if any(kind.ratio > 1 and kind.ratio not in _STATE_BLOCKS for kind in kinds):
        raise config.error("compress_ratios", "has a ratio other than 0, 1, 4 and 128, which vLLM does not run")
    return kinds


def _ratios(config: ModelConfig) -> tuple[int, ...]:
    """By layer, its own list's, else those of `layer_types` in transformers' form (`deepseek_v4_utils.py`, 0.33)."""
    rates = config.sub("compress_rates")
    if config.has("compress_ratios") or rates is None:
        return config.integers("compress_ratios")
    return tuple(rates.integer(kind, default=0) for kind in config.strings("layer_types"))


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext, kind: _Kind) -> Layer:
    parts = [_attention(config, dims, context)]
    if kind.ratio > 1:
        compressed = CompressedCache(head_dim=dims.head_dim, tokens_per_state=kind.ratio)
        parts.append(_compressor(dims, dims.head_dim, kind.ratio, name="attn.compressor"))
        parts.append(Part(caches=(compressed,)))
    if kind.ratio == _SPARSE_RATIO:
        parts.append(_indexer(config, dims, kind.ratio, four_bits=context.has("mxfp4_indexer")))
    return layer(
        *parts,
        _experts(config, dims, hashed=kind.hashed),
        _streams(config, dims),
        norms(dims.hidden_size, "attn_norm", "ffn_norm"),
        _rope(config, dims, compressed=kind.ratio > 1),
    )


def _attention(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    """q through a bottleneck, one key vector for all heads, output through `o_groups` bottlenecks; a sink per head."""
    heads, rank = dims.num_attention_heads, config.integer("q_lora_rank")
    groups, o_rank = config.integer("o_groups"), config.integer("o_lora_rank")
    if (heads * dims.head_dim) % groups:
        raise config.error("o_groups", f"is {groups}, which does not divide {heads} heads of {dims.head_dim}")
    local_heads = heads // context.tensor_parallel_size
    # padded to what FlashMLA runs, or FlashInfer on RTX Blackwell (`nvidia/flashinfer_sparse.py`, 0.33.0)
    widths = (8, 16, 32, 64) if context.compute_capability[0] == 12 else (64,)
    sinks = next((width for width in widths if local_heads <= width), 128)
    return Part(
        modules=(
            _linear("attn.fused_wqa_wkv", dims.hidden_size, (rank, dims.head_dim), "replicated", "wq_a", "wkv"),
            Tensor(name="attn.q_norm", shape=(rank,)),
            Linear(
                name="attn.wq_b",
                inputs=rank,
                outputs=(Split(size=heads * dims.head_dim, units=heads),),
                sources=("attn.wq_b",),
            ),
            Tensor(name="attn.kv_norm", shape=(dims.head_dim,)),
            Linear(
                name="attn.wo_a",
                inputs=heads * dims.head_dim // groups,
                outputs=(Split(size=groups * o_rank, units=groups),),
                sources=("attn.wo_a",),
            ),
            _linear("attn.wo_b", groups * o_rank, (dims.hidden_size,), "row", "wo_b"),
            Tensor(name="attn.attn_sink", shape=(sinks,), dtype="float32"),
        ),
        caches=(WindowedLatentCache(head_dim=dims.head_dim, window=config.integer("sliding_window", default=128)),),
    )


def _compressor(dims: Dimensions, head_dim: int, ratio: int, *, name: str) -> Part:
    """Pools `ratio` tokens into one key; windows of ratio 4 overlap, which doubles its widths. Never quantized."""
    overlap = 2 if ratio == _SPARSE_RATIO else 1
    width = overlap * head_dim
    return Part(
        modules=(
            Tensor(name=f"{name}.ape", shape=(ratio, width), dtype="float32"),
            Linear(
                name=f"{name}.fused_wkv_wgate",
                inputs=dims.hidden_size,
                outputs=(Split(size=width), Split(size=width)),
                parallel="replicated",
                quantizable=False,
                sources=(f"{name}.wkv", f"{name}.wgate"),
            ),
            Tensor(name=f"{name}.norm", shape=(head_dim,)),
        ),
        caches=(CompressorCache(width=2 * width, window=overlap * ratio, block_size=_STATE_BLOCKS[ratio]),),
    )


def _indexer(config: ModelConfig, dims: Dimensions, ratio: int, *, four_bits: bool) -> Part:
    """Chooses compressed tokens; replicated on every rank, with a compressor of its own."""
    heads = config.integer("index_n_heads", default=64)
    head_dim = config.integer("index_head_dim", default=128)
    weights = _linear("attn.indexer.weights_proj", dims.hidden_size, (heads,), "replicated", "indexer.weights_proj")
    pool = _compressor(dims, head_dim, ratio, name="attn.indexer.compressor")
    return Part(
        modules=(
            _linear(
                "attn.indexer.wq_b", config.integer("q_lora_rank"), (heads * head_dim,), "replicated", "indexer.wq_b"
            ),
            evolve(weights, quantizable=False),
            *pool.modules,
        ),
        caches=(
            IndexerCache(head_dim=head_dim, tokens_per_state=ratio, packed=True, four_bits=four_bits),
            *pool.caches,
        ),
    )


def _experts(config: ModelConfig, dims: Dimensions, *, hashed: bool) -> Part:
    """Experts in every layer; hashed layers look their experts up by token id, (vocab, top_k) int32."""
    top_k = config.integer("num_experts_per_tok")
    width = config.integer("moe_intermediate_size")
    part = moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("n_routed_experts"),
        intermediate_size=width,
        top_k=top_k,
        name="ffn",
        correction_bias=config.string("topk_method") == "noaux_tc" and not hashed,
        routing=routing_method(scoring=config.string("scoring_func", default="sqrtsoftplus")),
        shared_intermediate=config.integer("n_shared_experts", default=0, low=0) * width,
    )
    if not hashed:
        return part
    table = Tensor(name="ffn.gate.tid2eid", shape=(dims.vocab_size, top_k), dtype="int32")
    return evolve(part, modules=(*part.modules, table))


def _streams(config: ModelConfig, dims: Dimensions) -> tuple[Module, ...]:
    """Hyper-connections around attention and experts, in fp32: m streams, (m² + 2·m) mixing weights each."""
    streams = config.integer("hc_mult", default=4)
    mixes = (2 + streams) * streams
    return (
        Tensor(name="hc_fn", shape=(mixes, streams * dims.hidden_size), dtype="float32", count=2),
        Tensor(name="hc_base", shape=(mixes,), dtype="float32", count=2),
        Tensor(name="hc_scale", shape=(3,), dtype="float32", count=2),
    )


def _stream_head(config: ModelConfig, dims: Dimensions) -> tuple[Module, ...]:
    streams = config.integer("hc_mult", default=4)
    return (
        Tensor(name="model.hc_head_fn", shape=(streams, streams * dims.hidden_size), dtype="float32"),
        Tensor(name="model.hc_head_base", shape=(streams + 1,), dtype="float32"),  # base and one scale
    )


def _draft_input(config: ModelConfig, dims: Dimensions, max_num_batched_tokens: int | None) -> Tensor:
    """A copy of all streams for the prediction layers, made whether or not they serve: (batch, m × H); no parameter.

    Source: `models/deepseek_v4.py:DeepseekV4Model._mtp_hidden_buffer` (0.20.2).
    """
    streams = config.integer("hc_mult", default=4)
    return evolve(
        topk_buffer(streams * dims.hidden_size, max_num_batched_tokens),
        name="model._mtp_hidden_buffer",
        dtype=None,
        shared="deepseek v4 draft input",
    )


def _rope(config: ModelConfig, dims: Dimensions, *, compressed: bool) -> Tensor:
    """An fp32 table on the ranks with such layers; YaRN's length only where keys are compressed."""
    ropes = read_ropes(config)
    rows = dims.max_position
    if compressed and ropes and ropes[0].kind != "default":
        rows = int((ropes[0].original_max_position or rows) * ropes[0].factor)
    return Tensor(
        name="attn.rotary_emb.cos_sin_cache",
        shape=(rows, config.integer("qk_rope_head_dim", default=64)),
        dtype="float32",
        shared=f"deepseek v4 rope {compressed}",
        buffer=True,
    )


def _linear(name: str, inputs: int, outputs: tuple[int, ...], parallel: Parallel, *sources: str) -> Linear:
    return Linear(
        name=name,
        inputs=inputs,
        outputs=tuple(Split(size=size) for size in outputs),
        parallel=parallel,
        sources=tuple(f"attn.{source}" for source in sources),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """DeepSeek V4."""
    return [DeepSeekV4()]
