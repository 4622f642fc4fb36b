"""Constants in force: a profile's own, else the fallback's, which is held against what the families measured."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from vram.architecture.runners import fused_all_reduce_mib
from vram.estimate.memory import constants
from vram.estimate.memory.constants import FALLBACK, constant
from vram.models.profile import Constant, OverheadProfile
from vram.profiles import read_profile
from vram.units import GIB
from vram.vllm.versions import Version, behaviour

EMPTY = OverheadProfile(name="empty")
#: GB10 and Thor share the host's memory: what their logs call non-torch is the host's too
UNLIKE_OTHERS = {"gb10_thor"}
FILES = Path(__file__).parents[4] / "overhead_profiles"
MEASURED = [
    profile
    for profile in (read_profile(file) for file in sorted(FILES.glob("*.toml")) if file.stem not in UNLIKE_OTHERS)
    if profile.constants and all(gpu.platform == "cuda" for gpu in profile.gpus)
]
NAMES = sorted({one.name for one in FALLBACK})
#: one version of each span of each constant
SPANS = sorted({(one.name, one.since) for one in FALLBACK})


def measured(name: str, since: Version) -> list[float]:
    """What families have logs for, over the same span of versions."""
    return [
        one.value for p in MEASURED for one in p.constants if (one.name, one.since) == (name, since) and one.samples
    ]


def span(name: str) -> list[Constant]:
    return sorted((one for one in FALLBACK if one.name == name), key=lambda one: one.since)


@pytest.mark.parametrize("name", NAMES)
def test_spans_of_versions_follow_each_other_without_a_gap(name: str) -> None:
    spans = span(name)
    for earlier, later in pairwise(spans):
        assert earlier.until == later.since
    assert spans[-1].until is None


def test_spans_begin_where_vllm_changed() -> None:
    def begins(name: str) -> list[Version]:
        return [one.since for one in span(name)]

    assert begins("forward_hidden_factor") == begins("activation_spread") == [(0, 0, 0), (0, 8, 0)]  # the V1 engine
    # a span of its own since free memory is what is measured (0.27)
    assert begins("non_torch_bytes") == [(0, 0, 0), (0, 18, 0), (0, 27, 0)]
    assert behaviour((0, 27, 0)).total_consumed
    assert not behaviour((0, 26, 0)).total_consumed
    # the snapshot after NCCL, and full decode graphs
    assert begins("tensor_parallel_bytes") == begins("graph_base_bytes") == begins("graph_layer_bytes")
    assert begins("tensor_parallel_bytes") == [(0, 0, 0), (0, 11, 0)]
    # what a version does not have at all, its span does not have either
    (fused,), (charged,) = begins("fused_all_reduce_bytes"), begins("graph_charged_share")
    assert fused_all_reduce_mib(fused, capability=(9, 0), tp=2, pp=1, dp=1, eager=False)
    assert begins("fused_all_reduce_rank_bytes") == [fused] == [(0, 17, 0)]
    assert charged == (0, 18, 0)  # where VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS can ask for it
    assert begins("graph_charged_compressed_layer_bytes") == [charged]
    # measured at 0.10, 0.12 and 0.26; wheels of 0.9 are the first that no driver before CUDA 12.4 is likely to run
    assert begins("graph_all_reduce_bytes") == [(0, 0, 0), (0, 9, 0), (0, 11, 0), (0, 20, 0)]
    for name in NAMES:
        if len(begins(name)) == 1 and name not in (
            "graph_charged_share",
            "fused_all_reduce_bytes",
            "fused_all_reduce_rank_bytes",
            "graph_charged_compressed_layer_bytes",
        ):
            assert begins(name) == [(0, 0, 0)]


@pytest.mark.parametrize(("name", "version"), SPANS)
def test_a_fallback_is_assumed_and_lies_within_its_ends(name: str, version: Version) -> None:
    found = constant(EMPTY, name, version)
    assert found.since == version
    assert 0 <= found.low < found.value < found.high
    assert found.provenance == "assumed"


@pytest.mark.parametrize(("name", "version"), [place for place in SPANS if measured(*place)])
def test_a_fallback_is_the_middle_of_what_families_measured_and_its_ends_hold_them_all(
    name: str, version: Version
) -> None:
    found, values = constant(EMPTY, name, version), measured(name, version)
    if len(values) > 2:  # two have no middle; where few logs tell it is rather too much than too little
        assert 0.75 * median(values) <= found.value <= 1.5 * median(values)
    assert found.low <= min(values)
    assert max(values) <= found.high


def test_what_lies_outside_pytorch_is_usually_a_tenth_to_six_tenths_of_a_gib() -> None:
    # notes on vLLM's memory, 6.1: kernels loaded late, workspaces and channels after the snapshot
    assert 0.1 * GIB < constant(EMPTY, "non_torch_bytes", (0, 19, 0)).value < 0.6 * GIB
    assert 0.1 * GIB < constant(EMPTY, "non_torch_bytes", (0, 33, 0)).value < 0.6 * GIB


HOPPER = next(profile for profile in MEASURED if profile.name == "hopper")


@pytest.mark.parametrize(
    "own", [one for one in HOPPER.constants if one.samples > 1], ids=lambda one: f"{one.name} {one.since}"
)
def test_an_assumed_interval_is_at_least_as_wide_as_the_one_that_most_logs_gave(own: Constant) -> None:
    # other families are assumed to be like Hopper, and known less well
    assumed = constant(EMPTY, own.name, own.since)
    assert assumed.low <= own.low
    assert own.high <= assumed.high


def test_a_profiles_own_constant_comes_before_the_fallback_for_its_versions_only() -> None:
    mine = Constant(
        name="non_torch_bytes", value=1.0, low=1.0, high=1.0, provenance="measured", source="logs", since=(0, 18, 0),
        until=(0, 27, 0),
    )  # fmt: skip
    profile = OverheadProfile(name="mine", constants=(mine,))
    for version, is_mine in (((0, 17, 9), False), ((0, 18, 0), True), ((0, 26, 9), True), ((0, 27, 0), False)):
        assert (constant(profile, "non_torch_bytes", version) is mine) is is_mine
    assert constant(profile, "graph_spread", (0, 18, 0)) == constant(EMPTY, "graph_spread", (0, 18, 0))


def test_what_nobody_knows_is_nothing() -> None:
    found = constant(EMPTY, "fused_all_reduce_bytes", (0, 16, 0))
    assert (found.value, found.low, found.high, found.provenance) == (0, 0, 0, "assumed")


def test_tables_are_kept_by_profile_and_forgotten_when_they_are_many() -> None:
    def value(profile: OverheadProfile) -> float:
        return constant(profile, "graph_spread", (0, 33, 0)).value

    def profile(spread: float) -> OverheadProfile:
        one = Constant(name="graph_spread", value=spread, low=0, high=9, provenance="measured", source="")
        return OverheadProfile(name="p", constants=(one,))

    profiles = [profile(float(number)) for number in range(600)]
    most = 0
    for number, one in enumerate(profiles):
        assert value(one) == number
        most = max(most, len(constants._TABLES))
    assert most <= 256
    assert [value(one) for one in (profiles[599], profiles[0])] == [599, 0]
    # a profile at the address of one that is gone is not taken for it
    constants._TABLES[id(profiles[5]), (0, 33, 0)] = (profiles[1], {})
    assert value(profiles[5]) == 5
