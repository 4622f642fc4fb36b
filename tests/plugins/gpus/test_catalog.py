"""The catalog that ships: complete, plausible, and found by the names people and drivers use."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from vram.gpus.find import all_gpus, find_gpu, profile_for
from vram.models.platform import architecture_name
from vram.plugin.manager import Plugins
from vram.profiles import read_profiles
from vram.profiles.spelling import names, unbranded
from vram.units import GIB, gib
from vram_plugins.gpus import FAMILIES
from vram_plugins.gpus._root import profile_file

ENTRY_POINTS = [EntryPoint(name="gpus", value="vram_plugins.gpus", group="vram")]
PROFILES = Plugins(entry_points=ENTRY_POINTS, disabled=()).profiles
GPUS = all_gpus(PROFILES)
WHOLE = [gpu for gpu in GPUS if gpu.kind != "partition"]
PARTS = [gpu for gpu in GPUS if gpu.kind == "partition"]
of_each_family = pytest.mark.parametrize("family", FAMILIES)


def members(gpus, family: str):
    return [gpu for gpu in gpus if gpu.family == family]


def test_the_package_is_an_entry_point_and_has_every_file():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"]["vram"]

    assert {entry.name: entry.value for entry in ENTRY_POINTS}.items() <= declared.items()
    files = (Path(__file__).parents[3] / "overhead_profiles").glob("*.toml")
    assert sorted(FAMILIES) == sorted(file.stem for file in files)


@of_each_family
def test_every_file_reads_and_is_named_after_its_profile(family):
    assert read_profiles(profile_file(family))[0].name == family


def test_there_are_more_than_a_hundred_gpus_of_every_kind():
    assert len(WHOLE) > 100
    assert {gpu.kind for gpu in WHOLE} == {"data centre", "workstation", "consumer", "laptop", "embedded"}
    assert len(PARTS) > 50


@of_each_family
def test_every_gpu_has_its_facts_and_their_sources(family):
    for gpu in members(GPUS, family):
        assert gpu.source
        assert gpu.memory_source
        assert gpu.sm_count
        assert gpu.bandwidth >= 60e9 / 8  # an eighth of an Orin Nano's 68 GB/s, and more
        assert gpu.flops("fp16")
        if gpu.platform != "cuda":
            continue  # the next test's
        assert (gpu.flops("bf16") is None) == (gpu.compute_capability < (8, 0))
        assert (gpu.flops("fp8") is None) == (gpu.compute_capability < (8, 9))
        assert (gpu.flops("fp4") is None) == (gpu.compute_capability < (10, 0))


def test_amds_gpus_have_narrow_types_where_their_matrix_units_do():
    # AMD's CDNA 3 and 4 whitepapers, RDNA 4 instruction set guide
    for gpu in GPUS:
        if gpu.platform == "rocm":
            architecture = architecture_name(gpu.compute_capability)
            assert gpu.flops("bf16")
            assert bool(gpu.flops("fp8")) == architecture.startswith(("gfx94", "gfx95", "gfx12"))
            assert bool(gpu.flops("fp4")) == architecture.startswith("gfx95")


@of_each_family
def test_measured_memory_has_a_reading_and_other_memory_a_reason(family):
    for gpu in members(WHOLE, family):
        if gpu.memory_provenance == "measured":
            assert gpu.memory_bytes in gpu.memory_readings
        else:
            assert any(word in gpu.memory_source for word in ("as ", "less", "slices", "BIOS"))
        # two readings of one board differ by what drivers keep (0.3 GiB), ECC or firmware (2.1 GiB, GB10)
        assert all(abs(reading - gpu.memory_bytes) < 2.1 * GIB for reading in gpu.memory_readings)


#: the same per compute unit, by what an architecture's name begins with: AMD's CDNA whitepapers and RDNA instruction set guides
AMD = {"gfx908": 1024, "gfx90a": 1024, "gfx94": 2048, "gfx95": 4096, "gfx11": 512, "gfx12": 1024}


def operations_per_sm_and_clock(gpu) -> int:
    """FP16 products accumulated in FP32, dense, per SM and clock: NVIDIA's architecture whitepapers.

    GeForce boards from Turing on do half of what the same chip does on professional boards.
    """
    if gpu.platform == "rocm":
        return next(each for start, each in AMD.items() if architecture_name(gpu.compute_capability).startswith(start))
    halved = 2 if gpu.kind in ("consumer", "laptop") or gpu.name in ("A10G", "L40") else 1
    if gpu.compute_capability in ((8, 0), (8, 7)):
        return 2048
    return {7: 1024 // halved, 8: 1024 // halved, 9: 4096, 10: 8192, 11: 8192, 12: 1024 // halved}[
        gpu.compute_capability[0]
    ]


@of_each_family
def test_rates_agree_with_the_number_of_sms_at_a_clock_such_boards_have(family):
    for gpu in members(WHOLE, family):
        clock = gpu.flops("fp16") / gpu.sm_count / operations_per_sm_and_clock(gpu)

        if gpu.name in ("L20", "H20", "H20 141GB", "RTX 5090 D"):  # rates cut for export, not SMs
            assert clock < 2e9
        else:
            assert 0.6e9 < clock < (2.75e9 if gpu.platform == "cuda" else 3.2e9)  # boost clocks


@of_each_family
def test_narrower_types_are_faster_but_for_what_blackwell_ultra_gave_up(family):
    for gpu in members(WHOLE, family):
        rates = [gpu.flops(dtype) for dtype in ("tf32", "fp16", "fp8", "fp4")]
        known = [rate for rate in rates if rate is not None]

        assert known == sorted(known)
        if gpu.compute_capability != (10, 3):
            assert (gpu.flops("int8") or known[-1]) >= gpu.flops("fp16")


def test_no_two_gpus_share_a_name_but_for_orin_whose_driver_prints_one_for_all():
    owners: dict[str, set[str]] = {}
    for gpu in GPUS:
        for name in names(gpu):
            owners.setdefault(unbranded(name), set()).add(gpu.name)

    assert [name for name, gpus in owners.items() if len(gpus) > 1] == ["orin"]


@of_each_family
def test_every_gpu_is_found_by_each_of_its_names(family):
    for gpu in members(GPUS, family):
        for name in names(gpu):
            if name != "Orin":
                assert find_gpu(name, PROFILES) is gpu


@of_each_family
def test_a_part_is_smaller_than_its_gpu(family):
    for part in members(PARTS, family):
        whole = min(
            (gpu for gpu in WHOLE if part.name.startswith(f"{gpu.name} MIG ")), key=lambda g: -len(g.name), default=None
        )
        if whole is not None:
            assert part.memory_bytes <= whole.memory_bytes
            assert part.flops("fp16") <= whole.flops("fp16")
            assert part.bandwidth <= whole.bandwidth


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("h100", "H100 80GB SXM"),
        ("H100 80GB", "H100 80GB SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB SXM"),
        ("NVIDIA H100", "H100 80GB SXM"),
        ("NVIDIA H100 SXM 80GB", "H100 80GB SXM"),
        ("NVIDIA H100 (65247 MiB, MareNostrum 5)", "H100 64GB SXM"),
        ("NVIDIA H100 PCIe", "H100 80GB PCIe"),
        ("a100", "A100 80GB SXM"),
        ("a100-40gb", "A100 40GB SXM"),
        ("NVIDIA A100-PCIE-40GB", "A100 40GB PCIe"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB SXM"),
        ("rtx4090", "RTX 4090"),
        ("4090", "RTX 4090"),
        ("4090 laptop", "RTX 4090 Laptop"),
        ("3090ti", "RTX 3090 Ti"),
        ("NVIDIA GeForce RTX 2060 12GB", "RTX 2060 12GB"),
        ("RTX PRO 6000", "RTX PRO 6000 Blackwell Workstation Edition"),
        ("NVIDIA RTX PRO 6000 Blackwell Server", "RTX PRO 6000 Blackwell Server Edition"),
        (
            "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition (97,887 MiB)",
            "RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        ),
        ("l40s", "L40S"),
        ("GH200", "GH200 96GB"),
        ("NVIDIA GH200 480GB", "GH200 96GB"),
        ("NVIDIA V100 32GB", "V100 SXM2 32GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA GB10 (DGX Spark class, 128 GB unified)", "GB10"),
        ("NVIDIA Jetson AGX Thor (128 GB unified)", "Jetson Thor"),
        ("NVIDIA GeForce RTX 5070 Ti 16303MiB + NVIDIA GeForce RTX 5090 D 32607MiB", "RTX 5070 Ti"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "A100 40GB SXM MIG 1g.5gb"),
        ("H100 MIG 3g.40gb", "H100 80GB SXM MIG 3g.40gb"),
        ("NVIDIA A40-48Q", "A40-48C"),
    ],
)
def test_names_people_type_and_logs_print_are_found(name, found):
    assert find_gpu(name, PROFILES).name == found


@pytest.mark.parametrize(
    ("name", "gib_seen"),
    [
        # totals printed by vLLM or torch on these boards: start-up logs, and vLLM issues 12030 and 27508
        ("H100", 79.19),
        ("NVIDIA H100 NVL", 93.02),
        ("H200", 139.8),
        ("NVIDIA A100-PCIE-40GB", 39.38),
        ("L40S", 44.42),
        ("T4", 14.56),
        ("V100 32GB", 31.74),
        ("RTX 3090", 23.57),
        ("RTX 5090", 31.36),
        ("B200", 178.35),
        ("RTX A2000 12GB", 11.53),
    ],
)
def test_memory_is_what_cuda_reported(name, gib_seen):
    assert find_gpu(name, PROFILES).memory_bytes == pytest.approx(gib(gib_seen), abs=0.015 * GIB)


@pytest.mark.parametrize(
    ("preset", "gpu", "count"),
    [("hopper_80gb", "H100 80GB SXM", 1), ("ada_16gb", "RTX 4080", 1), ("dual_gpu_studio", "RTX 4090", 2)],
)
def test_presets_stand_for_a_deployment(preset, gpu, count):
    profile = PROFILES[preset]

    assert (profile.gpu, profile.gpu_count) == (gpu, count)
    assert find_gpu(gpu, PROFILES) in profile.gpus


def test_generic_is_the_policy_for_gpus_that_nobody_has_calibrated():
    generic = PROFILES["generic"]
    values = {constant.name: constant.value for constant in generic.constants}

    assert not generic.calibrated
    assert generic.fragmentation_factor == 1.15
    assert values == {"fixed_overhead_bytes": GIB, "fixed_overhead_fraction": 0.02, "per_extra_gpu_bytes": GIB // 4}
    assert {constant.provenance for constant in generic.constants} == {"assumed"}


def test_every_gpu_has_a_profile():
    for gpu in GPUS:
        assert profile_for(gpu, PROFILES).name in (gpu.family, "generic")


def test_a_name_written_in_one_file_is_found_without_reading_the_others():
    profiles = Plugins(entry_points=ENTRY_POINTS, disabled=()).profiles

    find_gpu("RTX 4090", profiles)

    read = {name for name, profile in profiles.items() if "_items" in vars(profile.gpus)} if profiles else set()
    assert read == {"ada", "ada_16gb", "dual_gpu_studio"}
