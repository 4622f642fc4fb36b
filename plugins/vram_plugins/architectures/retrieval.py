"""Retrieval models built on a generating one: ColPali, ColBERT on LFM2, LFM2 looking both ways, Jina's visual reranker.

Their heads are in float32, vLLM's head dtype of pooling models. Sources: vLLM 0.33.0 `colpali.py`, `colbert.py`,
`lfm2.py`, `jina_vl.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.pooling import without_head
from vram.architecture.reading import optional_section, overridden
from vram.architecture.towers import convolution
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Parallel, Placed, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures import lfm2, qwen_vl, siglip_vl
from vram_plugins.architectures.bert import late_interaction
from vram_plugins.architectures.language import filled

_HEAD_DTYPE = "float32"
#: where a ColBERT-style config says how wide its vectors are, in the order vLLM looks
_COLPALI_WIDTH = ("embedding_dim", "embed_dim", "dim", "projection_dim", "colbert_dim")


class ColPali(ArchitectureAdapter):
    """PaliGemma under `vlm_config`, and a projection of each token."""

    name = "ColPaliForRetrieval"
    architectures = ("ColPaliForRetrieval",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        config = filled(config, {"embedding_dim": 128})
        inner = optional_section(config, "vlm_config")
        # the whole is no "paligemma" to vLLM, whose attention would see an image both ways
        outer = {name: config.get(name) for name in ("dtype", "torch_dtype", "model_type") if config.has(name)}
        inner = overridden(inner, architectures=["PaliGemmaForConditionalGeneration"], **outer)
        spec = siglip_vl.PaliGemma().build(inner, context)
        head = _projection("custom_text_proj", spec.hidden_size, _width(config, _COLPALI_WIDTH))
        renames = tuple(
            (stored + part, vllm)
            for stored in ("vlm.", "model.")
            for part, vllm in (
                ("vision_tower.", "vision_tower."),
                ("language_model.", "language_model."),
                ("multi_modal_projector.", "multi_modal_projector."),
            )
        )
        return evolve(_pooled(spec, config.architecture, head), renames=(*renames, *spec.renames))


class ColBertLfm2(ArchitectureAdapter):
    """LFM2 with a projection in the LM head's place."""

    name = "ColBERTLfm2Model"
    architectures = ("ColBERTLfm2Model",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        spec = lfm2.dense().build(config, context)
        # it pools a sequence by its first token, for which vLLM splits no prompt (`is_chunked_prefill_supported`)
        spec = evolve(spec, hints=spec.hints | {"whole_prompts"})
        return _pooled(spec, config.architecture, late_interaction(config, spec.hidden_size))


class Lfm2Bidirectional(ArchitectureAdapter):
    """LFM2 whose attention and convolutions look both ways: nothing is kept for a later token."""

    name = "Lfm2BidirectionalModel"
    architectures = ("Lfm2BidirectionalModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        spec = lfm2.dense().build(config, context)
        runs = tuple(evolve(run, layer=evolve(run.layer, caches=())) for run in spec.runs)
        return _pooled(evolve(spec, runs=runs, hints=frozenset()), config.architecture, ())


class JinaVl(ArchitectureAdapter):
    """Qwen2-VL and a scorer of two linears with biases, divided over the ranks; one label."""

    name = "JinaVLForRanking"
    architectures = ("JinaVLForRanking",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it, LM head included. Raises ConfigError, ArchitectureError."""
        base = qwen_vl.Qwen2VL("Qwen2VLForConditionalGeneration", "qwen2_vl")
        spec = base.build(overridden(config, architectures=[base.name]), context)
        hidden = spec.hidden_size
        scorer = (
            _scorer("score.dense", hidden, hidden, "column"),
            _scorer("score.out_proj", hidden, 1, "row"),
        )
        placed = (*spec.placed, *(Placed(module=module, stage="every") for module in scorer))
        return evolve(spec, architecture=config.architecture, placed=placed, runner="pooling")


def _scorer(name: str, inputs: int, outputs: int, parallel: Parallel) -> Linear:
    return Linear(
        name=name,
        inputs=inputs,
        outputs=(Split(size=outputs),),
        parallel=parallel,
        bias=True,
        dtype=_HEAD_DTYPE,
        quantizable=False,
    )


def _width(config: ModelConfig, names: tuple[str, ...]) -> int:
    """The first of these fields that says a width, 0 where none does: the projection comes with the weights then."""
    return next((width for name in names if (width := config.integer(name, default=0, low=0))), 0)


def _projection(name: str, hidden: int, width: int) -> tuple[Tensor, ...]:
    """torch's own linear without a bias, whole on every rank."""
    return (evolve(convolution(name, width, hidden, bias=False), dtype=_HEAD_DTYPE),) if width else ()


def _pooled(spec: ModelSpec, architecture: str, head: tuple[Module, ...]) -> ModelSpec:
    """The model without its LM head and with another."""
    return evolve(without_head(spec, head), architecture=architecture)


def adapters() -> Iterable[ArchitectureAdapter]:
    """ColPali, ColBERT on LFM2, bidirectional LFM2, Jina's visual reranker."""
    return [ColPali(), ColBertLfm2(), Lfm2Bidirectional(), JinaVl()]
