"""K2 Horizon: experts of values beside experts of the feed-forward network. Source: vLLM 0.33.0 `k2_horizon.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, LayerKind
from vram.architecture.parts import Part, bias_free_linear
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor
from vram.models.record import evolve
from vram.vllm.rope import read_ropes, rope_table


class K2Horizon(ExpertFamily):
    """In layers with experts `mova_num_experts` linears give the values; every layer has a gate and norms of q and k."""

    architectures: tuple[str, ...] = ("K2HorizonForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 8192}
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    frame = Frame(rope="none")
    shared = ("num_shared_experts",)

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """Over all heads, shared out with them."""
        return "full" if config.flag("query_key_norm") else "none"

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Values from experts where the layer has experts; the rotary table reaches over `rope_head_dim`."""
        part, dims = super().attention(config, kind), kind.dims
        modules: list[Module] = list(part.modules)
        if kind.sparse:
            modules = [self._without_values(module) for module in modules]
            modules += self._values(config, dims)
        if config.has("attention_gate_func"):
            width = dims.num_attention_heads * dims.head_dim
            modules.append(bias_free_linear("self_attn.gate_proj", dims.hidden_size, width))
        rotary = config.integer("rope_head_dim", default=dims.head_dim)
        ropes = read_ropes(config)
        modules.append(rope_table(ropes[0] if ropes else None, head_dim=rotary, max_position=dims.max_position))
        return Part(modules=tuple(modules), caches=part.caches)

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """With `moe_gate_bias` the router has a bias in fp32."""
        part = super().experts(config, kind)
        if not config.flag("moe_gate_bias"):
            return part
        bias = Tensor(name="mlp.gate.bias", shape=(config.integer("num_experts"),), dtype="float32")
        return Part(modules=(*part.modules, bias), caches=part.caches)

    @staticmethod
    def _without_values(module: Module) -> Module:
        if not (isinstance(module, Linear) and module.name.endswith("qkv_proj")):
            return module
        return evolve(module, name="self_attn.qk_proj", outputs=module.outputs[:2], sources=module.sources[:2])

    @staticmethod
    def _values(config: ModelConfig, dims: Dimensions) -> list[Module]:
        count = config.integer("mova_num_experts")
        name = "self_attn.v_router"
        router = Linear(
            name=name, inputs=dims.hidden_size, outputs=(Split(size=count),), parallel="replicated", sources=(name,)
        )
        expert = Linear(
            name="self_attn.v_experts.0",
            inputs=dims.hidden_size,
            outputs=(Split(size=dims.num_key_value_heads * dims.head_dim, units=dims.num_key_value_heads),),
            sources=("self_attn.v_experts.0",),
            count=count,
        )
        found: list[Module] = [router, expert]
        if config.flag("moe_gate_bias"):
            found.append(Tensor(name=f"{name}.bias", shape=(count,), dtype="float32"))
        return found


def adapters() -> Iterable[ArchitectureAdapter]:
    """K2 Horizon."""
    return [K2Horizon()]
