"""Mixtral and the mixtures of experts in every layer that followed it: Granite MoE, Phi MoE, MiniMax M2, DBRX ..."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, Frame, LayerKind, Names
from vram.architecture.mlp import gated_mlp
from vram.architecture.parts import Part
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.record import evolve

_MIXTRAL_EXPERTS = ("w1", "w3", "w2")


class Mixtral(ExpertFamily):
    """vLLM 0.32.0 `mixtral.py`."""

    architectures: tuple[str, ...] = ("MixtralForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 131072,
    }
    frame = Frame(every_rank=EVERY_RANK)
    experts_field = ("num_local_experts",)
    width_field = ("intermediate_size",)
    block = "block_sparse_moe"
    expert_names: ClassVar[tuple[str, ...]] = _MIXTRAL_EXPERTS
    renormalize_field = ()


class PhiMoe(Mixtral):
    """`phimoe.py`; biases everywhere but in the experts, whatever the config says."""

    architectures: tuple[str, ...] = ("PhiMoEForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {**Mixtral.defaults, "num_local_experts": 16}
    qkv_bias = True
    out_bias = True
    norm_bias = True
    own_routing = True
    frame = Frame(final_norm_bias=True, lm_head_bias=True, every_rank=EVERY_RANK)


class GraniteMoe(Mixtral):
    """`granitemoe.py`, `granitemoeshared.py`; a shared network beside the experts where the config has one."""

    architectures: tuple[str, ...] = (
        "GraniteMoeForCausalLM",
        "GraniteMoeSharedForCausalLM",
        "GraniteMoeSWAForCausalLM",
    )
    head_dim_field = False
    defaults: ClassVar[Mapping[str, object]] = {
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 2048,
    }
    sinks = "attention_sinks"
    expert_names = ("input_linear", "output_linear")

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Attention sinks come with `layer_types` unless the config says otherwise."""
        return overridden(config, attention_sinks=config.flag("attention_sinks", default=config.has("layer_types")))

    def shared_width(self, config: ModelConfig) -> int:
        """The shared network stands outside of the block (`feed_forward`)."""
        del config
        return 0

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Experts and the shared network."""
        experts = self.experts(config, kind)
        width = config.integer("shared_intermediate_size", default=0, low=0)
        if not width:
            return experts
        shared = gated_mlp(
            hidden_size=kind.dims.hidden_size,
            intermediate_size=width,
            name="shared_mlp",
            up_name="input_linear",
            down_name="output_linear",
            sources=("input_linear",),
        )
        return Part(modules=(*experts.modules, *shared.modules))


class MiniMaxM2(Mixtral):
    """`minimax_m2.py`; fp32 router, norms over all heads of q and k."""

    architectures: tuple[str, ...] = ("MiniMaxM2ForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 8,
        "num_local_experts": 256,
        "num_experts_per_tok": 8,
        "max_position_embeddings": 196608,
    }
    frame = Frame()
    qkv_bias = "attention_bias"
    router_dtype = "float32"
    correction_bias = "use_routing_bias"
    grouped = False
    qk_norm: ClassVar[QkNorm] = "full"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`rotary_dim` says how much of a head is rotated; `max_model_len`, if there, how long the table is."""
        head_dim = config.integer("head_dim")
        rotary = config.integer("rotary_dim", default=head_dim)
        partial = config.number("partial_rotary_factor", default=rotary / head_dim)
        return overridden(config, partial_rotary_factor=partial)

    def dimensions(self, config: ModelConfig) -> Dimensions:
        """The longer of the two lengths makes the table."""
        dims = super().dimensions(config)
        length = config.integer("max_model_len", default=0, low=0)
        return evolve(dims, max_position=max(length, dims.max_position))


class Dbrx(ExpertFamily):
    """`dbrx.py`; sizes in `attn_config` and `ffn_config`, no biases even in norms."""

    architectures: tuple[str, ...] = ("DbrxForCausalLM",)
    head_dim_field = False
    names = Names(
        attention="norm_attn_norm.attn",
        qkv=("Wqkv",),
        fused_qkv="Wqkv",
        out="out_proj",
        norms=("norm_attn_norm.norm_1", "norm_attn_norm.norm_2"),
    )
    frame = Frame(prefix="transformer", layers="transformer.blocks", every_rank=EVERY_RANK)
    block = "ffn"
    router = "router.layer"
    renormalize_field = ()
    expert_names = ("w1", "v1", "w2")

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Brings the nested sizes to their usual names."""
        attention, ffn = config.sub("attn_config"), config.sub("ffn_config")
        return overridden(
            config,
            num_key_value_heads=attention.integer("kv_n_heads", default=1) if attention else 1,
            rope_theta=attention.number("rope_theta", default=10000.0) if attention else 10000.0,
            moe_intermediate_size=ffn.integer("ffn_hidden_size", default=3584) if ffn else 3584,
            num_experts=ffn.integer("moe_num_experts", default=4) if ffn else 4,
            num_experts_per_tok=ffn.integer("moe_top_k", default=1) if ffn else 1,
            max_position_embeddings=config.integer("max_seq_len", default=2048),
        )


class Grok1(ExpertFamily):
    """`grok1.py` of vLLM 0.20.2, removed in 0.25: experts in every layer and four norms."""

    architectures: tuple[str, ...] = ("Grok1ModelForCausalLM", "Grok1ForCausalLM")
    defaults: ClassVar[Mapping[str, object]] = {"num_experts": 8, "num_experts_per_tok": 2}
    names = Names(
        attention="attn",
        norms=("pre_attn_norm", "post_attn_norm", "pre_moe_norm", "post_moe_norm"),
    )
    block = "moe_block"
    expert_names = ("linear", "linear_v", "linear_1")


class MiniCpm(ExpertFamily):
    """`minicpm.py`; experts only where `num_experts` says so, kept as plain parameters of the dense width."""

    architectures: tuple[str, ...] = ("MiniCPMForCausalLM",)
    head_dim_field = False
    frame = Frame(every_rank=EVERY_RANK)
    experts_quantizable = False
    width_field = ("intermediate_size",)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """All layers or none."""
        return (config.integer("num_experts", default=0, low=0) > 0,) * dims.num_hidden_layers


def adapters() -> Iterable[ArchitectureAdapter]:
    """Mixtral, Phi MoE, Granite MoE, MiniMax M2, DBRX, Grok-1, MiniCPM."""
    return [Mixtral(), PhiMoe(), GraniteMoe(), MiniMaxM2(), Dbrx(), Grok1(), MiniCpm()]
