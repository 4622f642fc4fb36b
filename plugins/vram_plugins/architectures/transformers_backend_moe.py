"""Mixtures of experts without a class of their own in vLLM: it runs transformers' (0.32.0 `models/transformers`).

Its linears are fused and divided by transformers' tensor-parallel plan; the rotary embedding keeps two vectors of
frequencies instead of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, Names
from vram.architecture.placement import every_nth_full, layer_windows, none_slides
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram_plugins.architectures.transformers_backend import FREQUENCIES, hunyuan_head


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
    frame = FREQUENCIES

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Lists with an entry per layer become that entry's largest, which no layer exceeds."""
        fields = ("num_experts", "moe_topk", "moe_intermediate_size")
        config = hunyuan_head(config)
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
    """GLM-4.5's routing without its norms; every layer has experts.

    vLLM reads the scores' function from transformers' code, whatever `scoring_func` says (0.33.0 `transformers/moe.py`).
    """

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
    scoring = "sigmoid"
    frame = FREQUENCIES

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


class Kolibri1(ExpertFamily):
    """Aleph Alpha's experts of 0.33: four norms, norms of q and k per head, one shared expert, a correction bias."""

    architectures: tuple[str, ...] = ("Kolibri1ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 4,
        "num_local_experts": 384,
        "num_experts_per_tok": 6,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "sliding_window": 513,
        "max_position_embeddings": 262144,
    }
    qk_norm = "head"
    names = Names(
        norms=("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm")
    )
    frame = FREQUENCIES
    experts_field = ("num_local_experts", "num_experts")
    shared_width_field = ("shared_expert_intermediate_size",)
    correction_bias = True

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every fifth layer is full."""
        return layer_windows(config, dims.num_hidden_layers, absent=every_nth_full(5))


def adapters() -> Iterable[ArchitectureAdapter]:
    """What vLLM runs on transformers' classes and has experts."""
    return [HunYuanMoe(), Mellum(), SolarOpen(), Dots1(), Kolibri1()]
