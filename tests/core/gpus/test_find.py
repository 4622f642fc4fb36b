"""From a name to a GPU: spelling, words, memory, and what is refused. The catalog is a made-up one."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from vram.errors import InputError, OtherVendorError, UnknownNameError, VramError
from vram.gpus.find import all_gpus, find_gpu, namesakes, profile_for
from vram.models.profile import Gpu, OverheadProfile
from vram.units import gib


def gpu(name: str, memory_gib: float, *aliases: str, **facts) -> Gpu:
    facts = {"family": "family", "compute_capability": (9, 0), "bandwidth": 1e12, **facts}
    return Gpu(name=name, memory_bytes=gib(memory_gib), aliases=aliases, **facts)


FAMILY = OverheadProfile(
    name="family",
    gpus=(
        gpu("H100 80GB SXM", 79.19, "H100", "H100 80GB", driver_names=("NVIDIA H100 80GB HBM3",)),
        gpu("H100 80GB PCIe", 79.11, driver_names=("NVIDIA H100 PCIe",)),
        gpu("H100 64GB SXM", 63.3, "H100 64GB"),
        gpu("H100 80GB SXM MIG 3g.40gb", 39.25, "H100 3g.40gb", kind="partition"),
        gpu("RTX 4090", 23.52, kind="consumer", driver_names=("NVIDIA GeForce RTX 4090",)),
        gpu("RTX 4060 Ti", 7.62, kind="consumer"),
        gpu("RTX 4060 Ti 16GB", 15.57, kind="consumer"),
        gpu("RTX 6000 Ada", 47.36, driver_names=("NVIDIA RTX 6000 Ada Generation",)),
        gpu("Orin 64GB", 61.35, driver_names=("Orin",)),
        gpu("Orin 32GB", 29.9, driver_names=("Orin",)),
        gpu("GB10", 119.7, driver_names=("NVIDIA GB10",)),
    ),
)
GENERIC = OverheadProfile(name="generic", calibrated=False)
PROFILES = {"family": FAMILY, "preset": evolve(FAMILY, name="preset", gpu="RTX 4090"), "generic": GENERIC}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("H100", "H100 80GB SXM"),
        ("h100", "H100 80GB SXM"),
        ("NVIDIA H100", "H100 80GB SXM"),
        ("H100-80GB", "H100 80GB SXM"),
        ("h100_80gb", "H100 80GB SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB SXM"),
        ("rtx4090", "RTX 4090"),
        ("4090", "RTX 4090"),
        ("GeForce RTX 4090", "RTX 4090"),
        ("nvidia geforce rtx 4090 gpu", "RTX 4090"),
    ],
)
def test_spelling_makes_no_difference(name, found):
    assert find_gpu(name, PROFILES).name == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("H100 SXM5 80 GB", "H100 80GB SXM"),
        ("80GB PCIe H100", "H100 80GB PCIe"),
        ("Ada RTX 6000", "RTX 6000 Ada"),
        ("RTX6000 Ada Graphics Card", "RTX 6000 Ada"),
    ],
)
def test_the_order_of_words_makes_no_difference(name, found):
    assert find_gpu(name, PROFILES).name == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NVIDIA H100 (65247 MiB, some cluster)", "H100 64GB SXM"),
        ("NVIDIA GB10 (a machine of 128 GB)", "GB10"),
        ("RTX 4060 Ti (16380 MiB)", "RTX 4060 Ti 16GB"),
        ("RTX 4060 Ti (8,188 MiB)", "RTX 4060 Ti"),
        ("RTX 4090 24 GiB", "RTX 4090"),
        ("H100 (in Frankfurt)", "H100 80GB SXM"),
    ],
)
def test_a_size_in_the_name_chooses_among_boards_of_one_name(name, found):
    assert find_gpu(name, PROFILES).name == found


def test_a_size_that_no_board_of_the_name_has_is_not_answered_with_another():
    with pytest.raises(UnknownNameError, match="H100 80GB"):
        find_gpu("H100 40GB", PROFILES)


def test_a_machine_of_two_kinds_is_the_one_with_less_memory():
    assert find_gpu("RTX 4090 + RTX 4060 Ti 16GB", PROFILES).name == "RTX 4060 Ti 16GB"


def test_a_name_that_fits_several_boards_is_refused_with_their_names():
    with pytest.raises(UnknownNameError, match=r"Orin 32GB.*Orin 64GB|Orin 64GB.*Orin 32GB"):
        find_gpu("Orin", PROFILES)


@pytest.mark.parametrize(
    "name", ["H100 3g.40gb", "mig-3g.40gb", "nvidia.com/mig-3g.40gb", "H100-3g.40gb", "3g.40gb+me"]
)
def test_a_slice_is_found_by_its_profile_and_the_words_of_its_gpu(name):
    assert find_gpu(name, PROFILES).name == "H100 80GB SXM MIG 3g.40gb"


def test_a_name_that_several_cards_go_by_has_namesakes():
    def others(name: str) -> list[str]:
        return [one.name for one in namesakes(name, find_gpu(name, PROFILES), PROFILES)]

    assert others("H100") == ["H100 80GB PCIe", "H100 64GB SXM"]
    assert others("rtx 4060 ti") == ["RTX 4060 Ti 16GB"]
    assert others("H100 80GB HBM3") == others("RTX 4060 Ti 16GB") == others("Orin 64GB") == []


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean .*RTX 4090"):
        find_gpu("RTX 4091", PROFILES)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("MI300X", "AMD"),
        ("AMD Instinct MI325X", "AMD"),
        ("Gaudi 3", "Intel"),
        ("TPU v5e", "TPU"),
        ("Apple M3 Max", "Apple"),
        ("trn2", "AWS"),
        ("Tesla P100", "7.0"),
        ("GTX 1080 Ti", "7.0"),
    ],
)
def test_hardware_that_is_not_modelled_is_called_by_its_name(name, what):
    with pytest.raises(OtherVendorError, match=what):
        find_gpu(name, PROFILES)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, None, 4090, ["H100"]])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(InputError, match="name of a GPU"):
        find_gpu(name, PROFILES)


@given(name=st.text(max_size=60))
def test_any_text_is_found_or_refused(name):
    try:
        found = find_gpu(name, PROFILES)
    except VramError as error:
        assert str(error)  # noqa: PT017  both outcomes are right
    else:
        assert found in FAMILY.gpus


def test_each_gpu_is_listed_once_though_presets_repeat_it():
    assert all_gpus(PROFILES) == tuple(FAMILY.gpus)


def test_a_gpu_has_the_profile_of_its_family():
    assert profile_for(FAMILY.gpus[0], PROFILES) is FAMILY


def test_a_gpu_of_an_uncalibrated_or_unknown_family_has_the_generic_profile():
    uncalibrated = {**PROFILES, "family": evolve(FAMILY, calibrated=False)}

    assert profile_for(FAMILY.gpus[0], uncalibrated) is GENERIC
    assert profile_for(evolve(FAMILY.gpus[0], family="other"), PROFILES) is GENERIC


def test_without_a_generic_profile_an_uncalibrated_gpu_is_refused():
    with pytest.raises(UnknownNameError, match="generic"):
        profile_for(evolve(FAMILY.gpus[0], family="other"), {"family": FAMILY})
