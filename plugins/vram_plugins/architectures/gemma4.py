"""Gemma 4: sliding and full layers of different head sizes, shared caches, per-layer embeddings.

Source: vLLM 0.32.0 `gemma4.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import (
    Dimensions,
    Part,
    decoder,
    dimensions,
    gated_mlp,
    gqa,
    layer,
    norm,
    norms,
    runs_by_kind,
)
from vram.architecture.towers import dense
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Experts, Linear, Module, Split, Stage, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import UNEVEN_HEADS, Layer, ModelSpec
from vram.vllm.rope import Rope, rope_table
from vram_plugins.architectures.language import filled

_POSITIONS = 131072
_PATTERN = 6  # every sixth layer is full where the config names no layer types


@frozen(kw_only=True)
class Kind:
    """A sliding or full layer; `shared` ones read the cache of an earlier layer of their type."""

    full: bool
    shared: bool


class Gemma4Text(ArchitectureAdapter):
    """The language model alone."""

    name = "Gemma4ForCausalLM"
    architectures = ("Gemma4ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        inner = config.text()
        if inner is not config:
            inner = ModelConfig(
                raw={**inner.raw, "architectures": list(config.strings("architectures"))},
                path=config.path,
                section=inner.section,
            )
        config = filled(inner, {"tie_word_embeddings": True, "head_dim": 256, "global_head_dim": 512})
        dims = dimensions(config, tie_default=True, max_position_default=_POSITIONS)
        kinds = _kinds(config, dims.num_hidden_layers)
        runs = runs_by_kind(kinds, lambda kind: _layer(config, dims, kind))
        return decoder(
            config,
            dims,
            runs=runs,
            context=context,
            rope="none",
            extra=(("every", _scalar("model.normalizer")), *_per_layer(config, dims)),
            max_position_default=_POSITIONS,
            embed_stage="every",
            norm_stage="every",
            head_stage="every",
            hints=frozenset({UNEVEN_HEADS}) if dims.head_dim != _heads(config, dims, full=True)[0] else frozenset(),
            renames=(("model.language_model.", "model."),),
        )


def _scalar(name: str) -> Tensor:
    return Tensor(name=name, shape=(1,), buffer=True)


def _kinds(config: ModelConfig, layers: int) -> list[Kind]:
    """The last layer is full whatever the config says; the last `num_kv_shared_layers` own no cache."""
    types = config.strings("layer_types") or tuple(
        "sliding_attention" if (index + 1) % _PATTERN else "full_attention" for index in range(layers)
    )
    if len(types) < layers:
        raise config.error("layer_types", f"has {len(types)} entries for {layers} layers")
    shared = config.integer("num_kv_shared_layers", default=0, low=0)
    if shared >= layers:
        raise config.error("num_kv_shared_layers", f"is {shared} of {layers} layers")
    full = [types[index] == "full_attention" or index == layers - 1 for index in range(layers)]
    return [Kind(full=full[index], shared=shared > 0 and index >= layers - shared) for index in range(layers)]


def _heads(config: ModelConfig, dims: Dimensions, *, full: bool) -> tuple[int, int]:
    """(head size, KV heads) of a layer; full layers have their own where keys serve as values."""
    if not full:
        return dims.head_dim, dims.num_key_value_heads
    kv = dims.num_key_value_heads
    if config.flag("attention_k_eq_v"):
        kv = config.integer("num_global_key_value_heads", default=kv)
    return config.integer("global_head_dim", default=512), kv


def _rope(config: ModelConfig, dims: Dimensions, *, full: bool) -> Tensor:
    """The table of a layer type, as wide as its heads (proportional ones too); only ranks with such layers have it."""
    plain = Rope(kind="default", factor=1.0, original_max_position=None, partial=1.0, mrope=False)
    table = rope_table(plain, head_dim=_heads(config, dims, full=full)[0], max_position=dims.max_position)
    return evolve(table, shared=f"gemma4 {full} {dims.max_position}")


def _per_layer(config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
    """Embeddings that each layer mixes in: one table for all layers, on every pipeline rank."""
    width = config.integer("hidden_size_per_layer_input", default=256, low=0)
    if not width:
        return
    total = width * dims.num_hidden_layers
    table = Embedding(
        name="model.embed_tokens_per_layer",
        rows=config.integer("vocab_size_per_layer_input", default=dims.vocab_size),
        columns=total,
        sources=("model.embed_tokens_per_layer",),
    )
    yield "every", table
    yield "every", dense("model.per_layer_model_projection", dims.hidden_size, total, parallel="column", bias=False)
    yield "every", norm("model.per_layer_projection_norm", width)
    for name in ("embed_scale_per_layer", "per_layer_input_scale", "per_layer_projection_scale"):
        yield "every", _scalar(f"model.{name}")


def _attention(config: ModelConfig, dims: Dimensions, kind: Kind) -> Part:
    head_dim, kv = _heads(config, dims, full=kind.full)
    bias = config.flag("attention_bias")
    window = None if kind.full else config.integer("sliding_window", default=512)
    if not kind.full and config.string("use_bidirectional_attention") == "all" and window:
        window = window // 2 + 1
    part = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=kv,
        head_dim=head_dim,
        qkv_bias=bias,
        out_bias=bias,
        qk_norm="none" if kind.shared else "head",
        kind="sliding_window" if window else "full_attention",
        window=window,
        cached=not kind.shared,
    )
    if not kind.shared:
        return part
    query = Linear(
        name="self_attn.q_proj",
        inputs=dims.hidden_size,
        outputs=(Split(size=dims.num_attention_heads * head_dim, units=dims.num_attention_heads),),
        bias=bias,
        sources=("self_attn.q_proj",),
    )
    return Part(modules=(query, *part.modules[1:], norm("self_attn.q_norm", head_dim)))


def _layer(config: ModelConfig, dims: Dimensions, kind: Kind) -> Layer:
    width = dims.hidden_size
    doubled = kind.shared and config.flag("use_double_wide_mlp")
    names = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
    parts: list[Part | tuple[Module, ...]] = [
        _attention(config, dims, kind),
        gated_mlp(hidden_size=width, intermediate_size=dims.intermediate_size * (2 if doubled else 1)),
    ]
    if config.has("num_experts"):
        parts.append(_experts(config, width))
        names += ["post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"]
    per_layer = config.integer("hidden_size_per_layer_input", default=256, low=0)
    if per_layer:
        gate = dense("per_layer_input_gate", width, per_layer, bias=False)
        parts.append((gate, dense("per_layer_projection", per_layer, width, bias=False)))
        names.append("post_per_layer_input_norm")
    parts.append(norms(width, *names))
    parts.append((_scalar("layer_scalar"), _rope(config, dims, full=kind.full)))
    return layer(*parts)


def _experts(config: ModelConfig, width: int) -> Part:
    """A router with two learned scales; its projection takes no quantization."""
    experts = config.integer("num_experts")
    return Part(
        modules=(
            dense("router.proj", width, experts, bias=False, quantizable=False),
            Experts(
                name="experts",
                num_experts=experts,
                hidden_size=width,
                intermediate_size=config.integer("moe_intermediate_size", "expert_intermediate_size"),
                top_k=config.integer("top_k_experts", default=8),
                activation="gelu_tanh",
                routing="custom",
                sources=("experts",),
            ),
            Tensor(name="router.scale", shape=(width,)),
            Tensor(name="router.per_expert_scale", shape=(experts,)),
            _scalar("router.root_size"),
        )
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 4, text alone."""
    return [Gemma4Text()]
