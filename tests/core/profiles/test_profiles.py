"""Profile files: what they mean, and that everything else is refused with file and field."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vram.errors import ProfileError, VramError
from vram.profiles import open_profiles, read_profile, read_profiles
from vram.units import GIB, gib

FAMILY = """
name = "made_up"
aliases = ["made-up"]
description = "Boards that do not exist"
compute_capability = "9.0"
source = "imagination"

[[presets]]
name = "made_up_pair"
gpu = "M100"
gpu_count = 2

[[gpus]]
name = "M100"
driver_names = ["NVIDIA M100"]
aliases = ["M"]
memory_gib = 80
readings_gib = [79.5, 80]
sm_count = 100
bandwidth_gb_s = 2000
dense_tflops = { fp16 = 500, fp8 = 1000 }
nvlink_gb_s = 450
board_power_w = 700
mig = [{ profile = "1g.10gb", memory_gib = 9.5, sm_count = 10, memory_slices = 1 }]
vgpu = [{ profile = "M100-40", memory_gib = 38 }]

[[constants]]
name = "non_torch_bytes"
value = 100
low = 50
high = 200
provenance = "measured"
source = "3 logs"
samples = 3
since = "0.18.0"
until = "0.27.0"
"""


@pytest.fixture
def write(tmp_path: Path):
    """Writes a profile file and gives its path."""

    def make(text: str | bytes = FAMILY) -> Path:
        path = tmp_path / "made_up.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return make


def test_a_file_becomes_a_profile(write):
    profile = read_profile(write())

    assert (profile.name, profile.aliases, profile.source) == ("made_up", ("made-up",), "imagination")
    assert profile.calibrated
    assert profile.fragmentation_factor == 1.0


def test_a_gpu_has_its_facts_in_bytes_and_per_second(write):
    gpu = read_profile(write()).gpus[0]

    assert gpu.memory_bytes == 80 * GIB
    assert gpu.memory_readings == (gib(79.5), 80 * GIB)
    assert gpu.bandwidth == 2e12
    assert gpu.dense_flops == (("fp16", 5e14), ("fp8", 1e15))
    assert (gpu.interconnect, gpu.link) == (4.5e11, "nvlink")
    assert gpu.family == "made_up"
    assert gpu.source == "imagination"


def test_memory_with_a_reading_is_measured_and_without_one_assumed(write):
    assert read_profile(write()).gpus[0].memory_provenance == "measured"
    without = FAMILY.replace("readings_gib = [79.5, 80]\n", "")
    assert read_profile(write(without)).gpus[0].memory_provenance == "assumed"


def test_a_rate_the_chip_has_not_is_none(write):
    gpu = read_profile(write()).gpus[0]

    assert gpu.flops("fp8") == 1e15
    assert gpu.flops("fp4") is None


def test_a_mig_slice_has_its_share_of_rates_and_bandwidth(write):
    part = read_profile(write()).gpus[1]

    # 10 of 100 SMs; 1 of 8 memory slices of 2000 GB/s
    assert part.name == "M100 MIG 1g.10gb"
    assert part.driver_names == ("NVIDIA M100 MIG 1g.10gb",)
    assert part.memory_bytes == gib(9.5)
    assert part.flops("fp16") == pytest.approx(5e13)
    assert part.bandwidth == pytest.approx(2.5e11)
    assert (part.interconnect, part.link, part.kind) == (None, None, "partition")


def test_a_vgpu_has_a_part_of_the_memory_and_all_of_the_speed(write):
    part = read_profile(write()).gpus[2]

    assert (part.name, part.aliases) == ("M100-40C", ("M100-40Q",))
    assert part.memory_bytes == 38 * GIB
    assert part.bandwidth == 2e12
    assert part.memory_provenance == "assumed"


def test_a_preset_is_a_profile_with_a_gpu_and_a_count(write):
    family, pair = read_profiles(write())

    assert (pair.name, pair.gpu, pair.gpu_count) == ("made_up_pair", "M100", 2)
    assert pair.constants == family.constants
    assert family.gpu is None


def test_a_constant_holds_for_a_range_of_versions(write):
    constant = read_profile(write()).constants[0]

    assert (constant.low, constant.value, constant.high, constant.samples) == (50, 100, 200, 3)
    assert (constant.since, constant.until) == ((0, 18, 0), (0, 27, 0))


def test_a_family_without_constants_is_not_calibrated(write):
    assert not read_profile(write(FAMILY[: FAMILY.index("[[constants]]")])).calibrated


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("sm_count = 100", "sm_cout = 100", "gpus[0].'sm_cout'"),
        ("sm_count = 100", "sm_count = 100.5", "gpus[0].sm_count"),
        ("sm_count = 100", "sm_count = true", "gpus[0].sm_count"),
        ("memory_gib = 80\n", "", "gpus[0].memory_gib is missing"),
        ("memory_gib = 80\n", "memory_gib = -80\n", "gpus[0].memory_gib"),
        ("memory_gib = 80\n", "memory_gib = nan\n", "gpus[0].memory_gib"),
        ("memory_gib = 80\n", "memory_gib = inf\n", "gpus[0].memory_gib"),
        ("memory_gib = 80\n", 'memory_gib = "80"\n', "gpus[0].memory_gib"),
        ("memory_gib = 80\n", f"memory_gib = {'9' * 5000}\n", "is not TOML"),
        ("memory_gib = 80\n", f"memory_gib = {'9' * 400}\n", "gpus[0].memory_gib"),
        ("[79.5, 80]", "[79.5, -80]", "gpus[0].readings_gib"),
        ("[79.5, 80]", "79.5", "gpus[0].readings_gib"),
        ("fp8 = 1000", "fp9 = 1000", "gpus[0].dense_tflops.'fp9'"),
        ("fp8 = 1000", "fp8 = nan", "gpus[0].dense_tflops.fp8"),
        ('aliases = ["M"]', "aliases = [1]", "gpus[0].aliases"),
        ('aliases = ["M"]', 'aliases = "M"', "gpus[0].aliases"),
        ('name = "M100"', 'name = ""', "gpus[0].name"),
        ('name = "M100"', 'name = "M\\n100"', "gpus[0].name"),
        ('"9.0"', "9.0", "compute_capability"),
        ('"9.0"', '"9"', "compute_capability"),
        ('"9.0"', '"9.²"', "compute_capability"),
        ("sm_count = 10,", "sm_count = 0,", "gpus[0].mig[0].sm_count"),
        ('vgpu = [{ profile = "M100-40", memory_gib = 38 }]', "vgpu = [38]", "gpus[0].vgpu"),
        ("value = 100", "value = 100000", "constants[0].value"),
        ("low = 50", "low = -50", "constants[0].low"),
        ('provenance = "measured"', 'provenance = "guessed"', "constants[0].provenance"),
        ('since = "0.18.0"', 'since = "0.18"', "constants[0].since"),
        ('gpu = "M100"', 'gpu = "M200"', "gpu of 'made_up_pair'"),
        ("gpu_count = 2", "gpu_count = 0", "presets[0].gpu_count"),
        ('name = "made_up"\n', "", "name is missing"),
        ('source = "imagination"', "fragmentation_factor = 0.5", "fragmentation_factor"),
        ('source = "imagination"', "calibrated = 1", "calibrated"),
        ('source = "imagination"', "gpus = 3", "gpus"),
    ],
)
def test_what_is_not_understood_is_refused_with_file_and_field(write, old, new, field):
    assert old in FAMILY
    path = write(FAMILY.replace(old, new, 1) if new != "gpus = 3" else 'name = "made_up"\ngpus = 3\n')

    with pytest.raises(ProfileError) as caught:
        read_profiles(path)

    assert field in str(caught.value)
    assert str(path) in str(caught.value)


def test_two_gpus_of_one_name_are_refused(write):
    gpus = FAMILY[FAMILY.index("[[gpus]]") : FAMILY.index("[[constants]]")]

    with pytest.raises(ProfileError, match="'M100' twice"):
        read_profiles(write(FAMILY + gpus))


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"name = ", b"x" * (2**20 + 1), b"a = " + b"[" * 5000 + b"]" * 5000, b""]
)
def test_a_broken_file_is_refused(write, text):
    with pytest.raises(ProfileError):
        read_profiles(write(text))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ProfileError, match="Overhead profile"):
            read_profiles(path)


VALUES = st.one_of(
    st.none().map(lambda _: '""'),
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda b: str(b).lower()),
    st.sampled_from(["[]", "{}", "[[]]", "[{}]", "{ name = 1 }", "1979-05-27", '"1.2"', '"M100"', "[nan]"]),
)
FIELDS = ["name", "aliases", "description", "compute_capability", "source", "calibrated", "fragmentation_factor"]
FIELDS += ["gpu", "gpu_count", "presets", "gpus", "constants", "memory_gib"]


@settings(max_examples=150, deadline=None)
@given(values=st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_any_value_of_any_field_is_read_or_refused(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("any") / "any.toml"
    path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()))

    try:
        read_profiles(path)
    except VramError as error:
        assert str(path) in str(error)  # noqa: PT017  both outcomes are right


def test_reading_later_gives_the_same_as_reading_now(write):
    path = write()

    for now, later in zip(read_profiles(path), open_profiles(path), strict=True):
        assert (later.name, later.aliases, later.gpu, later.calibrated) == (
            now.name,
            now.aliases,
            now.gpu,
            now.calibrated,
        )
        assert tuple(later.gpus) == now.gpus
        assert tuple(later.constants) == now.constants
        assert later.gpus[0] == now.gpus[0]
        assert len(later.gpus) == 3
        assert tuple(later.gpus[1:]) == now.gpus[1:]


def test_an_outline_is_the_gpus_own_record_in_short(write):
    (profile, *_) = open_profiles(write(FAMILY))
    whole = [gpu for gpu in read_profile(write(FAMILY)).gpus if gpu.kind != "partition"]

    assert [one.read() for one in profile.gpus.outlines] == whole
    for one, gpu in zip(profile.gpus.outlines, whole, strict=True):
        short = (one.name, one.memory_bytes, one.bandwidth, one.kind, one.unified_memory)
        assert short == (gpu.name, gpu.memory_bytes, gpu.bandwidth, gpu.kind, gpu.unified_memory)


def test_a_preset_of_a_gpu_that_is_not_there_is_refused_when_gpus_are_read(write):
    (profile, *_) = open_profiles(write(FAMILY.replace('gpu = "M100"', 'gpu = "no such"')))
    with pytest.raises(ProfileError, match="no such"):
        len(profile.gpus)


def test_reading_later_puts_off_a_broken_gpu_until_it_is_asked_for(write):
    (profile, _) = open_profiles(write(FAMILY.replace("sm_count = 100", "sm_count = -1")))

    assert profile.name == "made_up"
    with pytest.raises(ProfileError, match="sm_count"):
        profile.gpus[0]


def test_reading_a_profile_imports_no_cattrs(write):
    script = (
        "import pathlib, sys; from vram.profiles import read_profile\n"
        f"read_profile(pathlib.Path({str(write())!r})); print('cattrs' in sys.modules)"
    )

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "False"
