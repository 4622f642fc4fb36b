"""The GPT line: GPT-2, GPT-BigCode (StarCoder), GPT-J, GPT-NeoX, StarCoder2, OPT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names
from vram.architecture.parts import Part, bias_free_linear, replicated
from vram.architecture.positions import position_table
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Stage, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec

_TRANSFORMERS_BIG_CODE_SINCE = (0, 25, 0)
_GPT2_NAMES = Names(
    attention="attn",
    qkv=("c_attn",),
    fused_qkv="c_attn",
    out="c_proj",
    up=("c_fc",),
    down="c_proj",
    norms=("ln_1", "ln_2"),
)


class Gpt2(DecoderFamily):
    """vLLM 0.32.0 `gpt2.py`; learned positions, biases everywhere."""

    architectures: tuple[str, ...] = ("GPT2LMHeadModel",)
    defaults: ClassVar[Mapping[str, object]] = {"tie_word_embeddings": True, "n_positions": 1024}
    qkv_bias = True
    out_bias = True
    mlp_bias = True
    gated = False
    norm_bias = True
    names = _GPT2_NAMES
    frame = Frame(
        prefix="transformer", layers="transformer.h", final_norm_bias=True, rope="none", every_rank=EVERY_RANK
    )

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """One row per position, on every pipeline rank."""
        del config
        return (position_table("transformer.wpe", dims.max_position, dims.hidden_size, stage="every"),)


class _OwnGptBigCode(Gpt2):
    """vLLM's own class, before 0.25 (`gpt_bigcode.py`): GPT-2 with one head of keys and values."""

    architectures: tuple[str, ...] = ("GPTBigCodeForCausalLM",)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`multi_query` is the default."""
        heads = 1 if config.flag("multi_query", default=True) else config.integer("num_attention_heads", "n_head")
        return overridden(config, num_key_value_heads=heads)


class GptBigCode(_OwnGptBigCode):
    """Since 0.25 vLLM runs transformers' class, which keeps a causal mask of every position.

    Transformers has no tensor-parallel plan for it: multi-query attention is divided (vLLM fuses it), nothing else.
    """

    frame = Frame(layers="model.h", final_norm_bias=True, rope="none")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The class of the version. Raises ConfigError."""
        if context.vllm_version < _TRANSFORMERS_BIG_CODE_SINCE:
            return _OwnGptBigCode().build(config, context)
        return super().build(config, context)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Whole on every rank where each head has its own keys and values."""
        part = super().attention(config, kind)
        return part if kind.dims.num_key_value_heads == 1 else replicated(part)

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Whole on every rank."""
        return replicated(super().feed_forward(config, kind))

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """Positions where the embedding is, the mask everywhere."""
        del config
        n = dims.max_position
        return (
            position_table("model.wpe", n, dims.hidden_size, stage="ends" if dims.tie_word_embeddings else "first"),
            ("every", Tensor(name="model.bias", shape=(n, n), dtype="bool", buffer=True)),
        )


class GptJ(DecoderFamily):
    """`gpt_j.py`; attention and feed-forward side by side."""

    architectures: tuple[str, ...] = ("GPTJForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"n_positions": 2048, "rotary_dim": 64}
    mlp_bias = True
    gated = False
    norm_bias = True
    names = Names(attention="attn", out="out_proj", up=("fc_in",), down="fc_out", norms=("ln_1",))
    frame = Frame(
        prefix="transformer",
        layers="transformer.h",
        final_norm_bias=True,
        lm_head_bias=True,
        every_rank=EVERY_RANK,
    )

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`rotary_dim` says how much of a head is rotated."""
        width, heads = config.integer("n_embd", "hidden_size"), config.integer("n_head", "num_attention_heads")
        if width < heads:
            raise config.error("n_head", f"({heads}) is more than the model is wide ({width})")
        return overridden(config, partial_rotary_factor=config.integer("rotary_dim") / (width // heads))


class GptNeoX(DecoderFamily):
    """Pythia and its kin; vLLM runs transformers' `GPTNeoXForCausalLM`."""

    architectures: tuple[str, ...] = ("GPTNeoXForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "rotary_pct": 0.25,
        "attention_bias": True,
        "max_position_embeddings": 2048,
    }
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    mlp_bias = True
    gated = False
    norm_bias = True
    names = Names(
        attention="attention",
        qkv=("query_key_value",),
        fused_qkv="query_key_value",
        out="dense",
        up=("dense_h_to_4h",),
        down="dense_4h_to_h",
    )
    frame = Frame(
        prefix="gpt_neox",
        layers="gpt_neox.layers",
        final_norm_bias=True,
        rope="frequencies",
        frequencies_since=(0, 32, 0),
    )


class Starcoder2(DecoderFamily):
    """vLLM runs transformers' `Starcoder2ForCausalLM`."""

    architectures: tuple[str, ...] = ("Starcoder2ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 2,
        "use_bias": True,
        "tie_word_embeddings": True,
        "max_position_embeddings": 4096,
    }
    qkv_bias = "use_bias"
    out_bias = "use_bias"
    mlp_bias = "use_bias"
    gated = False
    norm_bias = True
    names = Names(up=("c_fc",), down="c_proj")
    frame = Frame(final_norm_bias=True, rope="frequencies", frequencies_since=(0, 25, 0))


class Opt(DecoderFamily):
    """`opt.py`; two rows more than positions, and in OPT-350M embeddings narrower than the model."""

    architectures: tuple[str, ...] = ("OPTForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "do_layer_norm_before": True,
        "tie_word_embeddings": True,
        "max_position_embeddings": 2048,
    }
    qkv_bias = "enable_bias"
    out_bias = "enable_bias"
    mlp_bias = "enable_bias"
    gated = False
    norm_bias = True
    names = Names(out="out_proj", mlp="", up=("fc1",), down="fc2", norms=("self_attn_layer_norm", "final_layer_norm"))
    frame = Frame(
        prefix="model.decoder", layers="model.decoder.layers", rope="none", final_norm=False, every_rank=EVERY_RANK
    )

    def dimensions(self, config: ModelConfig) -> Dimensions:
        """`ffn_dim` is the width of the feed-forward network."""
        dims = super().dimensions(config)
        return evolve(dims, intermediate_size=config.integer("ffn_dim", default=dims.intermediate_size))

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """Without affine weights nothing is stored."""
        return super().norms(config, kind) if config.flag("layer_norm_elementwise_affine") else ()

    def embed_columns(self, config: ModelConfig) -> int | None:
        """`word_embed_proj_dim` where it is given."""
        return config.integer("word_embed_proj_dim", default=config.integer("hidden_size"))

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """Positions, projections to and from the embeddings' width, and the last norm; all on every rank."""
        yield position_table(
            "model.decoder.embed_positions", dims.max_position, dims.hidden_size, stage="every", offset=2
        )
        width = self.embed_columns(config) or dims.hidden_size
        if width != dims.hidden_size:
            yield "every", bias_free_linear("project_out", dims.hidden_size, width, "replicated")
            yield "every", bias_free_linear("project_in", width, dims.hidden_size, "replicated")
        if config.flag("do_layer_norm_before") and not config.flag("_remove_final_layer_norm"):
            affine = config.flag("layer_norm_elementwise_affine")
            yield "every", Tensor(name="model.decoder.final_layer_norm", shape=(2 if affine else 0, dims.hidden_size))


def adapters() -> Iterable[ArchitectureAdapter]:
    """The GPT line."""
    return [Gpt2(), GptBigCode(), GptJ(), GptNeoX(), Starcoder2(), Opt()]
