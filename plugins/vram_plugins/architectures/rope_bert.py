"""Encoder-only pooling models with rotary positions: ModernBERT, NomicBERT, GTE. They own no KV cache.

Sources: vLLM 0.32.0 `modernbert.py`, `config.py`, 0.33.0 `bert_with_rope.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import (
    Part,
    dimensions,
    gated_mlp,
    gqa,
    layer,
    norm,
    norms,
    plain_mlp,
    read_ropes,
    rope_table,
    runs_by_kind,
)
from vram.architecture.towers import convolution
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor, round_up
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram.vllm.rope import derived_max_model_len
from vram_plugins.architectures.bert import (
    HEAD_DTYPE,
    ROBERTA,
    Bert,
    float32,
    labels,
    late_interaction,
    pooling_spec,
    whole_attention,
    word_table,
)


class ModernBert(ArchitectureAdapter):
    """ModernBERT: rotary positions (local and global), pre-norm without a norm before the first attention."""

    name = "ModernBertModel"
    architectures = (
        "ModernBertModel",
        "ModernBertForSequenceClassification",
        "ModernBertForTokenClassification",
        "ColBERTModernBertModel",
    )

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        del context
        dims = dimensions(config, max_position_default=8192)
        width = dims.hidden_size
        biased = config.flag("norm_bias")
        prefix = "" if config.architecture == "ModernBertModel" else "model."
        late = late_interaction(config, width) if config.architecture == "ColBERTModernBertModel" else ()

        def block(first: bool) -> tuple[Part, Part, tuple[Tensor, ...]]:
            attention = gqa(
                hidden_size=width,
                num_heads=dims.num_attention_heads,
                num_kv_heads=dims.num_attention_heads,
                head_dim=width // dims.num_attention_heads,
                qkv_bias=config.flag("attention_bias"),
                out_bias=config.flag("attention_bias"),
                name="attn",
                qkv_name="Wqkv",
                out_name="Wo",
                sources=("Wqkv",),
                cached=False,
                reads_scales=False,
            )
            mlp = gated_mlp(
                hidden_size=width,
                intermediate_size=dims.intermediate_size,
                bias=config.flag("mlp_bias"),
                up_name="Wi",
                down_name="Wo",
                sources=("Wi",),
            )
            names = ("mlp_norm",) if first else ("attn_norm", "mlp_norm")
            return attention, mlp, norms(width, *names, bias=biased)

        kinds = [index == 0 for index in range(dims.num_hidden_layers)]
        runs = runs_by_kind(kinds, lambda first: layer(*block(first)), prefix=f"{prefix}encoder_layer.layers")
        tables = tuple(
            Tensor(
                name=f"{prefix}rotary_emb.{kind}.cos_sin_cache",
                shape=(dims.max_position, width // dims.num_attention_heads),
                buffer=True,
            )
            for kind in self._ropes(config, dims.num_hidden_layers)
        )
        modules = (
            word_table(f"{prefix}embeddings.tok_embeddings", dims.vocab_size, width),
            norm(f"{prefix}embeddings.norm", width, bias=biased),
            norm(f"{prefix}final_norm", width, bias=biased),
            *tables,
            *(late or self._head(config, width, biased=biased)),
        )
        return pooling_spec(config, dims, runs, modules, positions=dims.max_position)

    @staticmethod
    def _ropes(config: ModelConfig, layers: int) -> tuple[str, ...]:
        """The distinct rotary tables: local and global differ by their base."""
        every = config.integer("global_attn_every_n_layers", default=3)
        same = config.number("global_rope_theta", default=160000.0) == config.number(
            "local_rope_theta", default=10000.0
        )
        return ("full_attention",) if same or every == 1 or layers == 1 else ("full_attention", "sliding_attention")

    @staticmethod
    def _head(config: ModelConfig, width: int, *, biased: bool) -> tuple[Module, ...]:
        if config.architecture == "ModernBertModel":
            return ()
        dense_bias = config.flag("classifier_bias")
        dtype = HEAD_DTYPE if config.architecture == "ModernBertForSequenceClassification" else None
        return (
            evolve(convolution("head.dense", width, width, bias=dense_bias), dtype=dtype),
            norm("head.norm", width, bias=biased, dtype=dtype),
            float32(convolution("classifier", labels(config), width)),
        )


class RopeBert(ArchitectureAdapter):
    """NomicBERT, GTE and their relatives: BERT with rotary positions and usually a gated MLP."""

    name = "NomicBertModel"
    architectures = (
        "NomicBertModel",
        "GteModel",
        "GteNewModel",
        "NewModel",
        "NewForSequenceClassification",
        "GteNewForSequenceClassification",
    )

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        nomic = config.architecture == "NomicBertModel"
        dims = dimensions(config, max_position_default=2048 if nomic else 512)
        width = dims.hidden_size
        bias = config.flag("qkv_proj_bias") if nomic else True
        activation = config.string("activation_function", "hidden_act", default="gelu")
        if activation in {"swiglu", "silu", "geglu"} or not nomic:
            mlp = gated_mlp(hidden_size=width, intermediate_size=dims.intermediate_size, bias=bias)
            if not nomic:
                mlp = Part(modules=tuple(_without_bias(module) for module in mlp.modules))
        else:
            mlp = plain_mlp(
                hidden_size=width,
                intermediate_size=dims.intermediate_size,
                bias=bias,
                up_name="up_proj",
                down_name="down_proj",
            )
        attention = whole_attention(dims, "attn", "out_proj", bias=bias, parts=("qkv_proj",))
        every = config.integer("moe_every_n_layers", default=0, low=0)
        kinds = [every > 0 and index % every == 1 for index in range(dims.num_hidden_layers)]
        mixture = _mixture(config, width, dims.intermediate_size) if any(kinds) else mlp
        after = norms(width, "attn_ln", "mlp_ln", bias=True)
        runs = runs_by_kind(
            kinds, lambda sparse: layer(attention, mixture if sparse else mlp, after), prefix="encoder.layers"
        )
        length = self._length(config, nomic=nomic)
        table = context.max_model_len or length if nomic else dims.max_position
        head_dim = width // dims.num_attention_heads
        rope = None if nomic else (read_ropes(config) or (None,))[0]
        modules: list[Module] = [
            word_table("embeddings.word_embeddings", dims.vocab_size, width),
            norm("embeddings.LayerNorm", width, bias=True),
            rope_table(rope, head_dim=head_dim, max_position=table),
        ]
        types = config.integer("type_vocab_size", default=2, low=0)
        if types:
            modules.append(word_table("embeddings.token_type_embeddings", types, width))
        if config.architecture.endswith("ForSequenceClassification"):
            modules.append(float32(convolution("new.pooler.dense", width, width)))
            modules.append(float32(convolution("classifier", labels(config), width)))
        return pooling_spec(config, dims, runs, modules, positions=length)

    @staticmethod
    def _length(config: ModelConfig, *, nomic: bool) -> int:
        if nomic:
            return config.integer("max_trained_positions", "n_positions", "max_position_embeddings", default=2048)
        return derived_max_model_len(config, default_length=512)


class JinaRoberta(ArchitectureAdapter):
    """RoBERTa's embedding models; with rotary positions Jina's, which ColBERT's projection may follow.

    Source: vLLM 0.33.0 `roberta.py:RobertaEmbeddingModel`, `bert_with_rope.py:JinaRobertaModel`, `colbert.py`.
    """

    name = "JinaRobertaModel"
    architectures = ("RobertaModel", "XLMRobertaModel", "ColBERTJinaRobertaModel")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        late = config.architecture == "ColBERTJinaRobertaModel"
        if not late and config.string("position_embedding_type", default="absolute") != "rotary":
            return Bert(ROBERTA).build(config, context)
        dims = dimensions(config, max_position_default=8194)
        width, at = dims.hidden_size, "model."
        head_dim = config.integer("rotary_emb_dim", default=width // dims.num_attention_heads)
        mlp = plain_mlp(
            hidden_size=width,
            intermediate_size=dims.intermediate_size,
            bias=True,
            up_name="up_proj",
            down_name="down_proj",
        )
        attention = whole_attention(dims, "attn", "out_proj", bias=True, parts=("qkv_proj",))
        block = layer(attention, mlp, norms(width, "attn_ln", "mlp_ln", bias=True))
        runs = runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block, prefix=f"{at}encoder.layers")
        types = config.integer("type_vocab_size", default=1, low=0)
        modules: list[Module] = [
            *(late_interaction(config, width) if late else ()),
            word_table(f"{at}embeddings.word_embeddings", dims.vocab_size, width),
            *([word_table(f"{at}embeddings.token_type_embeddings", types, width)] if types else []),
            norm(f"{at}embeddings.LayerNorm", width, bias=True),
            # a multiple of the kernel's warps (`config.py:JinaRobertaModelConfig`)
            rope_table(None, head_dim=head_dim, max_position=round_up(dims.max_position, 8)),
        ]
        return pooling_spec(config, dims, runs, modules, positions=derived_max_model_len(config, default_length=512))


def _mixture(config: ModelConfig, width: int, inner: int) -> Part:
    """`NomicMoE` (0.33.0): ungated experts as plain parameters (never quantized, never padded), one bias after them all.

    They are divided over tensor parallelism by their inner width, under expert parallelism too.
    """
    experts = config.integer("num_experts", low=1)
    router = Linear(
        name="mlp.router",
        inputs=width,
        outputs=(Split(size=experts),),
        parallel="replicated",
        quantizable=False,
        sources=("mlp.router",),
    )
    return Part(
        modules=(
            router,
            Tensor(name="mlp.w1", shape=(experts, inner, width), sharded_units=inner),
            Tensor(name="mlp.w2", shape=(experts, width, inner), sharded_units=inner),
            Tensor(name="mlp.bias", shape=(width,)),
        )
    )


def _without_bias(module: Module) -> Module:
    """GTE's up and gate projections have no bias, its down projection has one."""
    return evolve(module, bias=False) if isinstance(module, Linear) and len(module.outputs) == 2 else module


def adapters() -> Iterable[ArchitectureAdapter]:
    """ModernBERT, NomicBERT, GTE, RoBERTa and Jina's."""
    return [ModernBert(), RopeBert(), JinaRoberta()]
