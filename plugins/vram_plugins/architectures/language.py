"""The language model inside a multimodal one, built by the adapter of its own architecture.

Hugging Face writes nested sections as differences from their config class's defaults, so a section may say no more than
its `model_type`; the defaults are filled in here. This module registers no adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.errors import ArchitectureError
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import ModelSpec
from vram.plugin.manager import plugins
from vram_plugins.architectures.config_defaults import TEXT_DEFAULTS

#: transformers' `MODEL_FOR_CAUSAL_LM_MAPPING_NAMES` for text sections that name no architecture
CAUSAL_LM = {
    "aria_text": "AriaTextModel",
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "ernie4_5": "Ernie4_5ForCausalLM",
    "ernie4_5_moe": "Ernie4_5_MoeForCausalLM",
    "falcon_h1": "FalconH1ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma3n_text": "Gemma3nForCausalLM",
    "gemma4_text": "Gemma4ForCausalLM",
    "glm": "GlmForCausalLM",
    "glm4": "Glm4ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "granite": "GraniteForCausalLM",
    "granitemoehybrid": "GraniteMoeHybridForCausalLM",
    "internlm2": "InternLM2ForCausalLM",
    "internlm3": "InternLM3ForCausalLM",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "lfm2_moe": "Lfm2MoeForCausalLM",
    "llama": "LlamaForCausalLM",
    "llama4_text": "Llama4ForCausalLM",
    "minicpm": "MiniCPMForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mistral": "MistralForCausalLM",
    "mistral4": "Mistral4ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "nemotron_h": "NemotronHForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "opt": "OPTForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "stablelm": "StableLmForCausalLM",
    "starcoder2": "Starcoder2ForCausalLM",
}


def filled(config: ModelConfig, defaults: Mapping[str, object]) -> ModelConfig:
    """The same section with `defaults` where it is silent; an explicit null stays one, as in transformers."""
    missing = {name: value for name, value in defaults.items() if name not in config.raw}
    return ModelConfig(raw={**config.raw, **missing}, path=config.path, section=config.section)


def text_section(
    config: ModelConfig,
    *,
    model_type: str = "",
    tied: bool | None = None,
    text_ties: bool = False,
    section: ModelConfig | None = None,
    **defaults: Any,
) -> ModelConfig:
    """The text section (the config itself where there is none), with its class's defaults filled in.

    `model_type` is what the outer class assumes where the section names none; `defaults` go after the class's. Whether
    embeddings are tied is the outer config's word where it or its class (`tied`) says so; with `text_ties` the section's
    word counts too (vLLM 0.32.0 `config/vllm.py:with_hf_config`). Raises ConfigError.
    """
    inner = config.text() if section is None else section
    kind = inner.string("model_type", default=model_type) if inner is not config else model_type
    named = {"model_type": kind} if kind and inner is not config else {}
    result = filled(inner, {**named, **TEXT_DEFAULTS.get(kind, {}), **defaults})
    if tied is None and not config.has("tie_word_embeddings"):
        return result
    ties = config.flag("tie_word_embeddings", default=bool(tied))
    ties = ties or (text_ties and result.flag("tie_word_embeddings"))
    return ModelConfig(raw={**result.raw, "tie_word_embeddings": ties}, path=result.path, section=result.section)


def own_section(inner: ModelConfig, model_type: str, **defaults: object) -> ModelConfig:
    """A text section with its class's defaults whose own word on tied embeddings counts, whatever the outer config says."""
    kind = inner.string("model_type", default=model_type)
    return filled(inner, {"model_type": kind, **TEXT_DEFAULTS.get(kind, {}), **defaults})


def text_spec(section: ModelConfig, outer: ModelConfig, context: BuildContext, *, architecture: str = "") -> ModelSpec:
    """The language model that `section` describes, under its own names (`model.layers` ...).

    `architecture` is what vLLM builds whatever the section says; else its `architectures` or `model_type` decide.
    `dtype` is the outer config's where the section names none. Raises ArchitectureError, ConfigError.
    """
    name = architecture or _architecture(section)
    if name == outer.architecture:
        raise outer.error("text_config", "is missing")
    adapter = plugins().adapters.get(name)
    if adapter is None:
        problem = f"is the language model of {outer.architecture} and no adapter describes it"
        raise ArchitectureError(architecture=name, problem=problem)
    raw: dict[str, object] = {**section.raw, "architectures": [name]}
    dtype = section.string("dtype", "torch_dtype") or outer.string("dtype", "torch_dtype")
    if dtype:
        raw["dtype"] = dtype
    return adapter.build(ModelConfig(raw=raw, path=section.path, section=section.section), context)


def _architecture(section: ModelConfig) -> str:
    named = section.strings("architectures")
    if named:
        return named[0]
    kind = section.string("model_type")
    if kind not in CAUSAL_LM:
        raise section.error("model_type", f"is {kind!r}, whose language model is not known")
    return CAUSAL_LM[kind]
