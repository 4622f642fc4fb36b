"""A config as its class in transformers would fill it in or derive it."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.config import ModelConfig


def with_defaults(config: ModelConfig, defaults: Mapping[str, object]) -> ModelConfig:
    """The config with `defaults` for the fields it does not have; one set to null stays null, as in transformers."""
    missing = {name: value for name, value in defaults.items() if name not in config.raw}
    return ModelConfig(raw={**config.raw, **missing}, path=config.path, section=config.section) if missing else config


def overridden(config: ModelConfig, **fields: object) -> ModelConfig:
    """The config with fields replaced."""
    return ModelConfig(raw={**config.raw, **fields}, path=config.path, section=config.section)


def needed_section(config: ModelConfig, name: str) -> ModelConfig:
    """The section of this name. Raises ConfigError where there is none."""
    found = config.sub(name)
    if found is None:
        raise config.error(name, "is missing")
    return found


def optional_section(config: ModelConfig, name: str) -> ModelConfig:
    """The section of this name, empty where there is none. Raises ConfigError when it is no object."""
    return config.sub(name) or ModelConfig(raw={}, path=config.path, section=f"{config.section}{name}.")


#: hint of models that vLLM does not run in float16, and their model types (`config/model.py:_FLOAT16_NOT_SUPPORTED_MODELS`,
#: 0.10.0 to 0.33.0)
NO_FLOAT16 = "no_float16"
_UNSTABLE = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4", "plamo2"})


def dtype_hints(config: ModelConfig) -> frozenset[str]:
    """What the whole model's config, the outer one where it has sections, says about its dtype."""
    return frozenset({NO_FLOAT16}) if config.string("model_type") in _UNSTABLE else frozenset()
