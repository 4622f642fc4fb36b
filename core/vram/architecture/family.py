"""Decoder families: one adapter class per family, whose attributes and methods say how it differs from Llama."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from vram.architecture.attention import QkNorm, gqa
from vram.architecture.decoder import Dimensions, decoder, dimensions, runs_by_kind
from vram.architecture.draft import Predictor, prediction_layers
from vram.architecture.mlp import gated_mlp, plain_mlp
from vram.architecture.parts import Part, layer, norms
from vram.architecture.placement import layer_windows
from vram.architecture.positions import rope_frequencies
from vram.architecture.reading import overridden, with_defaults
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Stage, Tensor
from vram.models.record import field, frozen
from vram.models.spec import Draft, Layer, ModelSpec

#: yes, no, or the name of the config field that says so
Flag = bool | str
Tying = Literal["as the config says", "never", "always"]


@frozen(kw_only=True)
class LayerKind:
    """What makes one layer differ from another: its window, experts or not, and its own dimensions.

    `rope` is the base frequency and the rotated share of a head where layers differ in them; `variant` is the family's
    own mark for anything else.
    """

    dims: Dimensions
    window: int | None = None
    sparse: bool = False
    rope: tuple[float, float] = (10000.0, 1.0)
    variant: str = ""


@frozen(kw_only=True)
class Names:
    """Module names of a layer as the checkpoint has them; ignore lists of quantized models match on them."""

    attention: str = "self_attn"
    qkv: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    fused_qkv: str = "qkv_proj"
    out: str = "o_proj"
    mlp: str = "mlp"
    up: tuple[str, ...] = ("gate_proj", "up_proj")
    fused_up: str = "gate_up_proj"
    down: str = "down_proj"
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")


Outside = Literal["embedding", "norm", "head"]
#: for families whose vLLM class leaves nothing out of any pipeline rank
EVERY_RANK: tuple[Outside, ...] = ("embedding", "norm", "head")


@frozen(kw_only=True)
class Frame:
    """What stands around the layers: names and extras of the whole model.

    `every_rank` names what vLLM builds on every pipeline rank although one or two use it. `frequencies_since` is the
    first version known to run transformers' class, frequencies and all; before it vLLM had a class and a table of its own.
    `renames`: see ModelSpec.
    """

    prefix: str = "model"
    layers: str = "model.layers"
    final_norm: bool = True
    final_norm_bias: bool = False
    lm_head_bias: Flag = False
    every_rank: tuple[Outside, ...] = ()
    rope: Literal["table", "frequencies", "frequencies per layer type", "none"] = "table"
    extra: tuple[tuple[Stage, Module], ...] = field(default=())
    frequencies_since: tuple[int, int, int] = (0, 0, 0)
    renames: tuple[tuple[str, str], ...] = ()


class DecoderFamily(ArchitectureAdapter):
    """A decoder of attention with keys per head and a feed-forward network.

    Subclasses set attributes and override the method whose rule differs. `defaults` are what the family's config
    class fills in where config.json is silent (transformers 5.19 `configuration_*.py`, or vLLM's own). `ties` is for
    vLLM's classes that do not ask whether embeddings are tied, `head_dim_field` False for those that do not ask for
    `head_dim`. `asks_causal` is for those whose attention looks both ways where the config's `is_causal` is false.
    """

    architectures: tuple[str, ...] = ()
    defaults: ClassVar[Mapping[str, object]] = {}
    names: ClassVar[Names] = Names()
    frame: ClassVar[Frame] = Frame()
    qkv_bias: ClassVar[Flag] = False
    out_bias: ClassVar[Flag] = False
    mlp_bias: ClassVar[Flag] = False
    down_bias: ClassVar[bool | None] = None
    gated: ClassVar[bool] = True
    qk_norm: ClassVar[QkNorm] = "none"
    norm_bias: ClassVar[bool] = False
    sinks: ClassVar[Flag] = False
    ties: ClassVar[Tying] = "as the config says"
    head_dim_field: ClassVar[bool] = True
    asks_causal: ClassVar[bool] = False
    predictor: ClassVar[Predictor | None] = None

    def __init__(self) -> None:
        self.name = self.architectures[0]

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        config = self.prepare(with_defaults(config, self.defaults))
        if self.ties != "as the config says":
            config = overridden(config, tie_word_embeddings=self.ties == "always")
        dims = self.dimensions(config)
        kinds = self.kinds(config, dims)
        if len(kinds) != dims.num_hidden_layers:
            problem = f"{type(self).__name__} tells the kind of {len(kinds)} layers, of {dims.num_hidden_layers}"
            raise ValueError(problem)  # the class is wrong, whatever the config
        runs = runs_by_kind(kinds, lambda kind: self.layer(config, kind), prefix=self.frame.layers)
        return decoder(
            config,
            dims,
            runs=runs,
            context=context,
            extra=(*self.frame.extra, *self.outside(config, dims)),
            rope="auto" if self._has_table(context) else self.rope(config, dims),
            norm_bias=self.frame.final_norm_bias,
            final_norm=self.frame.final_norm,
            lm_head_bias=flag(config, self.frame.lm_head_bias),
            prefix=self.frame.prefix,
            embed_stage="every" if "embedding" in self.frame.every_rank else "first",
            norm_stage="every" if "norm" in self.frame.every_rank else "last",
            head_stage="every" if "head" in self.frame.every_rank else "last",
            embed_columns=self.embed_columns(config),
            assumptions=self.assumptions(config),
            renames=self.frame.renames,
        )

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """The prediction layers of a family with a `predictor`. Raises ArchitectureError."""
        if self.predictor is None:
            return super().draft(config, context)
        return self.predictor.like_last(self.build(config, context), count=prediction_layers(config))

    def _has_table(self, context: BuildContext) -> bool:
        """Whether this version of vLLM has a rotary table where newer ones keep frequencies."""
        return self.frame.rope.startswith("frequencies") and context.vllm_version < self.frame.frequencies_since

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """The config with what its class derives from other fields."""
        return config

    def dimensions(self, config: ModelConfig) -> Dimensions:
        """The model's dimensions. Raises ConfigError."""
        return dimensions(config, head_dim_from_config=self.head_dim_field)

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """The kind of each layer, in order."""
        return [LayerKind(dims=dims, window=window) for window in self.windows(config, dims)]

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """The window of each layer."""
        return layer_windows(config, dims.num_hidden_layers)

    def layer(self, config: ModelConfig, kind: LayerKind) -> Layer:
        """One layer of a kind."""
        return layer(
            self.attention(config, kind),
            self.feed_forward(config, kind),
            self.norms(config, kind),
        )

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """The norms of a layer that are as wide as the model."""
        del config
        return norms(kind.dims.hidden_size, *self.names.norms, bias=self.norm_bias) if self.names.norms else ()

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The attention block of a layer; one that looks both ways keeps nothing."""
        names, dims = self.names, kind.dims
        return gqa(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            num_kv_heads=dims.num_key_value_heads,
            head_dim=dims.head_dim,
            qkv_bias=flag(config, self.qkv_bias),
            out_bias=flag(config, self.out_bias),
            qk_norm=self.qk_norms(config),
            kind="sliding_window" if kind.window else "full_attention",
            window=kind.window,
            sinks=flag(config, self.sinks),
            name=names.attention,
            qkv_name=names.fused_qkv,
            out_name=names.out,
            sources=names.qkv,
            cached=not self.asks_causal or config.flag("is_causal", default=True),
        )

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The feed-forward block of a layer."""
        return self.dense(config, kind.dims.hidden_size, self.dense_width(config, kind))

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """Norms of queries and keys."""
        del config
        return self.qk_norm

    def dense_width(self, config: ModelConfig, kind: LayerKind) -> int:
        """Width of a dense feed-forward block."""
        del config
        return kind.dims.intermediate_size

    def dense(self, config: ModelConfig, hidden_size: int, intermediate_size: int) -> Part:
        """A dense feed-forward block of the family's kind."""
        names, bias = self.names, flag(config, self.mlp_bias)
        if self.gated:
            return gated_mlp(
                hidden_size=hidden_size,
                intermediate_size=intermediate_size,
                bias=bias,
                name=names.mlp,
                up_name=names.fused_up,
                down_name=names.down,
                sources=names.up,
                down_bias=self.down_bias,
            )
        return plain_mlp(
            hidden_size=hidden_size,
            intermediate_size=intermediate_size,
            bias=bias,
            name=names.mlp,
            up_name=names.up[-1],
            down_name=names.down,
        )

    def embed_columns(self, config: ModelConfig) -> int | None:
        """Width of embedding and LM head where it is not the hidden size."""
        del config
        return None

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """Modules outside the layers besides embedding, final norm and LM head."""
        del config, dims
        return ()

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """The rotary tables, or the frequencies that vLLM's Transformers backend keeps instead."""
        match self.frame.rope:
            case "table":
                return "auto"
            case "none":
                return "none"
            case "frequencies":
                return rope_frequencies(config, dims)
            case _:
                kinds = {window is None for window in self.windows(config, dims)}
                return rope_frequencies(config, dims, count=len(kinds))

    def assumptions(self, config: ModelConfig) -> tuple[str, ...]:
        """What was not known, as sentences."""
        del config
        return ()


def flag(config: ModelConfig, value: Flag) -> bool:
    """A flag that is fixed or read from the config."""
    return config.flag(value) if isinstance(value, str) else value
