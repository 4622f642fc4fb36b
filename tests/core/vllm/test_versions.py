"""Reading version texts."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram.vllm.versions import (
    NEWEST,
    behaviour,
    beyond_knowledge,
    has_kernels_for,
    nearest_for,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.19.1", (0, 19, 1)),
        ("v0.14.1+rhai0", (0, 14, 1)),
        ("0.26.1rc1.dev608+g99a10304d", (0, 26, 1)),
        # setuptools-scm's name for a checkout without tags: how many commits it has tells its time
        ("0.1.dev18496+gd4e0675a7", (0, 26, 0)),
        ("0.1.dev20073", (0, 29, 0)),
        ("0.1.dev30000", NEWEST),
        ("0.1.dev1+g5001743e3", NEWEST),  # a shallow checkout tells nothing
        ("0.1", NEWEST),
    ],
)
def test_versions_of_releases_and_builds(text, version):
    assert parse_version(text) == version


def test_what_is_too_old_or_no_version_is_refused():
    for text in (
        "0.5.5",
        "banana",
        "fork (not stated)",
        "maintenance",
        "2026-02-31",
        "2024-01-01",
        "nightly\x1b[2J",
        "",
    ):
        with pytest.raises(InputError):
            parse_version(text)


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.19", (0, 19, 0)), ("0.6.0", (0, 6, 0)), ("v1.2.3", (1, 2, 3)), ("0.33.1.dev4+g1", (0, 33, 1))],
)
def test_a_patch_that_is_left_out_is_the_first(text, version):
    assert parse_version(text) == version


def test_only_a_newer_minor_release_is_beyond_what_is_known():
    assert beyond_knowledge((0, 33, 0)) is None
    assert beyond_knowledge((0, 33, 9)) is None  # patches of the newest known release keep its rules
    assert beyond_knowledge((0, 32, 5)) is None
    for newer, text in (((0, 34, 0), "0.34.0"), ((1, 0, 0), "1.0.0")):
        assert f"vLLM {text} is newer than 0.33.0" in str(beyond_knowledge(newer))


def test_the_oldest_known_release_is_read_and_the_one_before_refused():
    assert parse_version("0.6.0") == (0, 6, 0)
    for text in ("0.5.9", "0.1.1"):
        with pytest.raises(InputError, match=r"older than 0\.6\.0"):
            parse_version(text)


def test_values_that_changed_between_versions():
    # gpu_memory_utilization 0.9 became 0.92 with 0.20; the group-size factor is new in 0.12 (1.25) and 1.5 since 0.18
    assert [behaviour(v).default_utilization for v in ((0, 19, 1), (0, 20, 0), (0, 33, 0))] == [0.9, 0.92, 0.92]
    factors = [behaviour(v).group_padding_factor for v in ((0, 11, 2), (0, 12, 0), (0, 17, 1), (0, 18, 0), (0, 33, 0))]
    assert factors == [0.0, 1.25, 1.25, 1.5, 1.5]


@pytest.mark.parametrize(
    ("rule", "before", "first"),
    [
        ("v1", (0, 7, 3), (0, 8, 0)),  # the V1 worker is the default
        ("charges_cuda_graphs", (0, 19, 1), (0, 20, 0)),  # VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS defaults to 1
        ("tokens_from_concurrency", (0, 20, 0), (0, 20, 1)),  # "GPU KV cache size" = int(concurrency × max_model_len)
        ("batches_hold_items", (0, 24, 0), (0, 25, 0)),
        ("in_flight_windows", (0, 25, 1), (0, 26, 0)),  # max_in_flight_tokens in a window's need
        ("total_consumed", (0, 26, 0), (0, 27, 0)),  # non-KV memory is a difference of free memory
        ("blocks_per_request", (0, 26, 0), (0, 27, 0)),  # concurrency = blocks / blocks of one request
        ("has_160_gib_tier", (0, 27, 1), (0, 28, 0)),
        ("reserves_null_block", (0, 28, 0), (0, 29, 0)),
    ],
)
def test_a_rule_begins_with_the_first_wheel_that_has_it(rule, before, first):
    # section 0 of the notes on vLLM's memory: the timeline of what changes the numbers
    assert getattr(behaviour(before), rule) is False
    assert getattr(behaviour(first), rule) is True
    assert getattr(behaviour((0, 33, 0)), rule) is True


@pytest.mark.parametrize(
    ("capability", "release", "nearest"),
    [
        ((7, 0), "0.20.0", "0.19.1"),  # CUDA 13 has no 7.0
        ((12, 0), "0.8.5", "0.9.0"),  # PyTorch 2.6 for CUDA 12.4 has none for Blackwell, 2.7 for 12.8 has
        ((10, 0), "0.8.5", "0.9.0"),
        ((10, 3), "0.9.0", "0.9.0"),
        ((9, 0), "0.6.6", "0.6.6"),
    ],
)
def test_the_nearest_release_whose_wheel_runs_on_a_gpu(capability: tuple[int, int], release: str, nearest: str) -> None:
    found = nearest_for(capability, parse_version(release))

    assert found == parse_version(nearest)
    assert has_kernels_for(capability, parse_version(release)) is (release == nearest)
