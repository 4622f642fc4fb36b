"""Builds that are no release: what they are answered as, and that the answer says so. Days are those of the package index."""

from __future__ import annotations

from pathlib import Path

import pytest

import vram
from vram.serving import parse_words
from vram.vllm import NEWEST, assumed_of, builds, format_version, parse_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        # on the way to a release
        ("v0.19.1rc1.dev123+gabc", (0, 19, 1)),
        ("0.20.0rc1.dev5+g1234.rocm700", (0, 20, 0)),
        # main, whichever it was: the newest that is known
        ("nightly", NEWEST),
        ("nightly-0123456789abcdef0123456789abcdef01234567", NEWEST),
        ("nightly-20260811abcdef12", NEWEST),  # a commit, no day
        ("main", NEWEST),
        ("latest", NEWEST),
        ("main@2026-11-20", NEWEST),  # after the newest
        # main of a day: 0.27.0 came on 2026-08-10, its patch 0.27.1 a day later from a branch, 0.28.0 on 2026-08-26
        ("main (2026-08-10)", (0, 27, 0)),
        ("main (2026-08-11)", (0, 28, 0)),
        ("nightly_main_20260811", (0, 28, 0)),
        ("2026-08-26", (0, 28, 0)),
        ("2026-08-27", (0, 29, 0)),
        ("2025-10-20", (0, 11, 1)),  # patches were of main then
        # of a month: of its middle
        ("2026-08 main", (0, 28, 0)),
        ("2024-09-01", (0, 6, 0)),
    ],
)
def test_a_build_is_answered_as_a_release_and_says_so(text, version):
    assert parse_version(text) == version
    (said,) = assumed_of(text)
    assert said.startswith(f"vLLM {text} is answered as {'.'.join(map(str, version))}, ")


def test_a_release_assumes_nothing():
    for text in (None, "", "0.19.1", "v0.14.1+rhai4", "0.22.1rc1 (vime image)", "banana"):
        assert assumed_of(text) == ()


def test_a_shallow_checkout_and_one_that_counts_its_commits_give_their_reasons():
    assert assumed_of("0.1.dev1+g5001743e3")[0].endswith("the newest release known here.")
    assert assumed_of("0.1.dev18496+gd4e0675a7")[0].endswith("0.26.0, the release before it, by its number of commits.")


def test_every_answer_says_what_it_took_a_build_for(model_folder):
    model = model_folder()
    (said,) = assumed_of("nightly")
    found = vram.estimate(model, vllm_version="nightly", gpu="MI300X", max_model_len=4096)
    assert said in found.assumed
    assert said in found.verdict.warnings
    assert vram.estimate(model, vllm_version="0.33.0", gpu="MI300X", max_model_len=4096).memory == found.memory
    planned = vram.plan(model, gpu="MI300X", vllm_version="nightly")
    assert said in planned.recommendation.estimate.verdict.warnings
    assert said not in planned.warnings
    assert vram.compare(model, gpus=["MI300X"], vllm_version="nightly").to_dict()["assumed"] == [said]
    upgraded = vram.upgrade(model, from_version="0.19.1rc1.dev3", to_version="nightly", gpu="MI300X")
    assert upgraded.before.assumed[:1] == assumed_of("0.19.1rc1.dev3")
    assert said in upgraded.after.assumed
    timed = vram.performance(model, gpu="MI300X", vllm_version="nightly", prompt_tokens=100, gen_tokens=100)
    assert said in timed.assumptions


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:nightly-abc123f0", "nightly-abc123f0"),
        ("vllm/vllm-openai-rocm:nightly", "nightly"),
        ("vllm/vllm-openai:latest", None),
        # AMD's own images state vLLM's release, or the day of main
        ("rocm/vllm:rocm7.0.0_vllm_0.11.2_20251210", "0.11.2"),
        ("rocm/vllm:rocm6.3.1_instinct_vllm0.7.3_20250325", "0.7.3"),
        ("docker.io/rocm/vllm-dev:nightly_main_20260211", "nightly_main_20260211"),
        ("rocm/vllm-dev:base", None),
        ("lmcache/vllm-openai:nightly", None),  # a vendor's tag is the vendor's version
    ],
)
def test_an_image_tag_that_says_which_build_it_is(image, version):
    assert parse_words([image, "vllm", "serve", "org/model"]).vllm_version == version


def test_the_newest_release_is_among_those_with_a_day():
    lines = (Path(builds.__file__).parent / "releases.txt").read_text().splitlines()
    newest = [line.split() for line in lines if not line.startswith("#")][-1]
    assert newest[0] == format_version(NEWEST), "a release that is known has its day in releases.txt"
    assert newest[2].isdigit()
