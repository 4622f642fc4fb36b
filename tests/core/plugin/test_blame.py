"""A plugin's slip over a config is one sentence that names the plugin."""

from __future__ import annotations

import pytest

from vram.errors import ConfigError, PluginError
from vram.models.config import ModelConfig
from vram.plugin.blame import blamed_on


def test_what_a_plugin_did_not_expect_names_the_plugin_and_keeps_the_cause() -> None:
    with (
        pytest.raises(PluginError, match=r"adapter 'X' cannot make sense .* \(ZeroDivisionError") as caught,
        blamed_on("adapter 'X'"),
    ):
        1 / 0  # noqa: B018
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_error_of_ours_goes_through() -> None:
    with pytest.raises(ConfigError), blamed_on("adapter 'X'"):
        raise ConfigError(path="config.json", field="a", problem="is missing")


def test_ratios_of_a_config_are_not_negative_unless_a_reader_allows_it() -> None:
    config = ModelConfig(raw={"ratio": -0.5})
    with pytest.raises(ConfigError, match="at least 0"):
        config.number("ratio")
    assert config.number("ratio", low=-1) == -0.5
