"""Zhipu's ChatGLM, GLM-4 and GLM-4.5 to 4.7 (GLM-5 has latent attention)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.draft import Predictor
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, Names
from vram.architecture.reading import overridden
from vram.errors import ArchitectureError
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig

_GLM_DEFAULTS: Mapping[str, object] = {
    "head_dim": 128,
    "num_key_value_heads": 2,
    "attention_bias": True,
    "partial_rotary_factor": 0.5,
    "max_position_embeddings": 131072,
}


class ChatGlm(DecoderFamily):
    """vLLM 0.32.0 `chatglm.py`; ChatGLM2 and 3, GLM-4-9B, under Megatron's names."""

    architectures: tuple[str, ...] = ("ChatGLMModel", "ChatGLMForConditionalGeneration")
    defaults: ClassVar[Mapping[str, object]] = {
        "num_layers": 28,
        "padded_vocab_size": 65024,
        "ffn_hidden_size": 13696,
        "seq_length": 2048,
        "multi_query_group_num": 1,
    }
    qkv_bias = "qkv_bias"
    out_bias = "add_bias_linear"
    mlp_bias = "add_bias_linear"
    names = Names(
        attention="self_attention",
        qkv=("query_key_value",),
        fused_qkv="query_key_value",
        out="dense",
        up=("dense_h_to_4h",),
        fused_up="dense_h_to_4h",
        down="dense_4h_to_h",
    )
    frame = Frame(prefix="transformer", layers="transformer.encoder.layers", every_rank=EVERY_RANK)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Brings Megatron's names to the usual ones; half of a head is rotated, `rope_ratio` changes no size.

        Raises ArchitectureError on a vision section, which this class of vLLM's refuses.
        """
        if config.has("vision_config"):
            problem = "sees images, which vLLM serves as GLM4VForCausalLM (--hf-overrides)"
            raise ArchitectureError(architecture=config.architecture, problem=problem)
        heads = config.integer("num_attention_heads")
        groups = config.integer("multi_query_group_num") if config.flag("multi_query_attention") else heads
        return overridden(
            config,
            num_hidden_layers=config.integer("num_layers"),
            vocab_size=config.integer("padded_vocab_size"),
            intermediate_size=config.integer("ffn_hidden_size"),
            max_position_embeddings=config.integer("seq_length"),
            num_key_value_heads=groups,
            partial_rotary_factor=0.5,
            qkv_bias=config.flag("add_bias_linear") or config.flag("add_qkv_bias"),
        )


class Glm(DecoderFamily):
    """GLM-4-9B in transformers' form, whose class vLLM runs."""

    architectures: tuple[str, ...] = ("GlmForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = _GLM_DEFAULTS
    qkv_bias = "attention_bias"
    names = Names(up=("gate_up_proj",))
    frame = Frame(rope="frequencies", frequencies_since=(0, 32, 0))


class Glm4(DecoderFamily):
    """`glm4.py` (GLM-4-0414); four norms."""

    architectures: tuple[str, ...] = ("Glm4ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = _GLM_DEFAULTS
    qkv_bias = "attention_bias"
    names = Names(
        up=("gate_up_proj",),
        norms=("input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm"),
    )


class Glm4Moe(ExpertFamily):
    """`glm4_moe.py` (GLM-4.5, 4.6, 4.7); dense layers first, fp32 router with a correction bias."""

    architectures: tuple[str, ...] = ("Glm4MoeForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "n_routed_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1408,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
        "partial_rotary_factor": 0.5,
        "max_position_embeddings": 131072,
    }
    qkv_bias = "attention_bias"
    router_dtype = "float32"
    correction_bias = True
    predictor = Predictor()

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """Per head, where `use_qk_norm` says so."""
        return "head" if config.flag("use_qk_norm") else "none"


def adapters() -> Iterable[ArchitectureAdapter]:
    """ChatGLM, GLM-4, GLM-4.5."""
    return [ChatGlm(), Glm(), Glm4(), Glm4Moe()]
