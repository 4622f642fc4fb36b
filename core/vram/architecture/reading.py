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
