"""Zamba2: Mamba-2 with a few transformer blocks that many layers share (vLLM 0.32.0 `model_executor/models/zamba2.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, kv_scales, layer, norm, runs_by_kind
from vram.architecture.state import mamba2
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Parallel, Split
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec

#: transformers' Zamba2Config: the 54 layers of the default model
_DEFAULT_HYBRID = frozenset({6, 12, 18, 24, 30, 36, 42, 47, 51})
_LONG_CONTEXT = 16384


class Zamba2(ArchitectureAdapter):
    """Hybrid layers run a shared block (own adapters, own KV cache), then their own Mamba-2. No pipeline parallelism."""

    name = "zamba2"
    architectures = ("Zamba2ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=4096, head_dim_from_config=False, tie_default=True)
        dims = evolve(
            dims,
            tie_word_embeddings=True,  # vLLM ties whatever the config says
            head_dim=2 * dims.hidden_size // dims.num_attention_heads,
            max_position=_LONG_CONTEXT if config.flag("use_long_context") else dims.max_position,
        )
        shared = config.integer("num_mem_blocks", default=1)
        return decoder(
            config,
            dims,
            runs=runs_by_kind(_hybrid(config, dims), lambda hybrid: _layer(config, dims, context, hybrid=hybrid)),
            context=context,
            extra=[("every", evolve(module, count=shared)) for module in _shared_block(config, dims)],
            rope="auto" if config.flag("use_mem_rope") else "none",
            max_position_default=4096,
            embed_stage="every",
            norm_stage="every",
        )


def _hybrid(config: ModelConfig, dims: Dimensions) -> list[bool]:
    types = config.strings("layers_block_type", "layer_types")
    if not types:
        return [index in _DEFAULT_HYBRID for index in range(dims.num_hidden_layers)]
    if len(types) != dims.num_hidden_layers:
        raise config.error("layers_block_type", f"names {len(types)} layers of {dims.num_hidden_layers}")
    return [kind == "hybrid" for kind in types]


def _shared_block(config: ModelConfig, dims: Dimensions) -> tuple[Module, ...]:
    """One shared transformer: attention over twice the width (the embedding is concatenated), gated MLP, norms."""
    wide = 2 * dims.hidden_size
    part = Split(size=wide, units=dims.num_attention_heads)
    return (
        _linear("qkv_proj", wide, (part, part, part)),
        _linear("o_proj", wide, (Split(size=dims.hidden_size),), parallel="row"),
        *gated_mlp(
            hidden_size=dims.hidden_size,
            intermediate_size=dims.intermediate_size,
            bias=config.flag("add_bias_linear"),
            name="feed_forward",
        ).modules,
        norm("input_layernorm", wide),
        norm("pre_ff_layernorm", dims.hidden_size),
    )


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext, *, hybrid: bool) -> Layer:
    heads = config.integer("n_mamba_heads", default=8)
    inner = config.integer("mamba_expand", default=2) * dims.hidden_size
    mixer = mamba2(
        hidden_size=dims.hidden_size,
        tensor_parallel_size=context.tensor_parallel_size,
        intermediate_size=inner,
        num_heads=heads,
        head_dim=inner // heads,
        state_size=config.integer("mamba_d_state", default=64),
        n_groups=config.integer("mamba_ngroups", default=1),
        conv_kernel=config.integer("mamba_d_conv", default=4),
        conv_bias=config.flag("use_conv_bias", default=True),
        proj_bias=config.flag("add_bias_linear"),
    )
    parts = [mixer, Part(modules=(norm("input_layernorm", dims.hidden_size),))]
    return layer(*([_own_share(config, dims)] if hybrid else []), *parts)


def _own_share(config: ModelConfig, dims: Dimensions) -> Part:
    """What a hybrid layer adds to the shared block: adapters, an output projection and a KV cache."""
    rank = config.integer("adapter_rank", default=128)
    wide = 2 * dims.hidden_size
    ups = (Split(size=dims.intermediate_size), Split(size=dims.intermediate_size))
    modules = [*_adapter("gate_up_proj_adapter", dims.hidden_size, rank, ups)]
    if config.flag("use_shared_attention_adapter"):
        for letter in "qkv":
            modules += _adapter(f"linear_{letter}_adapter", wide, rank, (Split(size=wide),))
    modules.append(_linear("linear", dims.hidden_size, (Split(size=dims.hidden_size),), parallel="replicated"))
    cache = AttentionCache(
        kind="full_attention",
        num_kv_heads=dims.num_attention_heads,
        head_size=dims.head_dim,
        head_size_v=dims.head_dim,
    )
    return Part(modules=(*modules, kv_scales(quantizable=False)), caches=(cache,))


def _adapter(name: str, inputs: int, rank: int, outputs: tuple[Split, ...]) -> tuple[Linear, Linear]:
    """A low-rank pair: A (rank, inputs) sharded by rank, B (outputs, rank)."""
    return _linear(f"{name}.A", inputs, (Split(size=rank),)), _linear(f"{name}.B", rank, outputs)


def _linear(name: str, inputs: int, outputs: tuple[Split, ...], *, parallel: Parallel = "column") -> Linear:
    return Linear(name=name, inputs=inputs, outputs=outputs, parallel=parallel, sources=(name,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Zamba2."""
    return [Zamba2()]
