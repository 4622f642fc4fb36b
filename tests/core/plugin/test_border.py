"""What crosses the border is held against its contract, and a slip is one sentence with plugin, version and hook."""

from __future__ import annotations

import threading

import pytest

from vram.architecture import DecoderFamily
from vram.errors import ConfigError, PluginError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.plugin.blame import Origin, PrintedError, silent
from vram.plugin.border import admitted

ORIGIN = Origin(plugin="mine", source="mine (vram-mine 0.1.0)", hook="vram_architecture_adapters")
CONFIG = ModelConfig(raw={"architectures": ["MineForCausalLM"]})


class Mine(ArchitectureAdapter):
    name = "mine"
    architectures = ("MineForCausalLM",)
    answer: object = None

    def build(self, config, context):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def behind(record: object) -> ArchitectureAdapter:
    return admitted(record, ArchitectureAdapter, lambda adapter: adapter.architectures, ORIGIN)


def test_what_a_plugin_did_not_expect_names_plugin_version_and_hook_and_keeps_the_cause() -> None:
    mine = Mine()
    mine.answer = ZeroDivisionError("a bug")
    with pytest.raises(PluginError) as caught:
        behind(mine).build(CONFIG, BuildContext())
    assert str(caught.value) == (
        "Plugin mine (vram-mine 0.1.0), vram_architecture_adapters: mine.build raises ZeroDivisionError: a bug. "
        "Mend it, or leave the plugin out with VRAM_DISABLED_PLUGINS=mine."
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_nonsense_is_refused_in_the_same_words() -> None:
    with pytest.raises(PluginError, match=r"vram_architecture_adapters: mine\.build must give a ModelSpec, not None\."):
        behind(Mine()).build(CONFIG, BuildContext())


def test_an_error_of_ours_goes_through() -> None:
    mine = Mine()
    mine.answer = ConfigError(path="config.json", field="a", problem="is missing")
    with pytest.raises(ConfigError):
        behind(mine).build(CONFIG, BuildContext())


def test_a_record_behind_the_border_is_itself_to_everybody_else() -> None:
    class Family(DecoderFamily):
        architectures = ("MineForCausalLM",)

    record = Family()
    guarded = behind(record)
    assert isinstance(guarded, DecoderFamily)
    assert guarded == record
    assert hash(guarded) == hash(record)
    assert guarded.frame is record.frame


def test_what_a_plugin_prints_is_kept_off_the_answer_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    def talk() -> None:
        print("hello")
        other = threading.Thread(target=print, args=("from another thread",))
        other.start()
        other.join()

    with pytest.raises(PrintedError, match="importing x prints to standard output"), silent("importing x"):
        talk()
    assert capsys.readouterr().out == "from another thread\n"


def test_ratios_of_a_config_are_not_negative_unless_a_reader_allows_it() -> None:
    config = ModelConfig(raw={"ratio": -0.5})
    with pytest.raises(ConfigError, match="at least 0"):
        config.number("ratio")
    assert config.number("ratio", low=-1) == -0.5
