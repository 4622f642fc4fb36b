"""Qwen2-MoE and Qwen3-MoE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, Flag, Frame
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig


class Qwen2Moe(ExpertFamily):
    """vLLM 0.32.0 `qwen2_moe.py`; one shared expert behind a gate, biases on q, k and v."""

    architectures: tuple[str, ...] = ("Qwen2MoeForCausalLM",)
    head_dim_field: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 16,
        "num_experts": 60,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "max_position_embeddings": 32768,
        "sliding_window": 4096,
        "max_window_layers": 28,
    }
    frame = Frame(every_rank=EVERY_RANK)
    qkv_bias: ClassVar[Flag] = True
    shared_width_field = ("shared_expert_intermediate_size",)
    shared_name = "shared_expert"
    shared_gate = True
    renormalized = False

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Only a window that `use_sliding_window` gives to every layer reaches the attention."""
        every = config.flag("use_sliding_window") and not config.integer("max_window_layers", default=0, low=0)
        window = config.integer("sliding_window", default=0, low=0) if every else 0
        return (window or None,) * dims.num_hidden_layers


class Qwen3Moe(Qwen2Moe):
    """`qwen3_moe.py`; norms of q and k per head, the only router that is built with the quantization config."""

    architectures: tuple[str, ...] = ("Qwen3MoeForCausalLM",)
    head_dim_field = True
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 4,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
        "max_position_embeddings": 32768,
        "sliding_window": 4096,
    }
    qkv_bias = "attention_bias"
    qk_norm: ClassVar[QkNorm] = "head"
    router_quantizable = True

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """`use_sliding_window` gives every layer the window."""
        window = config.integer("sliding_window", default=0, low=0) if config.flag("use_sliding_window") else 0
        return (window or None,) * dims.num_hidden_layers


def adapters() -> Iterable[ArchitectureAdapter]:
    """Qwen1.5-MoE, Qwen2-57B-A14B, Qwen3-30B-A3B and its siblings."""
    return [Qwen2Moe(), Qwen3Moe()]
