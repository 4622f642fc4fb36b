"""Ant's Ling (Bailing MoE) and what was built on its code: Sarvam, Param2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, LayerKind, Names
from vram.architecture.parts import Part, norm
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig


class BailingMoe(ExpertFamily):
    """vLLM 0.32.0 `bailing_moe.py`; norms of q and k with bias unless `use_rmsnorm`."""

    architectures: tuple[str, ...] = ("BailingMoeForCausalLM", "BailingMoeV2ForCausalLM", "SarvamMoEForCausalLM")
    qkv_bias = "qkv_bias"
    out_bias = "use_bias"
    mlp_bias = "use_bias"
    correction_bias = "moe_router_enable_expert_bias"
    names = Names(attention="attention", qkv=("query_key_value",), fused_qkv="query_key_value", out="dense")
    frame = Frame()

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`use_bias` or `use_qkv_bias` gives q, k and v a bias; `rotary_dim` comes before `partial_rotary_factor`."""
        bias = config.flag("use_bias") or config.flag("use_qkv_bias")
        heads, hidden = config.integer("num_attention_heads"), config.integer("hidden_size")
        head_dim = config.integer("head_dim", default=max(hidden // heads, 1))
        partial = config.number("partial_rotary_factor", default=1.0)
        rotary = config.integer("rotary_dim", default=max(int(head_dim * partial), 1))
        return overridden(config, qkv_bias=bias, partial_rotary_factor=rotary / head_dim)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """`use_qk_norm` adds one norm for q and one for k, of a head's width."""
        part = super().attention(config, kind)
        if not config.flag("use_qk_norm"):
            return part
        extra = norm("attention.qk_layernorm", kind.dims.head_dim, bias=not config.flag("use_rmsnorm"), count=2)
        return Part(modules=(*part.modules, extra), caches=part.caches)

    def router_dtypes(self, config: ModelConfig) -> str | None:
        """`router_dtype` "fp32", any other word for bfloat16, or nothing for the model's."""
        name = config.string("router_dtype")
        return {"": None, "fp32": "float32"}.get(name, "bfloat16")

    def shared_width(self, config: ModelConfig) -> int:
        """Each of the shared experts may be wider than a routed one."""
        width = config.integer("moe_shared_expert_intermediate_size", "moe_intermediate_size")
        return config.integer("num_shared_experts", default=0, low=0) * width


class Param2Moe(ExpertFamily):
    """`param2moe.py`; RMS norms of q and k, fp32 router."""

    architectures: tuple[str, ...] = ("Param2MoEForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"moe_router_enable_expert_bias": True, "num_shared_experts": 1}
    qkv_bias = "use_qkv_bias"
    out_bias = "use_bias"
    router_dtype = "float32"
    correction_bias = "moe_router_enable_expert_bias"
    dense_first = 1

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """Per head, where `use_qk_norm` says so."""
        return "head" if config.flag("use_qk_norm") else "none"

    def shared_width(self, config: ModelConfig) -> int:
        """`moe_shared_expert_intermediate_size` counts all of them."""
        return config.integer("moe_shared_expert_intermediate_size", default=super().shared_width(config), low=0)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Ling, Sarvam, Param2."""
    return [BailingMoe(), Param2Moe()]
