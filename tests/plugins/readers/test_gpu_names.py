"""From a cloud's, a driver's or a tool's name of a GPU to the one that the profiles have."""

from __future__ import annotations

import pytest

from vram.gpus import all_gpus
from vram.plugin import plugins
from vram_plugins.readers.gpu_names import _labels, _machines, by_label, gpu_named, machine, mig, partition, uncertain


def test_every_line_of_the_tables_names_a_gpu_of_the_profiles() -> None:
    known = {gpu.name for gpu in all_gpus(plugins().profiles)}
    assert {*_labels().values()} <= known
    assert {held.gpu for held in _machines().values()} <= known


@pytest.mark.parametrize(
    ("label", "gpu"),
    [
        ("NVIDIA-H100-80GB-HBM3", "H100 80GB SXM"),
        ("NVIDIA-A100-SXM4-40GB-SHARED", "A100 40GB SXM"),
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "A100 80GB SXM MIG 1g.10gb"),
        ("Tesla-T4", "T4"),
        ("nvidia-tesla-a100", "A100 40GB SXM"),
        ("A100_PCIE_80GB", "A100 80GB PCIe"),
        ("A100-80GB", "A100 80GB SXM"),
        ("RTX4090", "RTX 4090"),
        ("MI300X", "MI300X"),
        ("AMD_Instinct_MI300X_OAM", "MI300X"),
        ("true", None),
        ("x" * 500, None),
    ],
)
def test_labels(label: str, gpu: str | None) -> None:
    assert gpu_named(label) == gpu


def test_machines_have_gpus_of_one_kind() -> None:
    found = {name: machine(name) for name in ("g5.12xlarge", "g5.2xlarge", "g5", "ml.p4d.24xlarge", "m5.large")}
    told = {name: (held.gpu, held.count) if held else None for name, held in found.items()}
    assert told == {
        "g5.12xlarge": ("A10G", 4),
        "g5.2xlarge": ("A10G", 1),
        "g5": ("A10G", None),
        "ml.p4d.24xlarge": ("A100 40GB SXM", 8),
        "m5.large": None,
    }


def test_labels_that_say_nothing_of_a_gpu_are_none() -> None:
    assert by_label("kubernetes.io/os", "linux") is None
    assert by_label("accelerator", "nvidia") is None
    assert by_label("nvidia.com/gpu.product", "no-such-gpu-9") == (None, None)


def test_a_slice_is_of_the_gpu_that_is_named_or_of_the_only_one_that_has_it() -> None:
    assert mig("3g.20gb", None) == "A100 40GB SXM MIG 3g.20gb"
    assert mig("1g.10gb", None) is None
    assert mig("1g.10gb", "H100 80GB SXM") == "H100 80GB SXM MIG 1g.10gb"
    assert mig("9g.99gb", "H100 80GB SXM") is None
    assert partition("nvidia.com/mig-3g.20gb") == "3g.20gb"
    assert partition("nvidia.com/gpu") is None


def test_a_plain_name_of_two_boards_says_which_is_assumed() -> None:
    assert "A100 80GB SXM" in uncertain("a100", gpu_named("a100"))[0]
    assert uncertain("A100-80GB", "A100 80GB SXM") == ()
