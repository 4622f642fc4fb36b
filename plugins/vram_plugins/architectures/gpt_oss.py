"""OpenAI's gpt-oss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, Frame, Names
from vram.architecture.placement import even_slide, layer_windows
from vram.architecture.pooling import label_count, without_head
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec

_PRIVACY_LABELS = 33  # what transformers' OpenAIPrivacyFilterConfig fills in


class GptOss(ExpertFamily):
    """vLLM 0.32.0 `gpt_oss.py`; biases and sinks everywhere, layers 0, 2, 4 ... slide whatever `layer_types` says."""

    architectures: tuple[str, ...] = ("GptOssForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 64,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
        "sliding_window": 128,
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 150000.0,
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
        },
    }
    qkv_bias = True
    out_bias = True
    sinks = True
    names = Names(attention="attn")
    experts_field = ("num_local_experts",)
    width_field = ("intermediate_size",)
    router = "router"
    router_bias = True
    expert_bias = True
    activation = "swigluoai"
    expert_names = ("gate_up_proj", "down_proj")
    frame = Frame(every_rank=EVERY_RANK, renames=(("*.self_attn.", ".attn."),))

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """An older config's `rope_scaling` is the block."""
        if "rope_scaling" not in config.raw or not config.has("rope_scaling"):
            return config
        raw = {name: value for name, value in config.raw.items() if name != "rope_parameters"}
        return ModelConfig(raw=raw, path=config.path, section=config.section)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Layers 0, 2, 4 ... slide."""
        raw = {name: value for name, value in config.raw.items() if name != "layer_types"}
        return layer_windows(ModelConfig(raw=raw), dims.num_hidden_layers, absent=even_slide)

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """One table in fp32."""
        block = config.sub("rope_parameters", "rope_scaling")
        return (layer_rope(config, dims, block.raw if block else {}, dtype="float32"),)


class PrivacyFilter(GptOss):
    """vLLM 0.33.0 `openai_privacy_filter.py`: gpt-oss looking both ways, which keeps nothing, and a label for each token."""

    architectures = ("OpenAIPrivacyFilterForTokenClassification",)
    asks_causal = True

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        spec = super().build(config, context)
        labels = label_count(config) if config.has("num_labels", "id2label") else _PRIVACY_LABELS
        head = convolution("score", labels, spec.hidden_size)
        return without_head(spec, (evolve(head, dtype="float32"),))

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Every layer looks both ways."""
        return overridden(super().prepare(config), is_causal=False)


def adapters() -> Iterable[ArchitectureAdapter]:
    """gpt-oss-20b and gpt-oss-120b, OpenAI's privacy filter."""
    return [GptOss(), PrivacyFilter()]
