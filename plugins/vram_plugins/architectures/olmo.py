"""AI2's OLMo 1 to 3, OLMoE and FlexOlmo; all but OLMoE run on transformers' classes inside vLLM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, Names
from vram.architecture.placement import every_nth_full, layer_windows
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import ModelSpec

_POST_NORMS = Names(norms=("post_attention_layernorm", "post_feedforward_layernorm"))


class Olmo(DecoderFamily):
    """Norms without weights."""

    architectures: tuple[str, ...] = ("OlmoForCausalLM",)
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    names = Names(norms=())
    frame = Frame(rope="frequencies", final_norm=False, frequencies_since=(0, 26, 0))


class Olmo2(Olmo):
    """Norms after attention and feed-forward, and over all heads of q and k."""

    architectures: tuple[str, ...] = ("Olmo2ForCausalLM",)
    qk_norm = "replicated"
    names = _POST_NORMS
    frame = Frame(rope="frequencies", frequencies_since=(0, 26, 0))


class Olmo3(Olmo2):
    """Three layers of four slide; frequencies per layer type."""

    architectures: tuple[str, ...] = ("Olmo3ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"sliding_window": 4096}
    frame = Frame(rope="frequencies per layer type", frequencies_since=(0, 29, 0))

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """Before 0.29 a table per layer type: rope scaling is for full attention alone (`olmo2.py`, `olmo3.py`)."""
        block = config.sub("rope_scaling")
        if block is not None and self._has_table(context):
            plain = {"rope_type": "default", "rope_theta": config.number("rope_theta", default=10000.0)}
            config = overridden(config, rope_parameters={"sliding_attention": plain, "full_attention": {**block.raw}})
        return super().build(config, context)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every fourth layer is full."""
        return layer_windows(config, dims.num_hidden_layers, absent=every_nth_full(4))


class Olmoe(ExpertFamily):
    """vLLM 0.32.0 `olmoe.py`; experts as wide as `intermediate_size`."""

    architectures: tuple[str, ...] = ("OlmoeForCausalLM",)
    head_dim_field = False
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "num_experts": 64,
        "num_experts_per_tok": 8,
        "max_position_embeddings": 4096,
    }
    qk_norm = "replicated"
    width_field = ("intermediate_size",)
    renormalize_field = ()
    renormalized = False
    frame = Frame(every_rank=EVERY_RANK)


class FlexOlmo(ExpertFamily):
    """OLMo 2 with experts; on transformers' class."""

    architectures: tuple[str, ...] = ("FlexOlmoForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_experts": 7,
        "num_experts_per_tok": 5,
        "max_position_embeddings": 4096,
    }
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    qk_norm = "replicated"
    names = _POST_NORMS
    width_field = ("intermediate_size",)
    renormalized = False
    frame = Frame(rope="frequencies", frequencies_since=(0, 29, 0))


def adapters() -> Iterable[ArchitectureAdapter]:
    """OLMo 1 to 3, OLMoE, FlexOlmo."""
    return [Olmo(), Olmo2(), Olmo3(), Olmoe(), FlexOlmo()]
