"""EmbeddingGemma 2: an encoder of sliding and full layers of different head sizes, per-layer inputs, Gemma 4's towers.

Sources: vLLM 0.33.0 `embedding_gemma2.py`, `config.py:EmbeddingGemma2ModelConfig`; transformers'
`configuration_embedding_gemma2.py`. It keeps nothing per request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vram.architecture import Dimensions, dimensions, gated_mlp, gqa, layer, norm, norms, runs_by_kind
from vram.architecture.placement import every_nth_full
from vram.architecture.positions import layer_rope
from vram.architecture.towers import dense
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.bert import pooling_spec, word_table
from vram_plugins.architectures.gemma4_towers import takes_scheme, with_hearing, with_vision
from vram_plugins.architectures.language import filled

#: the longest input unless the user asks for more; set when the whole context has already made the batch
_LENGTH = 8192
_DEFAULTS = {
    "vocab_size": 262144,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 24,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "max_position_embeddings": 262144,
    "hidden_size_per_layer_input": 512,
    "embedding_dim": 768,
    "rope_parameters": {
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        "full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
    },
}


@frozen(kw_only=True)
class Kind:
    """A layer's type, which decides its rotary table, and its own heads."""

    full: bool
    head_dim: int
    kv_heads: int


class EmbeddingGemma2(ArchitectureAdapter):
    """EmbeddingGemma 2; towers only where the config has their sections."""

    name = "EmbeddingGemma2Model"
    architectures = ("EmbeddingGemma2Model",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        text = filled(config.text(), {**_DEFAULTS, "architectures": [self.name], "dtype": config.get("dtype")})
        dims = dimensions(text)
        length = min(dims.max_position, context.max_model_len or _LENGTH)
        held = evolve(dims, max_position=length)
        kinds = _kinds(text, dims)
        at = "language_model."
        runs = runs_by_kind(kinds, lambda kind: _layer(text, held, kind), prefix=f"{at}layers")
        per_layer = text.integer("hidden_size_per_layer_input")
        width = dims.hidden_size
        modules: tuple[Module, ...] = (
            word_table(f"{at}embed_tokens", dims.vocab_size, width),
            norm(f"{at}norm", width),
            dense(
                f"{at}ple.per_layer_model_projection",
                width,
                dims.num_hidden_layers * per_layer,
                parallel="column",
                bias=False,
            ),
            norm(f"{at}ple.per_layer_projection_norm", per_layer),
            dense(f"{at}embedding_projection", width, text.integer("embedding_dim"), bias=False),
            Tensor(name=f"{at}embed_scale", shape=(1,), buffer=True),
        )
        spec = pooling_spec(text, dims, runs, modules, positions=dims.max_position)
        spec = evolve(spec, max_model_len=min(dims.max_position, _LENGTH), renames=(("model.", at),))
        vision = config.sub("vision_config")
        seen = spec if vision is None else with_vision(spec, config, context)
        return with_hearing(seen, config, quantizable=vision is not None and takes_scheme(vision, context))


def _kinds(config: ModelConfig, dims: Dimensions) -> Sequence[Kind]:
    """`per_layer_config` gives single layers heads of their own; without it full ones have wider and fewer."""
    count = dims.num_hidden_layers
    slides = every_nth_full(config.integer("sliding_window_pattern", default=6))
    types = config.strings("layer_types") or tuple("sliding_attention" if slides(i) else "" for i in range(count))
    if len(types) < count:
        raise config.error("layer_types", f"has {len(types)} entries for {count} layers")
    full = [types[index] != "sliding_attention" or index == count - 1 for index in range(count)]
    own = config.sub("per_layer_config")
    kinds = []
    for index in range(count):
        if own is None:
            wide = (
                config.integer("global_head_dim", default=512),
                config.integer("num_global_key_value_heads", default=1),
            )
            head_dim, heads = wide if full[index] else (dims.head_dim, dims.num_key_value_heads)
        else:
            one = own.sub(f"{index:02}") or own.sub(str(index))
            head_dim = one.integer("head_dim", default=dims.head_dim) if one else dims.head_dim
            heads = (
                one.integer("num_key_value_heads", default=dims.num_key_value_heads)
                if one
                else dims.num_key_value_heads
            )
        kinds.append(Kind(full=full[index], head_dim=head_dim, kv_heads=heads))
    return kinds


def _layer(config: ModelConfig, dims: Dimensions, kind: Kind) -> Layer:
    width, bias = dims.hidden_size, config.flag("attention_bias")
    per_layer = config.integer("hidden_size_per_layer_input")
    attention = gqa(
        hidden_size=width,
        num_heads=dims.num_attention_heads,
        num_kv_heads=kind.kv_heads,
        head_dim=kind.head_dim,
        qkv_bias=bias,
        out_bias=bias,
        qk_norm="head",
        cached=False,
    )
    blocks = config.sub("rope_parameters")
    block = blocks.sub("full_attention" if kind.full else "sliding_attention") if blocks else None
    rope = layer_rope(config, evolve(dims, head_dim=kind.head_dim), block.raw if block else {})
    names = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
    return layer(
        attention,
        gated_mlp(hidden_size=width, intermediate_size=dims.intermediate_size),
        dense("ple_block.per_layer_input_gate", width, per_layer, bias=False),
        dense("ple_block.per_layer_projection", per_layer, width, bias=False),
        norms(width, *names, "ple_block.post_per_layer_input_norm"),
        Tensor(name="layer_scalar", shape=(1,), buffer=True),
        rope,
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """EmbeddingGemma 2."""
    return [EmbeddingGemma2()]
