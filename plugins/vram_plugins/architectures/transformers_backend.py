"""Families without a class of their own in vLLM: it runs transformers' (0.32.0 `models/transformers`).

Its linears are fused and divided by transformers' tensor-parallel plan; the rotary embedding keeps two vectors of
frequencies instead of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram import hookimpl
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import DecoderFamily, Flag, Frame, LayerKind, Names
from vram.architecture.parts import Part, norms, replicated
from vram.architecture.placement import layer_windows, none_slides
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor

_SINCE = (0, 32, 0)
_FREQUENCIES = Frame(rope="frequencies", frequencies_since=_SINCE)


class LlamaBackend(DecoderFamily):
    """The Llama pattern, with the bias fields of transformers' configs."""

    architectures: tuple[str, ...] = ("NanbeigeForCausalLM",)
    qkv_bias: ClassVar[Flag] = "attention_bias"
    out_bias: ClassVar[Flag] = "attention_bias"
    mlp_bias: ClassVar[Flag] = "mlp_bias"
    frame = _FREQUENCIES


class Helium(LlamaBackend):
    """The output projection never has a bias."""

    architectures: tuple[str, ...] = ("HeliumForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"head_dim": 128, "max_position_embeddings": 4096}
    out_bias = False


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
    frame = Frame(rope="frequencies", final_norm_bias=True, frequencies_since=_SINCE)


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
        return _hunyuan_head(config)


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


class HunYuanMoe(ExpertFamily):
    """Experts beside one shared network in every layer; per-layer lists that must agree."""

    architectures: tuple[str, ...] = ("HunYuanMoEV1ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"num_experts": 1, "moe_topk": 1}
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    qk_norm = "head"
    top_k_field = ("moe_topk", "num_experts_per_tok")
    router = "gate.wg"
    router_quantizable = True
    shared_name = "shared_mlp"
    shared_width_field = ("intermediate_size",)
    frame = _FREQUENCIES

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Lists with an entry per layer become that entry's largest, which no layer exceeds."""
        fields = ("num_experts", "moe_topk", "moe_intermediate_size")
        config = _hunyuan_head(config)
        lists = {
            name: max(config.integers(name))
            for name in fields
            if isinstance(config.get(name), list) and config.get(name)
        }
        return overridden(config, **lists)


class Mellum(ExpertFamily):
    """JetBrains' Qwen3-MoE pattern."""

    architectures: tuple[str, ...] = ("MellumForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 4,
        "num_experts": 64,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 896,
        "sliding_window": 1024,
        "max_position_embeddings": 131072,
    }
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    qk_norm = "head"
    frame = Frame(rope="frequencies per layer type")

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every layer is full."""
        return layer_windows(config, dims.num_hidden_layers, absent=none_slides)


class SolarOpen(ExpertFamily):
    """GLM-4.5's routing without its norms; every layer has experts."""

    architectures: tuple[str, ...] = ("SolarOpenForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 8,
        "n_routed_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1280,
        "n_shared_experts": 1,
        "max_position_embeddings": 131072,
    }
    qkv_bias = "attention_bias"
    experts_field = ("n_routed_experts",)
    correction_bias = True
    frame = _FREQUENCIES

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """`first_k_dense_replace` is not asked."""
        del config
        return (True,) * dims.num_hidden_layers


class Dots1(SolarOpen):
    """rednote's dots.llm1; dense layers first, norms of q and k per head."""

    architectures: tuple[str, ...] = ("Dots1ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 32,
        "sliding_window": 4096,
        "max_window_layers": 62,
        "max_position_embeddings": 2048,
    }
    out_bias = "attention_bias"
    qk_norm = "head"

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """The first `first_k_dense_replace` layers are dense."""
        return ExpertFamily.sparse(self, config, dims)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` the layers from `max_window_layers` on slide."""
        first = config.integer("max_window_layers", default=dims.num_hidden_layers, low=0)
        return layer_windows(config, dims.num_hidden_layers, absent=lambda index: index >= first)


def _hunyuan_head(config: ModelConfig) -> ModelConfig:
    if config.has("head_dim") or not config.has("attention_head_dim"):
        return config
    return overridden(config, head_dim=config.integer("attention_head_dim"))


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    """What vLLM runs on transformers' classes."""
    dense = [
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
    return [*dense, HunYuanMoe(), Mellum(), SolarOpen(), Dots1()]
