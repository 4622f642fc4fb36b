"""Decoders of the first open generation, most with linear position biases: BLOOM, Falcon, MPT, Baichuan, Qwen 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from vram.architecture.decoder import Dimensions
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names
from vram.architecture.parts import norm, norms
from vram.architecture.positions import position_table
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Stage, Tensor


class Bloom(DecoderFamily):
    """vLLM 0.32.0 `bloom.py`; a norm after the embedding, biases everywhere."""

    architectures: tuple[str, ...] = ("BloomForCausalLM",)
    head_dim_field = False
    defaults: ClassVar[Mapping[str, object]] = {"tie_word_embeddings": True}
    qkv_bias = True
    out_bias = True
    mlp_bias = True
    gated = False
    norm_bias = True
    names = Names(
        attention="self_attention",
        qkv=("query_key_value",),
        fused_qkv="query_key_value",
        out="dense",
        up=("dense_h_to_4h",),
        down="dense_4h_to_h",
    )
    frame = Frame(
        prefix="transformer", layers="transformer.h", final_norm_bias=True, rope="none", every_rank=EVERY_RANK
    )

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Some checkpoints call the width `n_embed`; it is 64 where none says."""
        hidden = config.integer("n_embed", "hidden_size", "n_embd", default=64)
        return overridden(config, hidden_size=hidden, intermediate_size=4 * hidden)

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """The norm after the embedding."""
        del config
        return (("every", norm("transformer.word_embeddings_layernorm", dims.hidden_size, bias=True)),)


class Falcon(DecoderFamily):
    """`falcon.py`; keys and values of all heads, of one, or (newer) of a few."""

    architectures: tuple[str, ...] = ("FalconForCausalLM", "RWForCausalLM")
    defaults: ClassVar[Mapping[str, object]] = {
        "tie_word_embeddings": True,
        "parallel_attn": True,
        "multi_query": True,
        "max_position_embeddings": 2048,
    }
    qkv_bias = "bias"
    out_bias = "bias"
    mlp_bias = "bias"
    gated = False
    norm_bias = True
    names = Bloom.names
    frame = Frame(prefix="transformer", layers="transformer.h", final_norm_bias=True, every_rank=EVERY_RANK)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Heads of keys and values; Falcon-40B's first config does not say that it is of the newer kind."""
        hidden = config.integer("n_embed", "hidden_size", "n_embd")
        first = config.string("model_type") in {"RefinedWeb", "RefinedWebModel"}
        newer = config.flag("new_decoder_architecture") or (first and hidden == 8192)
        heads = config.integer("num_attention_heads", "n_head")
        few = config.integer("num_kv_heads", "n_head_kv", default=1 if first else heads)
        kv = few if newer else 1 if config.flag("multi_query") else heads
        return overridden(
            config,
            new_decoder_architecture=newer,
            num_key_value_heads=kv,
            hidden_size=hidden,
            intermediate_size=4 * hidden,
        )

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """Two before the parallel blocks, or one, or two in a row."""
        width = kind.dims.hidden_size
        if not config.flag("parallel_attn"):
            return norms(width, bias=True)
        both = 2 if config.flag("new_decoder_architecture") else 1
        if config.integer("num_ln_in_parallel_attn", default=both) == 2:
            return norms(width, "ln_attn", "ln_mlp", bias=True)
        return norms(width, "input_layernorm", bias=True)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """A window in the config does not reach the attention."""
        del config
        return (None,) * dims.num_hidden_layers

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """Falcon-RW has linear biases instead."""
        return "none" if config.flag("alibi") else super().rope(config, dims)


class Mpt(DecoderFamily):
    """`mpt.py` of vLLM 0.20.2, removed after 0.28."""

    architectures: tuple[str, ...] = ("MPTForCausalLM", "MptForCausalLM")
    defaults: ClassVar[Mapping[str, object]] = {"no_bias": True, "expansion_ratio": 4}
    gated = False
    names = Names(
        attention="attn",
        qkv=("Wqkv",),
        fused_qkv="Wqkv",
        out="out_proj",
        mlp="ffn",
        up=("up_proj",),
        norms=("norm_1", "norm_2"),
    )
    frame = Frame(prefix="transformer", layers="transformer.blocks", rope="none", every_rank=EVERY_RANK)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Embeddings are always tied; the nested `attn_config` may name fewer heads of keys and values."""
        attention = config.sub("attn_config")
        heads = config.integer("n_heads")
        kv = attention.integer("kv_n_heads", default=heads) if attention else heads
        width = config.integer("d_model") * config.integer("expansion_ratio")
        bias = not config.flag("no_bias")
        return overridden(config, tie_word_embeddings=True, num_key_value_heads=kv, intermediate_size=width, bias=bias)

    qkv_bias = "bias"
    out_bias = "bias"
    mlp_bias = "bias"


class Baichuan(DecoderFamily):
    """`baichuan.py` of vLLM 0.20.2, removed after 0.23; the 7B (of width 4096) rotates, the 13B has linear biases."""

    architectures: tuple[str, ...] = ("BaichuanForCausalLM", "BaiChuanForCausalLM")
    names = Names(qkv=("W_pack",), fused_qkv="W_pack")
    frame = Frame(every_rank=EVERY_RANK)

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """A table for the 7B."""
        rotates = config.architecture == "BaiChuanForCausalLM" or dims.hidden_size == 4096
        return super().rope(config, dims) if rotates else "none"


class Qwen(DecoderFamily):
    """`qwen.py` of vLLM 0.20.2, removed after 0.23; `intermediate_size` counts gate and up together."""

    architectures: tuple[str, ...] = ("QWenLMHeadModel",)
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 8192}
    qkv_bias = True
    names = Names(
        attention="attn",
        qkv=("c_attn",),
        fused_qkv="c_attn",
        out="c_proj",
        up=("w2", "w1"),
        down="c_proj",
        norms=("ln_1", "ln_2"),
    )
    frame = Frame(prefix="transformer", layers="transformer.h", every_rank=EVERY_RANK)

    def dense_width(self, config: ModelConfig, kind: LayerKind) -> int:
        """Half of `intermediate_size`."""
        del config
        return kind.dims.intermediate_size // 2


class Jais(DecoderFamily):
    """`jais.py` of vLLM 0.20.2, removed after 0.22: GPT-2 with a gate and linear position biases."""

    architectures: tuple[str, ...] = ("JAISLMHeadModel",)
    defaults: ClassVar[Mapping[str, object]] = {"tie_word_embeddings": True, "n_positions": 1024}
    qkv_bias = True
    out_bias = True
    mlp_bias = True
    norm_bias = True
    names = Names(
        attention="attn",
        qkv=("c_attn",),
        fused_qkv="c_attn",
        out="c_proj",
        up=("c_fc2", "c_fc"),
        down="c_proj",
        norms=("ln_1", "ln_2"),
    )
    frame = Frame(
        prefix="transformer", layers="transformer.h", final_norm_bias=True, rope="none", every_rank=EVERY_RANK
    )

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """Learned positions, unless the biases stand in for them."""
        if config.string("position_embedding_type", default="learned") == "alibi":
            return ()
        return (position_table("transformer.wpe", dims.max_position, dims.hidden_size, stage="every"),)


def adapters() -> Iterable[ArchitectureAdapter]:
    """BLOOM, Falcon, MPT, Baichuan, Qwen 1, JAIS."""
    return [Bloom(), Falcon(), Mpt(), Baichuan(), Qwen(), Jais()]
