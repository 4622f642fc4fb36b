"""Llama, Mistral, Qwen2, Qwen3 and Phi-3: the decoders most others are measured by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.draft import Predictor
from vram.architecture.family import DecoderFamily, Flag, Names
from vram.architecture.placement import layer_windows
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig


class Llama(DecoderFamily):
    """vLLM 0.32.0 `llama.py`, which also serves InternLM3, IQuestCoder and TeleChat3."""

    architectures: tuple[str, ...] = (
        "LlamaForCausalLM",
        "LLaMAForCausalLM",
        "InternLM3ForCausalLM",
        "IQuestCoderForCausalLM",
        "TeleChat3ForCausalLM",
        "TeleFLMForCausalLM",
        "AquilaForCausalLM",
        "AquilaModel",
        "XverseForCausalLM",
        "InternLMForCausalLM",
    )
    asks_causal: ClassVar[bool] = True
    qkv_bias = "qkv_bias"
    out_bias: ClassVar[Flag] = "attention_bias"
    mlp_bias = "mlp_bias"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`bias` is another name of `attention_bias`; `qkv_bias`, where present, speaks for q, k and v alone."""
        bias = config.flag("attention_bias") or config.flag("bias")
        qkv = config.flag("qkv_bias") if "qkv_bias" in config.raw else bias
        return overridden(config, attention_bias=bias, qkv_bias=qkv)


class Mistral(Llama):
    """`mistral.py`; without a word about it every layer has the window of Mistral 7B v0.1."""

    architectures: tuple[str, ...] = ("MistralForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "sliding_window": 4096,
        "max_position_embeddings": 131072,
    }


class Ministral3(Llama):
    """`mistral.py` with transformers' Ministral3Config."""

    architectures: tuple[str, ...] = ("Ministral3ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "rope_parameters": {
            "rope_type": "yarn",
            "factor": 16.0,
            "original_max_position_embeddings": 16384,
        },
    }


class Qwen2(DecoderFamily):
    """`qwen2.py`; a window counts only with `use_sliding_window`, and only on all layers."""

    architectures: tuple[str, ...] = ("Qwen2ForCausalLM",)
    asks_causal = True
    head_dim_field: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 32,
        "max_position_embeddings": 32768,
        "sliding_window": 4096,
        "max_window_layers": 28,
    }
    qkv_bias: ClassVar[Flag] = True

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """vLLM refuses a window on some of the layers (`Qwen2Model.__init__`)."""
        return qwen_windows(config, dims.num_hidden_layers)


class Qwen3(Qwen2):
    """`qwen3.py`."""

    architectures: tuple[str, ...] = ("Qwen3ForCausalLM",)
    head_dim_field = True
    defaults: ClassVar[Mapping[str, object]] = {**Qwen2.defaults, "head_dim": 128}
    qkv_bias = "attention_bias"
    qk_norm = "head"


class Phi3(Llama):
    """`phi3.py`: a Llama whose checkpoint has its projections fused (Phi-3, Phi-3.5, Phi-4)."""

    architectures: tuple[str, ...] = ("Phi3ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 4096}
    names = Names(qkv=("qkv_proj",), up=("gate_up_proj",))


class MiMo(Qwen2):
    """`mimo.py`: Qwen2; its multi-token prediction layers come with `speculative_config`."""

    architectures: tuple[str, ...] = ("MiMoForCausalLM",)
    predictor = Predictor(norms=("token_layernorm", "hidden_layernorm", "final_layernorm"), fusion="input_proj")


def qwen_windows(config: ModelConfig, layers: int) -> Sequence[int | None]:
    """All layers or none. Raises ConfigError where only some would have the window."""
    if not config.flag("use_sliding_window"):
        return (None,) * layers
    full = config.integer("max_window_layers", default=layers, low=0)
    windows = layer_windows(config, layers, absent=lambda index: index >= full)
    if 0 < sum(window is not None for window in windows) < layers and full != layers:
        raise config.error(
            "max_window_layers", f"is {full} of {layers} layers; vLLM serves a window on all layers or on none"
        )
    return windows


def adapters() -> Iterable[ArchitectureAdapter]:
    """Llama, Mistral, Qwen2, Qwen3, Phi-3."""
    return [Llama(), Mistral(), Ministral3(), Qwen2(), Qwen3(), Phi3(), MiMo()]
