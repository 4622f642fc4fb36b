"""Families without a class of their own in vLLM: it runs transformers' (0.32.0 `models/transformers`).

Its linears are fused and divided by transformers' tensor-parallel plan; the rotary embedding keeps two vectors of
frequencies instead of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import DecoderFamily, Flag, Frame, LayerKind, Names
from vram.architecture.parts import Part, norms, replicated
from vram.architecture.placement import layer_windows
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Tensor
from vram.models.record import evolve

#: the first version known to run transformers' classes for most of them
SINCE = (0, 32, 0)
FREQUENCIES = Frame(rope="frequencies", frequencies_since=SINCE)


class LlamaBackend(DecoderFamily):
    """The Llama pattern, with the bias fields of transformers' configs."""

    architectures: tuple[str, ...] = ("NanbeigeForCausalLM",)
    qkv_bias: ClassVar[Flag] = "attention_bias"
    out_bias: ClassVar[Flag] = "attention_bias"
    mlp_bias: ClassVar[Flag] = "mlp_bias"
    frame = FREQUENCIES


class Helium(LlamaBackend):
    """The output projection never has a bias, and is square whatever the heads' width (`HeliumAttention.o_proj`)."""

    architectures: tuple[str, ...] = ("HeliumForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"head_dim": 128, "max_position_embeddings": 4096}
    out_bias = False

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """As wide as the model on both sides."""
        part, width = super().attention(config, kind), kind.dims.hidden_size
        modules = (
            evolve(m, inputs=width) if isinstance(m, Linear) and m.parallel == "row" else m for m in part.modules
        )
        return Part(modules=tuple(modules), caches=part.caches)


class Arcee(LlamaBackend):
    """A feed-forward network without a gate."""

    architectures: tuple[str, ...] = ("ArceeForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 4096}
    gated = False
    names = Names(up=("up_proj",))


class Jais2(Arcee):
    """Biases everywhere, norms with bias."""

    architectures: tuple[str, ...] = ("Jais2ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "attention_bias": True,
        "mlp_bias": True,
        "max_position_embeddings": 8192,
    }
    norm_bias = True
    frame = Frame(rope="frequencies", final_norm_bias=True, frequencies_since=SINCE)


class SeedOss(LlamaBackend):
    """The output projection's bias has a field of its own."""

    architectures: tuple[str, ...] = ("SeedOssForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 8,
        "attention_bias": True,
        "max_position_embeddings": 524288,
    }
    out_bias = "attention_out_bias"


class SmolLM3(LlamaBackend):
    """Every fourth layer does not rotate; those may slide."""

    architectures: tuple[str, ...] = ("SmolLM3ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 4,
        "tie_word_embeddings": True,
        "max_position_embeddings": 32768,
    }
    frame = Frame(rope="frequencies")

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """With `use_sliding_window` the layers that do not rotate slide."""
        rotating = config.integers("no_rope_layers")
        interval = config.integer("no_rope_layer_interval", default=4)

        def slides(index: int) -> bool:
            rotates = rotating[index] if index < len(rotating) else (index + 1) % interval
            return config.flag("use_sliding_window") and not rotates

        return layer_windows(config, dims.num_hidden_layers, absent=slides)


class Cwm(LlamaBackend):
    """Every fourth layer, beginning with the first, is full; no biases in attention."""

    architectures: tuple[str, ...] = ("CwmForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 8,
        "sliding_window": 8192,
        "max_position_embeddings": 131072,
    }
    qkv_bias = False
    out_bias = False

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` three layers of four slide."""
        return layer_windows(config, dims.num_hidden_layers, absent=lambda index: index % 4 != 0)


class Ministral(LlamaBackend):
    """Every layer slides where `layer_types` does not say otherwise."""

    architectures: tuple[str, ...] = ("MinistralForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "sliding_window": 4096,
        "max_position_embeddings": 131072,
    }
    qkv_bias = False
    out_bias = False
    mlp_bias = False


class HunYuanDense(LlamaBackend):
    """Norms of q and k per head; some configs say `attention_head_dim`."""

    architectures: tuple[str, ...] = ("HunYuanDenseV1ForCausalLM",)
    qk_norm = "head"
    mlp_bias = False

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """The width of a head under either name."""
        return hunyuan_head(config)


class BitNet(LlamaBackend):
    """Norms inside attention and feed-forward, before their output projections."""

    architectures: tuple[str, ...] = ("BitNetForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"num_key_value_heads": 5}
    mlp_bias = False

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The inner norm keeps the output projection whole on every rank."""
        up, down = super().feed_forward(config, kind).modules
        return Part(modules=(up, *replicated(Part(modules=(down,))).modules))

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """Four, one of them as wide as the feed-forward network."""
        dims = kind.dims
        inner = norms(dims.hidden_size, "self_attn.attn_sub_norm"), norms(dims.intermediate_size, "mlp.ffn_sub_norm")
        return (*super().norms(config, kind), *inner[0], *inner[1])


def hunyuan_head(config: ModelConfig) -> ModelConfig:
    """`attention_head_dim` is another name of `head_dim`."""
    if config.has("head_dim") or not config.has("attention_head_dim"):
        return config
    return overridden(config, head_dim=config.integer("attention_head_dim"))


def adapters() -> Iterable[ArchitectureAdapter]:
    """What vLLM runs on transformers' classes."""
    return [
        LlamaBackend(),
        Helium(),
        Arcee(),
        Jais2(),
        SeedOss(),
        SmolLM3(),
        Cwm(),
        Ministral(),
        HunYuanDense(),
        BitNet(),
    ]
