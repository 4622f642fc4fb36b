"""Inkling: attention with relative positions, short convolutions kept as a sliding window, experts beside shared "sinks".

Sources: vLLM 0.33.0 `models/inkling/` (`configs.py`, `nvidia/model.py`, `attention.py`, `moe.py`, `sconv_swa_attn.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vram.architecture import Dimensions, Part, bias_free_linear, decoder, dimensions, layer, norm, norms, runs_by_kind
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Experts, Linear, Module, Placed, Split, Stage, Tensor, round_up
from vram.models.record import evolve, frozen
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.inkling_towers import hearing, seeing

_COLLECTIVE_RANKS, _COLLECTIVE_TOKENS = (2, 4, 8), 16384
_GATE_ROWS = 8  # the router's rows are padded to a multiple


@frozen(kw_only=True)
class Kind:
    """A layer's heads; `window` where it is a local one, `dense` where it has no experts."""

    heads: int
    kv_heads: int
    head_dim: int
    window: int | None
    dense: bool


class Inkling(ArchitectureAdapter):
    """The language model, with towers where their sections name a `decoder_dmodel`."""

    name = "InklingForCausalLM"
    architectures = ("InklingForCausalLM", "InklingForConditionalGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        section = _widths(config.text())
        # the embedding is whole on every rank and never tied: what is counted as a decoder's own is taken out
        dims = evolve(dimensions(section), vocab_size=section.integer("padded_vocab_size", "vocab_size"))
        dims = evolve(dims, tie_word_embeddings=False)
        kinds = _kinds(section, dims)
        spec = decoder(
            section,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(section, dims, kind)),
            context=context,
            rope="none",
            extra=_outside(section, dims, context),
            dtype_config=config,
            norm_stage="every",
            head_stage="every",
        )
        embedding = Embedding(
            name="model.embed_tokens",
            rows=dims.vocab_size,
            columns=dims.hidden_size,
            sharded=False,
            sources=("model.llm.embed",),
        )
        placed = (evolve(spec.placed[0], module=embedding, stage="every"), *spec.placed[1:])
        spec = evolve(spec, placed=placed, renames=(("model.llm.", "model."), ("language_model.", "")))
        if config.architecture == self.name:
            return spec
        # vLLM marks neither tower as one: they stay where no image or sound may be used, on every pipeline rank
        (vision, image), (audio, sound) = seeing(config), hearing(config)
        towers = tuple(Placed(module=module, stage="every") for module in (*vision, *audio))
        return evolve(spec, placed=spec.placed + towers, encoders=image + sound)


def _widths(section: ModelConfig) -> ModelConfig:
    """`intermediate_size` as the experts' and `dense_intermediate_size`: transformers' files name them otherwise."""
    own = section.has("dense_intermediate_size")
    experts = section.integer("intermediate_size", default=768)
    if section.has("moe_intermediate_size") and not own:
        dense, experts = experts, section.integer("moe_intermediate_size")
    else:
        dense = section.integer("dense_intermediate_size", default=experts)
    return overridden(section, intermediate_size=experts, dense_intermediate_size=dense)


def _kinds(config: ModelConfig, dims: Dimensions) -> Sequence[Kind]:
    """Layers in `local_layer_ids` look through the window; nothing else is asked, `layer_types` neither."""
    local = frozenset(config.integers("local_layer_ids"))
    dense = config.integer("dense_mlp_idx", default=0, low=0)
    full = (dims.num_attention_heads, dims.num_key_value_heads, dims.head_dim)
    swa = (
        config.integer("swa_num_attention_heads", default=full[0]),
        config.integer("swa_num_key_value_heads", default=full[1]),
        config.integer("swa_head_dim", default=full[2]),
    )
    window = config.integer("sliding_window_size", default=512)
    return [
        Kind(
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            window=window if index in local else None,
            dense=index < dense,
        )
        for index in range(dims.num_hidden_layers)
        for heads, kv_heads, head_dim in (swa if index in local else full,)
    ]


