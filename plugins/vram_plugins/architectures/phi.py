"""Microsoft's Phi-1, Phi-1.5 and Phi-2, and Phi-3-small (Phi-3 and Phi-4 are Llamas, Phi MoE is a Mixtral)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names
from vram.architecture.parts import Part, norm
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig


class Phi(DecoderFamily):
    """One norm, attention and feed-forward side by side; vLLM runs transformers' `PhiForCausalLM`."""

    architectures: tuple[str, ...] = ("PhiForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"partial_rotary_factor": 0.5, "max_position_embeddings": 2048}
    qkv_bias = True
    out_bias = True
    mlp_bias = True
    gated = False
    norm_bias = True
    names = Names(out="dense", up=("fc1",), down="fc2", norms=("input_layernorm",))
    frame = Frame(final_norm_bias=True, rope="frequencies", frequencies_since=(0, 32, 0))

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """`qk_layernorm` adds norms with bias, one per q and k."""
        part = super().attention(config, kind)
        if not config.flag("qk_layernorm"):
            return part
        extra = norm("self_attn.qk_layernorm", kind.dims.head_dim, bias=True, count=2)
        return Part(modules=(*part.modules, extra), caches=part.caches)


class Phi3Small(DecoderFamily):
    """`phi3_small.py` of vLLM 0.9.2, removed in 0.10: block-sparse attention, which keeps every key and value."""

    architectures: tuple[str, ...] = ("Phi3SmallForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "ff_intermediate_size": 14336,
        "tie_word_embeddings": True,
        "max_position_embeddings": 8192,
    }
    qkv_bias = True
    out_bias = True
    mlp_bias = True
    norm_bias = True
    names = Names(
        qkv=("query_key_value",), fused_qkv="query_key_value", out="dense", up=("up_proj",), fused_up="up_proj"
    )
    frame = Frame(final_norm_bias=True, every_rank=EVERY_RANK)

    def dense_width(self, config: ModelConfig, kind: LayerKind) -> int:
        """The config calls it `ff_intermediate_size`."""
        del kind
        return config.integer("ff_intermediate_size", "intermediate_size")


def adapters() -> Iterable[ArchitectureAdapter]:
    """Phi-1, Phi-1.5, Phi-2, Phi-3-small."""
    return [Phi(), Phi3Small()]
