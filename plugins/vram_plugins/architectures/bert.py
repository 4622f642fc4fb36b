"""Encoder-only pooling models: BERT, RoBERTa, XLM-RoBERTa, BGE-M3, SPLADE, ModernBERT, NomicBERT, GTE.

They own no KV cache. Heads (pooler, classifier) are in float32, vLLM's head dtype of pooling models.
Sources: vLLM 0.32.0 `bert.py`, `roberta.py`, `modernbert.py`, `bert_with_rope.py`, `config.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import evolve, frozen

from vram import hookimpl
from vram.architecture import (
    Dimensions,
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
from vram.architecture.decoder import model_dtype
from vram.architecture.towers import convolution, position_ids
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Placed, Tensor
from vram.models.spec import LayerRun, ModelSpec
from vram.vllm.rope import derived_max_model_len

HEAD_DTYPE = "float32"


def _float32(module: Tensor) -> Tensor:
    return evolve(module, dtype=HEAD_DTYPE)


def _labels(config: ModelConfig) -> int:
    names = config.sub("id2label")
    return len(names.raw) if names is not None and names.raw else config.integer("num_labels", default=2)


def _embedding(name: str, rows: int, width: int) -> Embedding:
    return Embedding(name=name, rows=rows, columns=width, sources=(name,))


def _spec(
    config: ModelConfig,
    dims: Dimensions,
    runs: tuple[LayerRun, ...],
    modules: Iterable[Module],
    *,
    positions: int | None = None,
) -> ModelSpec:
    """A pooling model: layers and everything else, on the one pipeline rank there is."""
    length = derived_max_model_len(config, default_length=512) if positions is None else positions
    return ModelSpec(
        architecture=config.architecture,
        dtype=model_dtype(config, config),
        hidden_size=dims.hidden_size,
        vocab_size=dims.vocab_size,
        num_attention_heads=dims.num_attention_heads,
        max_model_len=length,
        derived_max_model_len=length,
        num_layers=dims.num_hidden_layers,
        runs=runs,
        placed=tuple(Placed(module=module, stage="every") for module in modules),
        runner="pooling",
    )


def _no_head(config: ModelConfig, width: int) -> tuple[Module, ...]:
    del config, width
    return ()


def _pooled_classifier(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (
        _float32(convolution("bert.pooler.dense", width, width)),
        _float32(convolution("classifier", _labels(config), width)),
    )


def _roberta_classifier(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (
        _float32(convolution("classifier.dense", width, width)),
        _float32(convolution("classifier.out_proj", _labels(config), width)),
    )


def _token_classifier(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (_float32(convolution("classifier", _labels(config), width)),)


def _masked_lm(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (
        convolution("mlm_head.dense", width, width),
        norm("mlm_head.layer_norm", width, bias=True),
        convolution("mlm_head.decoder", config.integer("vocab_size"), width),
    )


def _bge_m3(config: ModelConfig, width: int) -> tuple[Module, ...]:
    del config
    return (
        _float32(convolution("sparse_linear", 1, width)),
        _float32(convolution("colbert_linear", width, width)),
    )


@frozen(kw_only=True)
class Variant:
    """A head on the body that BERT and RoBERTa share."""

    architectures: tuple[str, ...]
    prefix: str = "model."
    head: Callable[[ModelConfig, int], tuple[Module, ...]] = _no_head


VARIANTS = (
    Variant(architectures=("BertModel",)),
    Variant(architectures=("BertSpladeSparseEmbeddingModel", "BertForMaskedLM"), head=_masked_lm),
    Variant(architectures=("BertForSequenceClassification",), prefix="bert.", head=_pooled_classifier),
    Variant(architectures=("BertForTokenClassification",), prefix="bert.", head=_token_classifier),
    Variant(architectures=("RobertaModel", "XLMRobertaModel", "RobertaForMaskedLM")),
    Variant(architectures=("BgeM3EmbeddingModel",), head=_bge_m3),
    Variant(
        architectures=("RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"),
        prefix="roberta.",
        head=_roberta_classifier,
    ),
    Variant(
        architectures=("RobertaForTokenClassification", "XLMRobertaForTokenClassification"),
        prefix="roberta.",
        head=_token_classifier,
    ),
)


def _attention(dims: Dimensions, name: str, out_name: str, *, bias: bool, parts: tuple[str, ...]) -> Part:
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_attention_heads,
        head_dim=dims.hidden_size // dims.num_attention_heads,
        qkv_bias=bias,
        out_bias=bias,
        name=name,
        out_name=out_name,
        sources=parts,
        cached=False,
    )


class Bert(ArchitectureAdapter):
    """BERT and RoBERTa: learned positions, post-norm, plain MLP, biases everywhere."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.architectures = variant.architectures
        self.name = variant.architectures[0]

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        del context
        dims = dimensions(config, max_position_default=512)
        at = f"{self.variant.prefix}embeddings."
        block = layer(
            _attention(dims, "attention.self", "output.dense", bias=True, parts=("query", "key", "value")),
            plain_mlp(
                hidden_size=dims.hidden_size,
                intermediate_size=dims.intermediate_size,
                name="",
                up_name="intermediate.dense",
                down_name="output.dense",
            ),
            norms(dims.hidden_size, "attention.output.LayerNorm", "output.LayerNorm", bias=True),
        )
        runs = runs_by_kind(
            ["layer"] * dims.num_hidden_layers, lambda _: block, prefix=f"{self.variant.prefix}encoder.layer"
        )
        modules = (
            _embedding(f"{at}word_embeddings", dims.vocab_size, dims.hidden_size),
            _embedding(f"{at}position_embeddings", dims.max_position, dims.hidden_size),
            _embedding(f"{at}token_type_embeddings", config.integer("type_vocab_size", default=2), dims.hidden_size),
            norm(f"{at}LayerNorm", dims.hidden_size, bias=True),
            position_ids(f"{at}position_ids", dims.max_position),
            *self.variant.head(config, dims.hidden_size),
        )
        return _spec(config, dims, runs, modules)


