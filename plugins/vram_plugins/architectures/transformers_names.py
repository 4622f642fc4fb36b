"""The transformers backend's own names: the config's `model_type` says which of transformers' models it runs.

Source: vLLM 0.33.0 `models/transformers`. A config has these names where `--model-impl transformers` is to be its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vram.architecture.decoder import Dimensions
from vram.architecture.family import DecoderFamily
from vram.architecture.generic import Generic
from vram.architecture.placement import layer_windows
from vram.architecture.pooling import classifier, label_count, without_head
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram.plugin.manager import plugins
from vram_plugins.architectures.language import CAUSAL_LM
from vram_plugins.architectures.llama import Mistral, Qwen2, Qwen3
from vram_plugins.architectures.qwen_moe import Qwen3Moe
from vram_plugins.architectures.transformers_backend import FREQUENCIES, LlamaBackend

_CLASSIFIES = "ForSequenceClassification"


class _Mistral(Mistral):
    frame = FREQUENCIES


class _Qwen2(Qwen2):
    frame = FREQUENCIES
    head_dim_field = True  # `Qwen2Attention` of transformers asks for it

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Unlike vLLM's own class, a window on some of the layers."""
        slides = config.flag("use_sliding_window")
        first = config.integer("max_window_layers", default=28, low=0)
        if not slides:
            return (None,) * dims.num_hidden_layers
        return layer_windows(config, dims.num_hidden_layers, absent=lambda index: index >= first)


class _Qwen3(_Qwen2, Qwen3):
    defaults = Qwen3.defaults
    qkv_bias = "attention_bias"


class _Qwen3Moe(Qwen3Moe):
    frame = FREQUENCIES


#: by model type, where vLLM has a class of its own beside transformers'
_FAMILIES: Mapping[str, DecoderFamily] = {
    "llama": LlamaBackend(),
    "mistral": _Mistral(),
    "qwen2": _Qwen2(),
    "qwen3": _Qwen3(),
    "qwen3_moe": _Qwen3Moe(),
}


class TransformersNames(ArchitectureAdapter):
    """A text model of transformers, to generate, to embed or to classify."""

    name = "transformers backend"
    architectures = (
        "TransformersForCausalLM",
        "TransformersMoEForCausalLM",
        "TransformersEmbeddingModel",
        "TransformersMoEEmbeddingModel",
        "TransformersForSequenceClassification",
        "TransformersMoEForSequenceClassification",
    )

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it; what is not known is taken for a plain decoder. Raises ConfigError, ArchitectureError."""
        name = config.architecture
        family = _family(config.string("model_type") or "")
        generating = "TransformersForCausalLM" if family is None else family.architectures[0]
        spec = (family or Generic()).build(overridden(config, architectures=[generating]), context)
        if name.endswith("ForCausalLM"):
            return evolve(spec, architecture=name)
        head = [classifier(spec.hidden_size, label_count(config), name="classifier")]
        spec = without_head(spec, head if name.endswith(_CLASSIFIES) else ())
        # pooled by the first token unless a repository says otherwise, for which vLLM splits no prompt
        return evolve(spec, architecture=name, hints=spec.hints | {"whole_prompts"})


def _family(model_type: str) -> DecoderFamily | None:
    """A family on transformers' class: its own, or that of an architecture which vLLM always runs so."""
    if model_type in _FAMILIES:
        return _FAMILIES[model_type]
    known = plugins().adapters.get(CAUSAL_LM.get(model_type, ""))
    return known if isinstance(known, DecoderFamily) and known.frame.rope.startswith("frequencies") else None


def adapters() -> Iterable[ArchitectureAdapter]:
    """The names of the backend for text."""
    return [TransformersNames()]
