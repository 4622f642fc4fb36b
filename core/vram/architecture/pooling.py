"""Embedding and classification models: a decoder whose LM head is left out or gives way to a classifier.

Source: vLLM 0.32.0 `model_executor/models/adapters.py` (`as_embedding_model`, `as_seq_cls_model`) and
`registry.py:_normalize_arch`: `XModel`, `XForSequenceClassification` and `XForTokenClassification` are built from
`XForCausalLM`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Literal

from vram.architecture.pooling_names import CLASSIFYING, GENERATING, pooling_names
from vram.architecture.reading import overridden
from vram.errors import InputError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Placed, Split
from vram.models.record import evolve
from vram.models.spec import ModelSpec


class Pooled(ArchitectureAdapter):
    """The pooling form of a generating architecture.

    `keeps_head` are the names vLLM's registry maps to the generating class itself, LM head included.
    """

    def __init__(
        self, base: ArchitectureAdapter, generating: str, *, taken: Collection[str], keeps_head: Collection[str]
    ) -> None:
        self.base = base
        self.generating = generating
        self.keeps_head = keeps_head
        self.architectures = tuple(name for name in pooling_names(generating) if name not in taken)
        self.name = f"{generating} (pooling)"

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The base model without its LM head, with a classifier if the name says so. Raises ConfigError."""
        architecture = config.architecture
        spec = self.base.build(overridden(config, architectures=[self.generating]), context)
        placed = spec.placed
        if architecture not in self.keeps_head:
            placed = tuple(p for p in placed if not (isinstance(p.module, Embedding) and p.module.lm_head))
        if architecture.endswith(CLASSIFYING):
            placed = (*placed, Placed(module=classifier(spec.hidden_size, label_count(config)), stage="every"))
        # a name that is the generating class itself stays a generating model unless the repository is a
        # sentence-transformers one (config/model.py:_get_default_runner_type)
        runner: Literal["generate", "pooling"] = "generate" if architecture in self.keeps_head else "pooling"
        return evolve(spec, architecture=architecture, placed=placed, runner=runner)


def without_head(spec: ModelSpec, head: Iterable[Module] = ()) -> ModelSpec:
    """A pooling model: without an LM head, with another `head` on every pipeline rank."""
    kept = (placed for placed in spec.placed if not (isinstance(placed.module, Embedding) and placed.module.lm_head))
    return evolve(spec, placed=(*kept, *(Placed(module=module, stage="every") for module in head)), runner="pooling")


#: what `--task` of vLLM before 0.13 was, beside what are runners today; a score is an embedding of a model that generates
_POOLING_TASKS = frozenset({"pooling", "embed", "embedding", "score", "reward", "classify"})
_RUNNERS = _POOLING_TASKS | {"auto", "generate", "draft", "transcription"}


@lru_cache(maxsize=256)
def as_run(spec: ModelSpec, runner: str, convert: str = "auto", config: ModelConfig | None = None) -> ModelSpec:
    """The model under vLLM's `--runner` and `--convert`: a generating one that is told to pool embeds, without its LM head, or
    classifies with a head of its `config`'s labels. Raises InputError on an unknown runner.

    Source: vLLM 0.33.0 `config/model.py:_get_runner_type`, `_get_default_convert_type`, `adapters.py:_create_pooling_model_cls`,
    `as_seq_cls_model`.
    """
    if runner not in _RUNNERS:
        raise InputError(name="runner", value=runner, problem=f"must be {', '.join(sorted(_RUNNERS))}")
    if convert not in {"auto", "none", "embed", "classify", "reward"}:
        raise InputError(name="convert", value=convert, problem="must be auto, none, embed or classify")
    pools = runner in _POOLING_TASKS or (runner == "auto" and convert not in {"auto", "none"})
    if not pools or spec.runner != "generate":
        return spec
    classifies = config is not None and "classify" in (runner, convert)
    return without_head(spec, (classifier(spec.hidden_size, label_count(config)),) if config and classifies else ())


def classifier(hidden_size: int, labels: int, *, name: str = "score") -> Linear:
    """The classification head: (labels, hidden_size), whole on every rank, in fp32 (`head_dtype`)."""
    return Linear(
        name=name,
        inputs=hidden_size,
        outputs=(Split(size=labels),),
        parallel="replicated",
        dtype="float32",
    )


def label_count(config: ModelConfig) -> int:
    """Labels as transformers counts them: `num_labels`, else the entries of `id2label`, else 2. Raises ConfigError."""
    names = config.sub("id2label")
    return config.integer("num_labels", default=len(names.raw) if names is not None and names.raw else 2)


def pooling_forms(
    adapters: Iterable[ArchitectureAdapter], *, taken: Collection[str] = (), keeps_head: Collection[str] = ()
) -> list[ArchitectureAdapter]:
    """The pooling forms of generating adapters, but for names that are `taken` or some adapter's own."""
    bases = list(adapters)
    known = {name for adapter in bases for name in adapter.architectures} | set(taken)
    forms: list[ArchitectureAdapter] = []
    for base in bases:
        for name in base.architectures:
            if name.endswith(GENERATING):
                form = Pooled(base, name, taken=known, keeps_head=keeps_head)
                if form.architectures:
                    known.update(form.architectures)
                    forms.append(form)
    return forms
