"""LongCat-Flash: two latent attentions and two MLPs per layer beside one set of experts, some of which do nothing.

Sources: vLLM 0.32.0 `model_executor/models/longcat_flash.py`, `longcat_flash_ngram.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import (
    Dimensions,
    Part,
    decoder,
    dimensions,
    gated_mlp,
    layer,
    norms,
    routing_method,
    runs_by_kind,
)
from vram.architecture.latent import latent_rope, mla
from vram.architecture.towers import unquantized
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Experts, Linear, Module, Split, Stage, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec

_MAX_POSITION = 131072


class LongCat(ArchitectureAdapter):
    """LongCat-Flash, and LongCat-Flash-Lite with n-gram embeddings."""

    name = "longcat_flash"
    architectures = ("LongcatFlashForCausalLM", "LongcatFlashNgramForCausalLM")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        rotary = config.integer("qk_rope_head_dim", default=64)
        layers = config.integer("num_layers", default=28)  # num_hidden_layers counts attention sublayers
        dims = dimensions(
            evolve(config, raw={**config.raw, "num_hidden_layers": layers}),
            max_position_default=_MAX_POSITION,
            head_dim_default=rotary,
            head_dim_from_config=False,
        )
        extra: list[tuple[Stage, Module]] = []
        if "Ngram" in config.architecture and config.has("ngram_vocab_size_ratio"):
            extra = [("first", module) for module in _ngram_embedding(config, dims)]
        return decoder(
            config,
            dims,
            runs=runs_by_kind(["layer"] * layers, lambda _: _layer(config, dims)),
            context=context,
            extra=extra,
            rope=[latent_rope(config, context, rotary_dim=rotary, max_position=dims.max_position)],
            max_position_default=_MAX_POSITION,
            hints=frozenset({"latent_attention"}),
        )


def _layer(config: ModelConfig, dims: Dimensions) -> Layer:
    off = config.strings("disable_quant_module")
    parts: list[Part] = []
    for index in range(2):
        attention = mla(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            q_lora_rank=config.integer("q_lora_rank", default=1536),
            kv_lora_rank=config.integer("kv_lora_rank", default=512),
            qk_nope_head_dim=config.integer("qk_nope_head_dim", default=128),
            qk_rope_head_dim=config.integer("qk_rope_head_dim", default=64),
            v_head_dim=config.integer("v_head_dim", default=128),
            name=f"self_attn.{index}",
        )
        mlp = gated_mlp(
            hidden_size=dims.hidden_size,
            intermediate_size=config.integer("ffn_hidden_size", "intermediate_size", default=12288),
            name=f"mlps.{index}",
        )
        parts += [_unquantized(attention, "self_attn" in off), _unquantized(mlp, "mlps" in off)]
    parts.append(_experts(config, dims))
    return layer(*parts, norms(dims.hidden_size, *(f"{name}.{i}" for name in _NORMS for i in range(2))))


_NORMS = ("input_layernorm", "post_attention_layernorm")


def _unquantized(part: Part, off: bool) -> Part:
    """The part with quantization switched off for all of its linears (`disable_quant_module`)."""
    return evolve(part, modules=unquantized(part.modules)) if off else part


def _experts(config: ModelConfig, dims: Dimensions) -> Part:
    """An fp32 router over real and zero experts, its fp32 bias, and the real experts' weights."""
    real = config.integer("n_routed_experts", default=512)
    routed = real + config.integer("zero_expert_num", default=256, low=0)
    return Part(
        modules=(
            Linear(
                name="mlp.router.classifier",
                inputs=dims.hidden_size,
                outputs=(Split(size=routed),),
                parallel="replicated",
                quantizable=False,
                dtype="float32",
                sources=("mlp.router.classifier",),
            ),
            Tensor(name="mlp.router.e_score_correction_bias", shape=(routed,), dtype="float32"),
            Experts(
                name="mlp.experts",
                num_experts=real,
                hidden_size=dims.hidden_size,
                intermediate_size=config.integer("expert_ffn_hidden_size", "moe_intermediate_size", default=2048),
                top_k=config.integer("moe_topk", default=12),
                sources=("mlp.experts",),
                routing=routing_method(renormalize=False, biased=True),
            ),
        )
    )


def _ngram_embedding(config: ModelConfig, dims: Dimensions) -> tuple[Module, ...]:
    """Hashed n-gram tables: k·(n − 1) of them, concatenated and sharded by rows, and a projection each."""
    tables = config.integer("emb_split_num") * (config.integer("emb_neighbor_num", low=2) - 1)
    base = config.integer("ngram_vocab_size_ratio") * dims.vocab_size
    width = dims.hidden_size // tables
    rows = sum(base + 2 * index + 1 for index in range(tables))
    neighbours = config.integer("emb_neighbor_num", low=2)
    integers = tables * neighbours + tables + tables + 1  # ne_weights, ne_mods, exclusive_sizes
    return (
        Embedding(name="model.ngram_embeddings.oe_embedder", rows=rows, columns=width),
        Tensor(name="model.ngram_embeddings.oe_projection", shape=(tables, width, dims.hidden_size)),
        Tensor(name="model.ngram_embeddings.buffers", shape=(integers,), dtype="int32", buffer=True),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """LongCat-Flash."""
    return [LongCat()]
