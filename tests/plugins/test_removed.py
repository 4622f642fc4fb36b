"""Without any one of the built-in plugins the program answers, and names what it no longer knows."""

from __future__ import annotations

from importlib.metadata import distribution

import pytest

import vram
from vram.errors import VramError
from vram.plugin.manager import Plugins, use_plugins

ENTRY_POINTS = tuple(distribution("vram-estimator").entry_points.select(group="vram"))
WHOLE = Plugins(ENTRY_POINTS, disabled=())
KINDS = ("schemes", "kv_dtypes", "adapters", "profiles", "artifacts", "commands")


@pytest.fixture(params=sorted(entry.name for entry in ENTRY_POINTS))
def removed(request, monkeypatch: pytest.MonkeyPatch):
    """The program without one plugin, in this process."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    without = Plugins(ENTRY_POINTS, disabled=(request.param,))
    former = use_plugins(without)
    yield request.param, without
    use_plugins(former)


def test_the_rest_still_answers_or_names_what_is_missing(removed) -> None:
    name, without = removed

    def answered() -> vram.Estimate | VramError:
        try:
            return vram.estimate("Qwen/Qwen3-8B", gpu="H100", max_model_len=4096)
        except VramError as error:
            return error

    answer = answered()
    by_hand = {  # what this deployment itself is made of: without it, one sentence or an answer labelled assumed
        "arch_llama_kin": "assumed", "arch_llama": "assumed", "gpus_hopper": "H100", "kv_unquantized": "auto", "gpus_generic": "generic",
    }  # fmt: skip
    if isinstance(answer, VramError):
        assert name in by_hand, f"{name} is not part of this answer: {answer}"
        assert by_hand[name] in str(answer) or "Unknown" in str(answer)
    else:
        assert answer.memory.weights.expected > 0
    without.load_all()
    assert not without.failures


def test_what_it_gave_is_gone_and_nothing_else(removed) -> None:
    name, without = removed
    gone = [(kind, set(getattr(WHOLE, kind)) - set(getattr(without, kind))) for kind in KINDS]
    kinds_gone = [kind for kind, names in gone if names]
    assert kinds_gone, f"{name} gives nothing"
    assert [info.name for info in without.infos if info.disabled] == [name]
    for kind in KINDS:  # what is left is what was there
        assert set(getattr(without, kind)) <= set(getattr(WHOLE, kind))


def test_a_format_that_is_gone_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in [each for each in ENTRY_POINTS if each.name.startswith("kv_") and each.name != "kv_unquantized"]:
        without = Plugins(ENTRY_POINTS, disabled=(entry.name,))
        lost = sorted(set(WHOLE.kv_dtypes) - set(without.kv_dtypes))
        former = use_plugins(without)
        try:
            with pytest.raises(VramError, match=lost[0]):
                vram.estimate("Qwen/Qwen3-8B", gpu="B200", kv_cache_dtype=lost[0])
        finally:
            use_plugins(former)
