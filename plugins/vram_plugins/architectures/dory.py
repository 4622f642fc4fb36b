"""Dory: a layer is attention or a feed-forward network, without norms; some layers are run several times.

Source: vLLM 0.33.0 `dory.py`; defaults are its config class's.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, gqa, layer, runs_by_kind
from vram.architecture.parts import bias_free_linear
from vram.architecture.placement import layer_windows
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import frozen
from vram.models.spec import Layer, ModelSpec

_MLP = "mlp"


@frozen(kw_only=True)
class _Kind:
    """A feed-forward layer, or attention with its window and how often its cache is kept."""

    mlp: bool
    window: int | None
    caches: int


class Dory(ArchitectureAdapter):
    """nGPT's scales in place of norms; with `per_loop` every run of a recurrent layer keeps keys of its own."""

    name = "dory"
    architectures = ("DoryForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        dims = dimensions(config, max_position_default=8192)
        scale = Tensor(name="lm_head.logit_scale", shape=(dims.vocab_size,))
        return decoder(
            config,
            dims,
            runs=runs_by_kind(_kinds(config, dims), lambda kind: _layer(config, dims, kind), prefix="backbone.layers"),
            context=context,
            extra=(("last", scale),),
            rope="none",
            final_norm=False,
            max_position_default=8192,
        )


def _kinds(config: ModelConfig, dims: Dimensions) -> list[_Kind]:
    types = config.strings("layer_types")
    if len(types) < dims.num_hidden_layers:
        raise config.error("layer_types", f"has {len(types)} entries for {dims.num_hidden_layers} layers")
    attention = [kind if kind != _MLP else "full_attention" for kind in types]
    windows = layer_windows(overridden(config, layer_types=attention), dims.num_hidden_layers)
    first = config.integer("n_input_layers", default=0, low=0)
    last = first + config.integer("n_recurrent_layers", default=dims.num_hidden_layers, low=0)
    per_loop = config.string("recurrent_kv_cache_mode", default="per_loop") == "per_loop"
    loops = config.integer("n_recurrent_loops", default=1) if per_loop else 1
    return [
        _Kind(mlp=kind == _MLP, window=window, caches=loops if first <= index < last else 1)
        for index, (kind, window) in enumerate(zip(types, windows, strict=False))
    ]


def _layer(config: ModelConfig, dims: Dimensions, kind: _Kind) -> Layer:
    hidden, width = dims.hidden_size, dims.num_attention_heads * dims.head_dim
    if kind.mlp:
        network = gated_mlp(hidden_size=hidden, intermediate_size=dims.intermediate_size, name="mixer")
        scales = Tensor(name="mixer.suv", shape=(2, dims.intermediate_size))
        return layer(network, [scales, Tensor(name="mlp_alpha", shape=(hidden,))])
    part = gqa(
        hidden_size=hidden,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        kind="sliding_window" if kind.window else "full_attention",
        window=kind.window,
        name="mixer",
    )
    more = Tensor(name="attn.more_scales", shape=(kind.caches - 1, 4), dtype="float32", buffer=True)
    modules = [
        bias_free_linear("mixer.g_proj", hidden, width),
        Tensor(name="mixer.scales", shape=(2, width)),
        Tensor(name="attn_alpha", shape=(hidden,)),
        _table(config, dims, kind.window),
        *((more,) if kind.caches > 1 else ()),
    ]
    return layer(Part(modules=part.modules, caches=part.caches * kind.caches), modules)


def _table(config: ModelConfig, dims: Dimensions, window: int | None) -> Tensor:
    blocks = config.sub("rope_parameters")
    block = blocks.sub("sliding_attention" if window else "full_attention") if blocks else None
    return layer_rope(config, dims, block.raw if block else {"rope_type": "default"})


def adapters() -> Iterable[ArchitectureAdapter]:
    """Dory."""
    return [Dory()]