class ModernBert(ArchitectureAdapter):
    """ModernBERT: rotary positions (local and global), pre-norm without a norm before the first attention."""

    name = "ModernBertModel"
    architectures = ("ModernBertModel", "ModernBertForSequenceClassification", "ModernBertForTokenClassification")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        del context
        dims = dimensions(config, max_position_default=8192)
        width = dims.hidden_size
        biased = config.flag("norm_bias")
        prefix = "" if config.architecture == "ModernBertModel" else "model."

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
            _embedding(f"{prefix}embeddings.tok_embeddings", dims.vocab_size, width),
            norm(f"{prefix}embeddings.norm", width, bias=biased),
            norm(f"{prefix}final_norm", width, bias=biased),
            *tables,
            *self._head(config, width, biased=biased),
        )
        return _spec(config, dims, runs, modules, positions=dims.max_position)

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
            _float32(convolution("classifier", _labels(config), width)),
        )


class RopeBert(ArchitectureAdapter):
    """NomicBERT, GTE and their relatives: BERT with rotary positions and usually a gated MLP."""

    name = "NomicBertModel"
    architectures = ("NomicBertModel", "GteModel", "GteNewModel", "NewModel", "NewForSequenceClassification")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        nomic = config.architecture == "NomicBertModel"
        dims = dimensions(config, max_position_default=2048 if nomic else 512)
        width = dims.hidden_size
        bias = config.flag("qkv_proj_bias") if nomic else True
        activation = config.string("activation_function", "hidden_act", default="gelu")
        experts = config.integer("num_experts", default=0, low=0)
        if experts:
            raise config.error("num_experts", "makes this a mixture of experts, which is not described")
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
        attention = _attention(dims, "attn", "out_proj", bias=bias, parts=("qkv_proj",))
        block = layer(attention, mlp, norms(width, "attn_ln", "mlp_ln", bias=True))
        runs = runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block, prefix="encoder.layers")
        length = self._length(config, nomic=nomic)
        table = context.max_model_len or length if nomic else dims.max_position
        head_dim = width // dims.num_attention_heads
        rope = None if nomic else (read_ropes(config) or (None,))[0]
        modules: list[Module] = [
            _embedding("embeddings.word_embeddings", dims.vocab_size, width),
            norm("embeddings.LayerNorm", width, bias=True),
            rope_table(rope, head_dim=head_dim, max_position=table),
        ]
        types = config.integer("type_vocab_size", default=2, low=0)
        if types:
            modules.append(_embedding("embeddings.token_type_embeddings", types, width))
        if config.architecture == "NewForSequenceClassification":
            modules.append(_float32(convolution("new.pooler.dense", width, width)))
            modules.append(_float32(convolution("classifier", _labels(config), width)))
        return _spec(config, dims, runs, modules, positions=length)

    @staticmethod
    def _length(config: ModelConfig, *, nomic: bool) -> int:
        if nomic:
            return config.integer("max_trained_positions", "n_positions", "max_position_embeddings", default=2048)
        return derived_max_model_len(config, default_length=512)


def _without_bias(module: Module) -> Module:
    """GTE's up and gate projections have no bias, its down projection has one."""
    return evolve(module, bias=False) if isinstance(module, Linear) and len(module.outputs) == 2 else module


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    """BERT, RoBERTa, ModernBERT, NomicBERT, GTE."""
    return [*(Bert(variant) for variant in VARIANTS), ModernBert(), RopeBert()]
