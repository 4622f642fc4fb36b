"""The same deployment under two releases: what differs is what each release answers by itself, and the reasons add up to it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.errors import VramError
from vram_plugins.upgrade.records import Upgrade
from vram_plugins.upgrade.releases import FOLLOWED, RELEASES
from vram_plugins.upgrade.upgrade import upgrade

EVERYWHERE = list(
    product(("Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "google/gemma-3-12b-it", "openai/gpt-oss-20b"), ("L40S", "H100"))
)


@pytest.fixture
def upgraded(model_folder: Callable[..., Path]) -> Callable[..., Upgrade]:
    """Llama 3.1 8B on an RTX 4090."""

    def make(old: str, new: str | None = None, **asked: Any) -> Upgrade:
        asked = {"gpu": "RTX 4090", "max_model_len": 8192, **asked}
        return upgrade(model_folder(), from_version=old, to_version=new, **asked)

    return make


def test_both_answers_are_those_of_each_release(
    upgraded: Callable[..., Upgrade], model_folder: Callable[..., Path]
) -> None:
    found = upgraded("0.10.2", "0.33.0")
    for version, answered in (("0.10.2", found.before), ("0.33.0", found.after)):
        asked = vram.estimate(model_folder(), gpu="RTX 4090", max_model_len=8192, vllm_version=version)
        assert answered.to_dict() == asked.to_dict()


def test_the_newest_is_asked_where_nobody_says_which(upgraded: Callable[..., Upgrade]) -> None:
    assert upgraded("0.32.0").after.deployment.vllm_version == "0.33.0"


def test_a_default_that_changed_is_told_with_what_it_moves(upgraded: Callable[..., Upgrade]) -> None:
    """0.20 raised gpu_memory_utilization from 0.90 to 0.92 (`config/cache.py`): 0.02 of the GPU's memory more."""
    found = upgraded("0.19.1", "0.20.0")
    told = {one.name: (one.before, one.after, one.given) for one in found.settings}
    assert told["gpu_memory_utilization"] == ("0.9", "0.92", False)
    by_share = next(one for one in found.reasons if "share of the GPU" in one.why and one.name == "kv_cache_available")
    assert by_share.release == "0.20.0"
    assert by_share.change == pytest.approx(0.02 * found.before.deployment.gpu_memory_bytes, abs=4)
    assert found.figure("budget").change == pytest.approx(by_share.change, abs=4)


def test_a_default_that_was_given_stays(upgraded: Callable[..., Upgrade]) -> None:
    found = upgraded("0.19.1", "0.20.0", gpu_memory_utilization=0.85)
    assert "gpu_memory_utilization" not in {one.name for one in found.settings}
    assert found.figure("budget").change == 0


def test_graphs_are_taken_from_the_cache_since_020(upgraded: Callable[..., Upgrade]) -> None:
    """`v1/worker/gpu_worker.py` subtracts the estimate from 0.20 on."""
    found = upgraded("0.19.1", "0.20.0")
    assert any("an estimate of CUDA graphs" in one.why and one.change < 0 for one in found.reasons)


def test_the_engine_that_serves_is_a_setting(upgraded: Callable[..., Upgrade]) -> None:
    """V0 before 0.8; every dense model on Model Runner V2 since 0.25 (`config/vllm.py`)."""
    told = {one.name: (one.before, one.after) for one in upgraded("0.7.3", "0.33.0").settings}
    assert told["engine"] == ("V0", "V1, Model Runner V2")


@pytest.mark.parametrize(("model", "gpu"), EVERYWHERE)
@pytest.mark.parametrize(("old", "new"), [("0.8.5", "0.33.0"), ("0.10.2", "0.20.0"), ("0.28.0", "0.33.0")])
def test_reasons_add_up_to_the_change(model: str, gpu: str, old: str, new: str) -> None:
    """Step by step, of every quantity that is followed; small steps are told by nobody."""
    found = upgrade(model, from_version=old, to_version=new, gpu=gpu, max_model_len=4096)
    figures = {one.name: one for one in found.figures}
    for name in FOLLOWED:
        told = sum(one.change for one in found.reasons if one.name == name)
        steps = len(RELEASES)
        untold = (
            steps * (8 << 20) if name != "kv_tokens" else steps * 0.001 * max(figures[name].before, figures[name].after)
        )
        if name == "kv_cache_available" and min(figures[name].before, figures[name].after) < 0:
            continue
        assert told == pytest.approx(figures[name].change, abs=untold), name


def test_down_is_up_the_other_way_round(upgraded: Callable[..., Upgrade]) -> None:
    up, down = upgraded("0.19.1", "0.27.0"), upgraded("0.27.0", "0.19.1")
    for one in up.figures:
        assert down.figure(one.name).change == -one.change


def test_nothing_changes_within_a_release(upgraded: Callable[..., Upgrade]) -> None:
    found = upgraded("0.27.0", "0.27.0")
    assert (found.settings, found.reasons, found.flags) == ((), (), ())
    assert all(one.change == 0 for one in found.figures)


@pytest.mark.parametrize(
    ("old", "new", "flag", "state", "instead"),
    [
        ("0.11.0", "0.33.0", "--swap-space", "gone", "--kv-offloading-size"),
        ("0.10.2", "0.33.0", "--performance-mode", "not yet", None),
    ],
)
def test_flags_that_came_and_went(
    upgraded: Callable[..., Upgrade], old: str, new: str, flag: str, state: str, instead: str | None
) -> None:
    """As vLLM's own parsers have them: `--swap-space` to 0.17, `--performance-mode` since 0.17."""
    found = upgraded(old, new, used=[flag])
    assert [(one.flag, one.state, one.instead) for one in found.flags] == [(flag, state, instead)]


def test_an_engine_argument_is_a_flag_that_is_used(upgraded: Callable[..., Upgrade]) -> None:
    assert [one.flag for one in upgraded("0.11.0", "0.33.0", swap_space=2.0).flags] == ["--swap-space"]


def test_one_that_the_other_release_lacks_is_left_out_there(upgraded: Callable[..., Upgrade]) -> None:
    """0.10.2 has no `--performance-mode`, and would stop at it; what both take stays."""
    found = upgraded("0.10.2", "0.33.0", performance_mode="throughput", max_num_seqs=64, trust_remote_code=True)
    assert [(one.flag, one.state) for one in found.flags] == [("--performance-mode", "not yet")]
    assert (found.before.deployment.max_num_seqs, found.after.deployment.max_num_seqs) == (64, 64)
    tokens = found.before.deployment.max_num_batched_tokens, found.after.deployment.max_num_batched_tokens
    assert tokens == (2048, 4096)  # throughput doubles the default (`arg_utils.py`)


def test_a_flag_that_both_take_is_not_told(upgraded: Callable[..., Upgrade]) -> None:
    assert upgraded("0.11.0", "0.33.0", max_num_seqs=64, used=["--seed"]).flags == ()


def test_known_faults_of_each_release(upgraded: Callable[..., Upgrade]) -> None:
    """Sleep mode is uncounted from 0.17 to 0.26 (`faults.toml`)."""
    found = upgraded("0.25.0", "0.33.0", enable_sleep_mode=True)
    assert {one.id: one.when for one in found.faults}["sleep-mode-uncounted"] == "before"
    assert all(one.source for one in found.faults)


def test_a_release_that_cannot_be_asked_is_refused(upgraded: Callable[..., Upgrade]) -> None:
    with pytest.raises(VramError, match=r"0\.5"):
        upgraded("0.5.0")
