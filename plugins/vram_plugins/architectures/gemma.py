"""Gemma 1 to 3 (text), RNJ-1 and VaultGemma."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names, Tying
from vram.architecture.parts import Part, of_triton
from vram.architecture.placement import even_slide, layer_windows
from vram.architecture.pooling import without_head
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.spec import ModelSpec

#: sqrt(hidden_size), kept as a buffer in the model's dtype
_NORMALIZER = Tensor(name="model.normalizer", shape=(1,), buffer=True)
FOUR_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


class Gemma(DecoderFamily):
    """vLLM 0.32.0 `gemma.py`."""

    architectures: tuple[str, ...] = ("GemmaForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 256,
        "num_key_value_heads": 16,
        "tie_word_embeddings": True,
        "max_position_embeddings": 8192,
    }
    frame = Frame(extra=(("every", _NORMALIZER),), every_rank=EVERY_RANK)


class Gemma2(Gemma):
    """`gemma2.py`; every other layer slides, beginning with the first."""

    architectures: tuple[str, ...] = ("Gemma2ForCausalLM",)
    ties: ClassVar[Tying] = "always"
    defaults: ClassVar[Mapping[str, object]] = {**Gemma.defaults, "num_key_value_heads": 4, "sliding_window": 4096}
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    names = Names(norms=FOUR_NORMS)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` layers 0, 2, 4 ... slide."""
        return layer_windows(config, dims.num_hidden_layers, absent=even_slide)


class Gemma3(Gemma2):
    """`gemma3.py`; five layers of six slide, with a rotary table of their own."""

    architectures: tuple[str, ...] = ("Gemma3ForCausalLM",)
    ties = "as the config says"
    asks_causal: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, object]] = {**Gemma2.defaults, "max_position_embeddings": 131072}
    qk_norm = "head"
    frame = Frame(extra=(("every", _NORMALIZER),), rope="none", every_rank=EVERY_RANK)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Attention that looks both ways sees half the window on each side."""
        if not config.flag("use_bidirectional_attention"):
            return config
        return overridden(config, sliding_window=config.integer("sliding_window") // 2 + 1)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every `sliding_window_pattern`-th layer is full."""
        n = config.integer("sliding_window_pattern", default=6)
        return layer_windows(config, dims.num_hidden_layers, absent=lambda index: (index + 1) % n != 0)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Full layers have the scaled rotary table, sliding ones the plain table of `rope_local_base_freq`."""
        part = super().attention(config, kind)
        return Part(modules=(*part.modules, self.rotary(config, kind)), caches=part.caches)

    def rotary(self, config: ModelConfig, kind: LayerKind) -> Tensor:
        """The rotary table of a layer."""
        return _rope(config, kind.dims, "sliding_attention" if kind.window else "full_attention")


class Gemma3Text(Gemma3):
    """`gemma3.py:Gemma3Model`, an embedder without an LM head: `use_bidirectional_attention` alone says whether it keeps
    anything (`config.py:Gemma3TextModelConfig`; EmbeddingGemma does not)."""

    architectures: tuple[str, ...] = ("Gemma3TextModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        return without_head(super().build(config, context))

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Causal or not as its own field says."""
        return overridden(super().prepare(config), is_causal=not config.flag("use_bidirectional_attention"))


class Rnj1(Gemma3):
    """`rnj1.py` (0.33.0): Gemma 3 whose window counts only on layers of type "chunked_attention", the others being full.

    Every layer hands its backend a `chunk_lookback`, which Triton's alone takes.
    """

    architectures: tuple[str, ...] = ("Rnj1ForCausalLM",)
    asks_causal = False

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """The type of each layer decides its window and its rotary table."""
        window = config.integer("sliding_window", default=0, low=0) or None
        return [
            LayerKind(dims=dims, window=window if name == "chunked_attention" else None, variant=name)
            for name in _layer_types(config, dims.num_hidden_layers)
        ]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Triton's."""
        return of_triton(super().attention(config, kind), "chunk_lookback")

    def rotary(self, config: ModelConfig, kind: LayerKind) -> Tensor:
        """By the type's own name."""
        return _rope(config, kind.dims, kind.variant)


def _layer_types(config: ModelConfig, layers: int) -> tuple[str, ...]:
    """`layer_types`, or those of Gemma 3's config class. Raises ConfigError."""
    names = config.strings("layer_types")
    if not names:
        n = config.integer("sliding_window_pattern", default=6)
        return tuple("full_attention" if (index + 1) % n == 0 else "sliding_attention" for index in range(layers))
    if len(names) < layers:
        raise config.error("layer_types", f"has {len(names)} entries for {layers} layers")
    return names[:layers]


class VaultGemma(Gemma2):
    """Gemma 2 without the norms after a block; vLLM runs transformers' `VaultGemmaForCausalLM`."""

    architectures: tuple[str, ...] = ("VaultGemmaForCausalLM",)
    ties = "as the config says"
    names = Names(norms=("input_layernorm", "pre_feedforward_layernorm"))
    frame = Frame(extra=(("ends", _NORMALIZER),), rope="frequencies")


def _rope(config: ModelConfig, dims: Dimensions, name: str) -> Tensor:
    """From `rope_parameters` per layer type, or the older `rope_scaling` (full layers only) and two base frequencies.

    Gemma 3's config class fills in a plain block for each type that `rope_parameters` does not name.
    """
    full = name == "full_attention"
    theta = (
        config.number("rope_theta", default=1000000.0)
        if full
        else config.number("rope_local_base_freq", default=10000.0)
    )
    blocks = config.sub("rope_parameters")
    block = blocks.sub(name) if blocks is not None else config.sub("rope_scaling") if full else None
    return layer_rope(config, dims, {"rope_type": "default", "rope_theta": theta, **(block.raw if block else {})})


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 1 to 3 and its relatives."""
    return [Gemma(), Gemma2(), Gemma3(), Gemma3Text(), Rnj1(), VaultGemma()]
