"""Embedding, classification and reward models built from the decoders of this package."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from vram.architecture.pooling import classifier, label_count, pooling_forms, without_head
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures import POOLED, llama, llama_kin

#: names that vLLM 0.32.0's registry maps to the generating class itself
_KEEPS_HEAD = frozenset({"LlamaModel", "MistralModel", "Qwen2Model", "Gemma2Model"})
_JINA_EMBEDDING = 512


class Qwen2Reward(ArchitectureAdapter):
    """`qwen2_rm.py`: two linears in fp32 with biases, of one label or, for a process reward, of two."""

    name = "Qwen2ForRewardModel"
    architectures = ("Qwen2ForRewardModel", "Qwen2ForProcessRewardModel")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """Qwen2 with the reward head on every pipeline rank. Raises ConfigError."""
        architecture = config.architecture
        labels = 2 if architecture == "Qwen2ForProcessRewardModel" else 1
        spec = llama.Qwen2().build(overridden(config, architectures=["Qwen2ForCausalLM"]), context)
        hidden = spec.hidden_size
        first = Linear(
            name="score.0",
            inputs=hidden,
            outputs=(Split(size=hidden),),
            bias=True,
            dtype="float32",
        )
        last = evolve(first, name="score.2", outputs=(Split(size=labels),), parallel="row")
        # a process reward pools its steps, for which a prompt is not split (`is_chunked_prefill_supported`)
        steps = frozenset({"whole_prompts"}) if labels == 2 else frozenset[str]()
        return evolve(_with_head(spec, architecture, (first, last)), hints=spec.hints | steps)


class InternLM2Reward(ArchitectureAdapter):
    """`internlm2.py`: one row in fp32, its inputs divided over the ranks."""

    name = "InternLM2ForRewardModel"
    architectures = ("InternLM2ForRewardModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """InternLM2 with the reward head. Raises ConfigError."""
        spec = llama_kin.InternLM2().build(overridden(config, architectures=["InternLM2ForCausalLM"]), context)
        head = evolve(classifier(spec.hidden_size, 1, name="v_head"), parallel="row")
        return _with_head(spec, self.name, (head,))


class LlamaBidirectional(ArchitectureAdapter):
    """`llama.py`: a Llama that looks both ways and keeps nothing; embedding, or classification with a head."""

    name = "LlamaBidirectionalModel"
    architectures = ("LlamaBidirectionalModel", "LlamaBidirectionalForSequenceClassification")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """Llama without a cache. Raises ConfigError."""
        name = "LlamaModel" if config.architecture == self.name else "LlamaForSequenceClassification"
        form = pooling_forms([llama.Llama()])[0]
        spec = form.build(overridden(config, architectures=[name], is_causal=False), context)
        return evolve(spec, architecture=config.architecture)


class JinaForRanking(ArchitectureAdapter):
    """`jina.py`: Qwen3 and two linears of torch, to half the width and to 512 (set by `config.py`, not by the file)."""

    name = "JinaForRanking"
    architectures = ("JinaForRanking",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """Qwen3 with the projector on every pipeline rank. Raises ConfigError."""
        spec = llama.Qwen3().build(overridden(config, architectures=["Qwen3ForCausalLM"]), context)
        half = spec.hidden_size // 2
        head = (
            convolution("projector.0", half, spec.hidden_size, bias=False),
            convolution("projector.2", _JINA_EMBEDDING, half, bias=False),
        )
        return _with_head(spec, self.name, head)


class Voyage(ArchitectureAdapter):
    """`voyage.py`: Qwen3 that looks both ways and keeps nothing, and a linear of torch to `num_labels` features."""

    name = "VoyageQwen3BidirectionalEmbedModel"
    architectures = ("VoyageQwen3BidirectionalEmbedModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """Qwen3 without a cache, with the linear on every pipeline rank. Raises ConfigError."""
        base = overridden(config, architectures=["Qwen3ForCausalLM"], is_causal=False)
        spec = llama.Qwen3().build(base, context)
        head = convolution("linear", label_count(config), spec.hidden_size, bias=False)
        return _with_head(spec, self.name, (head,))


def _with_head(spec: ModelSpec, architecture: str, head: tuple[Module, ...]) -> ModelSpec:
    return evolve(without_head(spec, head), architecture=architecture)


def adapters() -> Iterable[ArchitectureAdapter]:
    """The pooling forms of every decoder, and reward models."""
    special = [Qwen2Reward(), InternLM2Reward(), LlamaBidirectional(), JinaForRanking(), Voyage()]
    pages = [import_module(f"{__package__}.{name}") for name in POOLED]
    bases = [adapter for page in pages for adapter in page.adapters()]
    return [*special, *pooling_forms(bases, keeps_head=_KEEPS_HEAD)]
