"""Encoder-only pooling models with learned positions: BERT, RoBERTa, XLM-RoBERTa, BGE-M3, SPLADE, ColBERT.

They own no KV cache. Heads (pooler, classifier) are in float32, vLLM's head dtype of pooling models.
Sources: vLLM 0.32.0 `bert.py`, `roberta.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vram.architecture import (
    Dimensions,
    Part,
    dimensions,
    gqa,
    layer,
    norm,
    norms,
    plain_mlp,
    runs_by_kind,
)
from vram.architecture.decoder import model_dtype
from vram.architecture.towers import convolution, position_ids
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Placed, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import LayerRun, ModelSpec
from vram.vllm.rope import derived_max_model_len

HEAD_DTYPE = "float32"
_COLBERT_WIDTH = 128
#: `roberta.py`: torch's embeddings of positions and types before
_ROBERTA_DIVIDED_SINCE = (0, 25, 0)


def float32(module: Tensor) -> Tensor:
    return evolve(module, dtype=HEAD_DTYPE)


def labels(config: ModelConfig) -> int:
    names = config.sub("id2label")
    return len(names.raw) if names is not None and names.raw else config.integer("num_labels", default=2)


def word_table(name: str, rows: int, width: int, *, sharded: bool = True) -> Embedding:
    return Embedding(name=name, rows=rows, columns=width, sharded=sharded, sources=(name,))


def pooling_spec(
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
        float32(convolution("bert.pooler.dense", width, width)),
        float32(convolution("classifier", labels(config), width)),
    )


def _roberta_classifier(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (
        float32(convolution("classifier.dense", width, width)),
        float32(convolution("classifier.out_proj", labels(config), width)),
    )


def _token_classifier(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (float32(convolution("classifier", labels(config), width)),)


def _masked_lm(config: ModelConfig, width: int) -> tuple[Module, ...]:
    return (
        convolution("mlm_head.dense", width, width),
        norm("mlm_head.layer_norm", width, bias=True),
        convolution("mlm_head.decoder", config.integer("vocab_size"), width),
    )


def _bge_m3(config: ModelConfig, width: int) -> tuple[Module, ...]:
    del config
    return (
        float32(convolution("sparse_linear", 1, width)),
        float32(convolution("colbert_linear", width, width)),
    )


def late_interaction(config: ModelConfig, width: int) -> tuple[Module, ...]:
    """ColBERT's projection of each token, in fp32 without a bias (vLLM 0.33.0 `colbert.py:ColBERTMixin`).

    A config that does not name its width leaves it to the weights: vLLM makes the projection while it loads them, which
    is then memory that no parameter speaks of at start. ColBERT's own 128 are counted, unless a token has fewer.
    """
    named = config.integer("colbert_dim", "dim", "projection_dim", default=0, low=0)
    projection = convolution("colbert_linear", named or min(_COLBERT_WIDTH, width), width, bias=False)
    return (evolve(float32(projection), presence="always" if named else "loaded"),)


@frozen(kw_only=True)
class Variant:
    """A head on the body that BERT and RoBERTa share."""

    architectures: tuple[str, ...]
    prefix: str = "model."
    roberta: bool = False
    head: Callable[[ModelConfig, int], tuple[Module, ...]] = _no_head


#: embedding models, which `rope_bert` looks at first: some have rotary positions
ROBERTA = Variant(architectures=("RobertaModel", "XLMRobertaModel"), roberta=True)
VARIANTS = (
    Variant(architectures=("BertModel",)),
    Variant(architectures=("BertSpladeSparseEmbeddingModel", "BertForMaskedLM"), head=_masked_lm),
    Variant(architectures=("BertForSequenceClassification",), prefix="bert.", head=_pooled_classifier),
    Variant(architectures=("BertForTokenClassification",), prefix="bert.", head=_token_classifier),
    Variant(architectures=("RobertaForMaskedLM",), roberta=True),
    Variant(architectures=("BgeM3EmbeddingModel",), roberta=True, head=_bge_m3),
    Variant(architectures=("HF_ColBERT",), head=late_interaction),
    Variant(
        architectures=("RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"),
        prefix="roberta.",
        roberta=True,
        head=_roberta_classifier,
    ),
    Variant(
        architectures=("RobertaForTokenClassification", "XLMRobertaForTokenClassification"),
        prefix="roberta.",
        roberta=True,
        head=_token_classifier,
    ),
)


def whole_attention(dims: Dimensions, name: str, out_name: str, *, bias: bool, parts: tuple[str, ...]) -> Part:
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
        dims = dimensions(config, max_position_default=512)
        divided = not self.variant.roberta or context.vllm_version >= _ROBERTA_DIVIDED_SINCE
        at = f"{self.variant.prefix}embeddings."
        block = layer(
            whole_attention(dims, "attention.self", "output.dense", bias=True, parts=("query", "key", "value")),
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
        types = config.integer("type_vocab_size", default=2)
        modules = (
            word_table(f"{at}word_embeddings", dims.vocab_size, dims.hidden_size),
            word_table(f"{at}position_embeddings", dims.max_position, dims.hidden_size, sharded=divided),
            word_table(f"{at}token_type_embeddings", types, dims.hidden_size, sharded=divided),
            norm(f"{at}LayerNorm", dims.hidden_size, bias=True),
            position_ids(f"{at}position_ids", dims.max_position),
            *self.variant.head(config, dims.hidden_size),
        )
        return pooling_spec(config, dims, runs, modules)


def adapters() -> Iterable[ArchitectureAdapter]:
    """BERT, RoBERTa, XLM-RoBERTa, BGE-M3, SPLADE, ColBERT."""
    return [Bert(variant) for variant in VARIANTS]