def _outside(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Iterable[tuple[Stage, Module]]:
    """The embedding's norm, and the buffers of the collective that joins a convolution's shards (`ops/lamport.py`)."""
    if config.flag("use_embed_norm"):
        yield "every", norm("model.embed_norm", dims.hidden_size)
    if context.tensor_parallel_size in _COLLECTIVE_RANKS:
        tokens = min(_COLLECTIVE_TOKENS, context.max_num_batched_tokens or _COLLECTIVE_TOKENS)
        shape = (2, 3, tokens, dims.hidden_size)
        yield "every", Tensor(name="lamport_rs_conv", shape=shape, dtype="bfloat16", presence="loaded")


def _layer(config: ModelConfig, dims: Dimensions, kind: Kind) -> Layer:
    width = dims.hidden_size
    kernel = config.integer("sconv_kernel_size", "conv_kernel_size", default=4)
    if width % kind.kv_heads:
        raise config.error("num_key_value_heads", f"is {kind.kv_heads}, which does not divide hidden_size {width}")
    streams = 2 * kind.head_dim + 2 * (width // kind.kv_heads)
    state = AttentionCache(
        kind="sliding_window",
        num_kv_heads=kind.kv_heads,
        head_size=1 << (streams - 1).bit_length(),
        head_size_v=0,
        window=kernel,
        unquantized=True,
        block_size=kernel,
    )
    return layer(
        Part(caches=(state,)),
        _attention(config, width, kind, kernel),
        _dense(config, width) if kind.dense else _experts(config, width),
        norms(width, "attn_norm", "mlp_norm"),
        tuple(Tensor(name=f"{name}_sconv", shape=(width, kernel), sharded_units=width) for name in ("attn", "mlp")),
    )


def _attention(config: ModelConfig, width: int, kind: Kind, kernel: int) -> Part:
    """Queries, keys, values and the relative branch in one linear; two scales; convolutions over keys and values."""
    rel = config.integer("d_rel", default=16)
    extent = kind.window or config.integer("rel_extent", default=1024)
    keys = Split(size=kind.kv_heads * kind.head_dim, units=kind.kv_heads, repeated=False)
    qkvr = Linear(
        name="attn.qkvr",
        inputs=width,
        outputs=(
            Split(size=kind.heads * kind.head_dim, units=kind.heads, repeated=False),
            keys,
            keys,
            Split(size=kind.heads * rel, units=kind.heads, repeated=False),
        ),
        bias=config.flag("q_bias"),
        sources=("attn.wq_du", "attn.wk_dv", "attn.wv_dv", "attn.wr_du"),
    )
    out = bias_free_linear("attn.wo_ud", kind.heads * kind.head_dim, width, "row")
    modules: tuple[Module, ...] = (
        qkvr,
        evolve(out, bias=config.flag("o_bias")),
        Tensor(name="attn.rel_logits_proj", shape=(rel, extent)),
        Tensor(name="attn.qk_norm", shape=(2, kind.head_dim)),
        Tensor(name="attn.kv_sconv", shape=(2, keys.size, kernel), sharded_units=kind.kv_heads),
        Tensor(name="attn.plain_scales", shape=(2,), dtype="float32", buffer=True),
    )
    cache = AttentionCache(
        kind="sliding_window" if kind.window else "full_attention",
        num_kv_heads=kind.kv_heads,
        head_size=kind.head_dim,
        head_size_v=kind.head_dim,
        window=kind.window,
    )
    return Part(modules=modules, caches=(cache,))


def _dense(config: ModelConfig, width: int) -> Part:
    middle = config.integer("dense_intermediate_size")
    scale = (Tensor(name="mlp.global_scale", shape=(1,)),) if config.flag("use_global_scale") else ()
    return Part(
        modules=(
            bias_free_linear("mlp.gate_up_proj", width, 2 * middle),
            bias_free_linear("mlp.down_proj", middle, width, "row"),
            *scale,
        )
    )


def _experts(config: ModelConfig, width: int) -> Part:
    """A router for routed experts and sinks together; sinks are plain parameters that no scheme quantizes."""
    routed, sinks = config.integer("n_routed_experts"), config.integer("n_shared_experts")
    middle = config.integer("intermediate_size")
    modules: list[Module] = [
        Tensor(name="mlp.gate", shape=(round_up(routed + sinks, _GATE_ROWS), width)),
        Experts(
            name="mlp.experts",
            num_experts=routed,
            hidden_size=width,
            intermediate_size=middle,
            top_k=config.integer("num_experts_per_tok", default=1),
            sources=("mlp.experts",),
        ),
        Tensor(name="mlp.sink_experts", shape=(3, sinks, middle, width), sharded_units=middle),
    ]
    if config.flag("use_gate_bias"):
        modules.append(Tensor(name="mlp.gate.bias", shape=(routed,), dtype="float32"))
    if config.flag("use_global_scale"):
        modules.append(Tensor(name="mlp.gate.global_scale", shape=(1,), dtype="float32"))
    return Part(modules=tuple(modules))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Inkling, text alone and with its towers."""
    return [Inkling()]
