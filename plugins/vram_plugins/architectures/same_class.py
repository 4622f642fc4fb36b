"""Architectures whose class in vLLM is another's, as it is or with a head of its own.

Sources: vLLM 0.33.0 `cosmos3.py`, `alpamayo2_super.py`, `interns2_preview.py`, `colqwen3.py`, `colqwen3_5.py`, `d3.py`,
`clef_joint_schema.py`, `jina.py`, `qwen3_asr_forced_aligner.py`, `nemotron_h.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vram.architecture.parts import norm
from vram.architecture.pooling import classifier, label_count
from vram.architecture.reading import needed_section, overridden
from vram.architecture.towers import convolution
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram.plugin.manager import plugins

Head = Callable[[ModelConfig, ModelSpec], Sequence[Module]]
#: what a late-interaction config may call the width of its embeddings (`colqwen3.py`)
_WIDTHS = ("embed_dim", "dims", "dim", "projection_dim", "colbert_dim")
_QUESTION_TYPES = 3  # `clef_joint_schema.py:NUM_QUESTION_TYPES`


class SameClass(ArchitectureAdapter):
    """Architectures that vLLM builds with the class of `base`; a `head` makes them pooling models.

    `lm_head` is whether the generating head stays beside it. `unknown` are fields that would make it another model.
    `whole` is for those that pool by their first token, whose prompts vLLM does not split (`default_pooling_type`).
    """

    def __init__(
        self,
        base: str,
        *names: str,
        head: Head | None = None,
        lm_head: bool = True,
        unknown: tuple[str, ...] = (),
        whole: bool = False,
    ) -> None:
        self.name = names[0]
        self.architectures = names
        self.base = base
        self.head = head
        self.lm_head = lm_head
        self.unknown = unknown
        self.hints = frozenset({"whole_prompts"}) if whole else frozenset[str]()

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The other architecture's model under this one's name. Raises ConfigError, ArchitectureError."""
        for name in self.unknown:
            if config.has(name):
                raise config.error(name, "gives layers dimensions of their own, which are not known")
        spec = plugins().adapters[self.base].build(overridden(config, architectures=[self.base]), context)
        placed = spec.placed
        if not self.lm_head:
            placed = tuple(one for one in placed if not (isinstance(one.module, Embedding) and one.module.lm_head))
        if self.head is None:
            return evolve(spec, architecture=config.architecture, placed=placed)
        placed += tuple(Placed(module=module, stage="every") for module in self.head(config, spec))
        hints = spec.hints | self.hints
        return evolve(spec, architecture=config.architecture, placed=placed, runner="pooling", hints=hints)


def _nothing(config: ModelConfig, spec: ModelSpec) -> Sequence[Module]:
    """A pooler without parameters."""
    del config, spec
    return ()


def _projection(*, bias: bool, default: int = 0) -> Head:
    """One vector per token: a linear in fp32 to the width the config names, if it names one."""

    def head(config: ModelConfig, spec: ModelSpec) -> Sequence[Module]:
        width = next((config.integer(name) for name in _WIDTHS if config.get(name)), default)
        shape = (width, spec.hidden_size + bias)
        return (Tensor(name="custom_text_proj", shape=shape, dtype="float32"),) if width else ()

    return head


def _score(config: ModelConfig, spec: ModelSpec) -> Sequence[Module]:
    return (classifier(spec.hidden_size, label_count(config)),)


def _codes(config: ModelConfig, spec: ModelSpec) -> Sequence[Module]:
    """A row per answer code of Decision 3.0, where the config carries them; they have a file of their own."""
    decision = config.sub("decision_config")
    codes = len(decision.strings("codes")) if decision is not None else 0
    return (classifier(spec.hidden_size, codes or label_count(config)),)


def _time_bins(config: ModelConfig, spec: ModelSpec) -> Sequence[Module]:
    """A row per time bin in the model's dtype."""
    thinker = config.sub("thinker_config") or config
    return (convolution("classifier", thinker.integer("classify_num"), spec.hidden_size, bias=False),)


def _joint_schema(config: ModelConfig, spec: ModelSpec) -> Sequence[Module]:
    """Clef's head: six projections, routing layers, torch's decoder layers and a scorer."""
    section = needed_section(config, "joint_head_config")
    hidden, width = section.integer("hidden_size", default=spec.hidden_size), section.integer("width")
    inner, routing, layers = (section.integer(name) for name in ("feedforward", "routing_layers", "layers"))
    attention = 4 * width * (width + 1)
    feed_forward = inner * (width + 1) + width * (inner + 1)
    at = "pooler.head."
    return (
        norm(f"{at}hidden_norm", hidden, bias=True),
        convolution(f"{at}projections", 6 * width, hidden, bias=False),
        Tensor(name=f"{at}type_embedding", shape=(_QUESTION_TYPES, width)),
        Tensor(name=f"{at}evidence_layers.0", shape=(attention + feed_forward + 3 * 2 * width,), count=routing),
        Tensor(name=f"{at}layers.0", shape=(2 * attention + feed_forward + 3 * 2 * width,), count=layers),
        Tensor(name=f"{at}norms", shape=(3 * 2 * width,)),
        convolution(f"{at}residual_scorer.0", width, 4 * width),
        convolution(f"{at}residual_scorer.3", 1, width),
        Tensor(name=f"{at}scales", shape=(3,)),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """By the class they share."""
    qwen3_vl, qwen3_5 = "Qwen3VLForConditionalGeneration", "Qwen3_5ForConditionalGeneration"
    return [
        SameClass(qwen3_vl, "Cosmos3ForConditionalGeneration", "Alpamayo2Super"),
        SameClass("Qwen3_5MoeForConditionalGeneration", "InternS2PreviewForConditionalGeneration"),
        SameClass(
            qwen3_vl,
            "ColQwen3",
            "OpsColQwen3Model",
            "Qwen3VLNemotronEmbedModel",
            head=_projection(bias=False),
            whole=True,
        ),
        SameClass(qwen3_5, "ColQwen3_5", head=_projection(bias=True, default=128), whole=True),
        SameClass(qwen3_5, "D3ForSequenceClassification", head=_codes, lm_head=False),
        SameClass(qwen3_5, "ClefFlashForJointSchema", head=_joint_schema),
        SameClass("Qwen3OmniMoeForConditionalGeneration", "ClefOmniForJointSchema", head=_joint_schema),
        SameClass("Qwen3ForCausalLM", "JinaEmbeddingsV5Model", head=_nothing, lm_head=False),
        SameClass(
            "Qwen3ASRForConditionalGeneration",
            "Qwen3ASRForcedAlignerForTokenClassification",
            head=_time_bins,
            lm_head=False,
        ),
        SameClass("NemotronHForCausalLM", "NemotronHPuzzleForCausalLM", unknown=("block_configs", "per_layer_config")),
    ]
