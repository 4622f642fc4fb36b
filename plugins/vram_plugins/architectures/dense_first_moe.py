"""Mixtures of experts with dense layers among them: Ernie 4.5, AFMoE, EXAONE MoE, Hunyuan 3, Arctic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, Frame, LayerKind, Names
from vram.architecture.mlp import gated_mlp
from vram.architecture.parts import Part, bias_free_linear, norms
from vram.architecture.placement import every_nth_full, expert_layers, layer_windows
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram_plugins.architectures.llama_kin import patterned_windows


class Ernie45Moe(ExpertFamily):
    """vLLM 0.32.0 `ernie45_moe.py`; experts from `moe_layer_start_index` to `moe_layer_end_index`."""

    architectures: tuple[str, ...] = ("Ernie4_5_MoeForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 4,
        "moe_num_experts": 64,
        "moe_k": 6,
        "moe_intermediate_size": 1536,
        "moe_num_shared_experts": 2,
        "moe_layer_start_index": 1,
        "tie_word_embeddings": True,
        "max_position_embeddings": 131072,
    }
    qkv_bias = "use_bias"
    mlp_bias = "use_bias"
    experts_field = ("moe_num_experts",)
    top_k_field = ("moe_k", "moe_topk")
    shared = ("moe_num_shared_experts",)
    router_dtype = "float32"
    correction_bias = True
    scoring = "softmax"

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """Every `moe_layer_interval`-th layer of the range."""
        layers = dims.num_hidden_layers
        start = config.integer("moe_layer_start_index", default=0, low=0)
        end = config.integer("moe_layer_end_index", default=-1, low=-1)
        end = layers - 1 if end == -1 else end
        interval = config.integer("moe_layer_interval", default=1)
        uses = config.flag("use_moe", default=config.integer("moe_num_experts", low=0) > 0)
        return [uses and start <= i <= end and (i + 1) % interval == 0 for i in range(layers)]

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Shared experts have no bias, whatever dense layers have."""
        return super().experts(overridden(config, use_bias=False), kind)


class Afmoe(ExpertFamily):
    """`afmoe.py` (Arcee Trinity); a gate beside attention, four norms, three layers of four slide."""

    architectures: tuple[str, ...] = ("AfmoeForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_dense_layers": 1,
        "num_experts": 64,
        "num_experts_per_tok": 6,
        "moe_intermediate_size": 1408,
        "num_shared_experts": 2,
        "sliding_window": 1024,
        "global_attn_every_n_layers": 4,
        "max_position_embeddings": 16384,
    }
    qk_norm = "head"
    names = Names(norms=("input_layernorm", "post_attention_layernorm", "pre_mlp_layernorm", "post_mlp_layernorm"))
    router_dtype = "float32"
    correction_bias = True
    renormalize_field = ("route_norm",)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every `global_attn_every_n_layers`-th layer is full."""
        rule = every_nth_full(config.integer("global_attn_every_n_layers", default=4))
        return layer_windows(config, dims.num_hidden_layers, absent=rule)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The gate is as wide as all heads."""
        part, dims = super().attention(config, kind), kind.dims
        gate = bias_free_linear("self_attn.gate_proj", dims.hidden_size, dims.num_attention_heads * dims.head_dim)
        return Part(modules=(*part.modules, gate), caches=part.caches)


class ExaoneMoe(ExpertFamily):
    """`exaone_moe.py` (K-EXAONE); windows as in EXAONE 4, or one per layer."""

    architectures: tuple[str, ...] = ("ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM")
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 32,
        "num_experts": 64,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1024,
        "num_shared_experts": 1,
        "first_k_dense_replace": 1,
        "sliding_window": 4096,
        "sliding_window_pattern": 4,
    }
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    mlp_bias = "mlp_bias"
    qk_norm = "head"
    correction_bias = True

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`bias` is another name of `attention_bias`."""
        return overridden(config, attention_bias=config.flag("attention_bias") or config.flag("bias"))

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """`sliding_windows` has the sliding layers' own lengths."""
        windows = patterned_windows(config, dims.num_hidden_layers)
        own = config.integers("sliding_windows") if isinstance(config.get("sliding_windows"), list) else ()
        if len(own) < dims.num_hidden_layers:
            return windows
        return [own[i] or None if window else None for i, window in enumerate(windows)]

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Shared experts have no bias, whatever dense layers have."""
        return super().experts(overridden(config, mlp_bias=False), kind)


class HyV3(ExpertFamily):
    """`hy_v3.py` (Hunyuan 3); fp32 router."""

    architectures: tuple[str, ...] = ("HYV3ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "head_dim": 128,
        "num_experts": 192,
        "num_experts_per_tok": 8,
        "num_shared_experts": 1,
        "moe_intermediate_size": 1536,
        "max_position_embeddings": 131072,
    }
    width_field = ("expert_hidden_dim", "moe_intermediate_size")
    frame = Frame(every_rank=EVERY_RANK)
    router_dtype = "float32"
    correction_bias = True
    renormalize_field = ("route_norm",)
    shared_name = "shared_mlp"

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """Per head, where `qk_norm` says so."""
        return "head" if config.flag("qk_norm") else "none"


class Arctic(ExpertFamily):
    """`arctic.py` of vLLM 0.20.2, removed after 0.28: a dense network of the model's width beside the experts."""

    architectures: tuple[str, ...] = ("ArcticForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_local_experts": 8,
        "num_experts_per_tok": 1,
        "moe_layer_frequency": 2,
        "use_residual": True,
    }
    experts_quantizable = False
    own_routing = True
    width_field = ("intermediate_size",)
    block = "block_sparse_moe"
    router_quantizable = True
    expert_names = ("w1", "w3", "w2")
    names = Names(mlp="block_sparse_moe.mlp", up=("w1", "w3"), fused_up="w13", down="w2")
    frame = Frame(every_rank=EVERY_RANK)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """Every `moe_layer_frequency`-th layer."""
        every = config.integer("moe_layer_frequency")
        return expert_layers(overridden(config, decoder_sparse_step=every), dims.num_hidden_layers)

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Experts and the residual network with its norm, or the dense block."""
        part = super().feed_forward(config, kind)
        if not kind.sparse or not config.flag("use_residual"):
            return part
        hidden = kind.dims.hidden_size
        residual = gated_mlp(
            hidden_size=hidden,
            intermediate_size=hidden,
            name="residual_mlp",
            up_name="w13",
            down_name="w2",
            sources=("w1", "w3"),
        )
        return Part(modules=(*part.modules, *residual.modules, *norms(hidden, "residual_layernorm")))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Ernie 4.5, AFMoE, EXAONE MoE, Hunyuan 3, Arctic."""
    return [Ernie45Moe(), Afmoe(), ExaoneMoe(), HyV3(), Arctic()]
