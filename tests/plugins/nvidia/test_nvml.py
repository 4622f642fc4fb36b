"""This machine's GPUs, through a made-up NVML that answers as drivers do."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from vram.errors import DetectionError
from vram.units import GIB, MIB
from vram_plugins.nvidia.nvml import detect


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"code {value}")
        self.value = value


NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 3, 4, 6


def fails(code: int):
    """A question the driver answers with an error."""

    def ask(*args: object, **options: object) -> object:
        raise NVMLError(code)

    return ask


def machine(count: int = 2, **answers) -> SimpleNamespace:
    """An NVML with `count` H100, the first two of them on NVLink; `answers` replace its functions."""
    board = SimpleNamespace(total=81559 * MIB, reserved=470 * MIB, used=5000 * MIB, free=76089 * MIB)
    plain = SimpleNamespace(total=81559 * MIB, used=5470 * MIB, free=76089 * MIB)
    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        NVML_NVLINK_MAX_LINKS=18,
        NVML_P2P_CAPS_INDEX_NVLINK=2,
        NVML_P2P_STATUS_OK=0,
        nvmlMemory_v2=33554472,
        closed=False,
        nvmlInit=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "570.124.06",
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: f"gpu{index}",
        nvmlDeviceGetName=lambda handle: "NVIDIA H100 80GB HBM3",
        nvmlDeviceGetUUID=lambda handle: f"GPU-{handle}",
        nvmlDeviceGetMemoryInfo=lambda handle, version=None: board if version else plain,
        nvmlDeviceGetCudaComputeCapability=lambda handle: (9, 0),
        nvmlDeviceGetMigMode=lambda handle: (0, 0),
        nvmlDeviceGetComputeRunningProcesses=lambda handle: [SimpleNamespace(pid=42, usedGpuMemory=GIB)],
        nvmlDeviceGetGraphicsRunningProcesses=lambda handle: [],
        nvmlSystemGetProcessName=lambda pid: b"python3",
        nvmlDeviceGetNvLinkState=lambda handle, link: 1 if link < 4 else 0,
        nvmlDeviceGetP2PStatus=lambda one, other, index: 0 if {one, other} == {"gpu0", "gpu1"} else 5,
    )
    nvml.nvmlShutdown = lambda: setattr(nvml, "closed", True)
    vars(nvml).update(answers)
    return nvml


def test_each_gpu_is_described():
    first, second = detect(machine())

    assert (first.index, first.name, first.uuid) == (0, "NVIDIA H100 80GB HBM3", "GPU-gpu0")
    assert (first.total_bytes, first.used_bytes, first.free_bytes) == (81559 * MIB, 5000 * MIB, 76089 * MIB)
    assert first.compute_capability == (9, 0)
    assert first.driver_version == "570.124.06"
    assert second.index == 1


def test_what_cuda_sees_is_without_what_the_driver_keeps():
    # 81559 MiB of nvidia-smi less 470 MiB are the 81089 MiB that torch prints on this board
    assert detect(machine())[0].cuda_total_bytes == 81089 * MIB


def test_a_driver_without_the_second_memory_answer_leaves_that_open():
    def memory(handle, version=None):
        if version:
            raise NVMLError(13)
        return SimpleNamespace(total=16 * GIB, used=GIB, free=15 * GIB)

    gpu = detect(machine(nvmlDeviceGetMemoryInfo=memory))[0]

    assert (gpu.total_bytes, gpu.cuda_total_bytes) == (16 * GIB, None)


def test_memory_that_the_driver_does_not_tell_is_left_open():
    gpu = detect(machine(nvmlDeviceGetMemoryInfo=fails(NOT_SUPPORTED)))[0]  # as GB10 does

    assert (gpu.total_bytes, gpu.cuda_total_bytes, gpu.free_bytes) == (None, None, None)
    assert gpu.name == "NVIDIA H100 80GB HBM3"


def test_processes_that_hold_memory_are_listed_once():
    drawing = [SimpleNamespace(pid=42, usedGpuMemory=None), SimpleNamespace(pid=7, usedGpuMemory=MIB)]
    gpu = detect(machine(nvmlDeviceGetGraphicsRunningProcesses=lambda handle: drawing))[0]

    assert [(p.pid, p.name, p.used_bytes) for p in gpu.processes] == [(7, "python3", MIB), (42, "python3", GIB)]


def test_processes_one_may_not_see_have_no_name():
    gpu = detect(machine(nvmlSystemGetProcessName=fails(NO_PERMISSION)))[0]

    assert gpu.processes[0].name is None


def test_nvlink_is_counted_and_its_peers_named():
    gpus = detect(machine(count=3))

    assert [gpu.nvlink_links for gpu in gpus] == [4, 4, 4]
    assert [gpu.nvlink_peers for gpu in gpus] == [(1,), (0,), ()]


def test_gpus_without_nvlink_have_no_peers():
    gpus = detect(machine(nvmlDeviceGetNvLinkState=fails(NOT_SUPPORTED), nvmlDeviceGetP2PStatus=fails(NOT_SUPPORTED)))

    assert [(gpu.nvlink_links, gpu.nvlink_peers) for gpu in gpus] == [(0, ()), (0, ())]


def test_mig_slices_follow_their_gpu():
    def part(handle, slot):
        if slot > 1:
            raise NVMLError(NOT_FOUND)
        return f"{handle}-mig{slot}"

    nvml = machine(
        count=1,
        nvmlDeviceGetMigMode=lambda handle: (1, 1),
        nvmlDeviceGetMaxMigDeviceCount=lambda handle: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=part,
        nvmlDeviceGetName=lambda handle: "NVIDIA H100 80GB HBM3" + (" MIG 3g.40gb" if "mig" in handle else ""),
    )

    whole, first, second = detect(nvml)

    assert whole.mig_enabled
    assert whole.mig_parent is None
    assert (first.name, first.index, first.mig_parent) == ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", 0, 0)
    assert (second.index, second.uuid) == (1, "GPU-gpu0-mig1")


def test_a_gpu_the_driver_has_lost_does_not_hide_the_others():
    def handle(index):
        if index == 0:
            raise NVMLError(15)
        return f"gpu{index}"

    lost, other = detect(machine(nvmlDeviceGetHandleByIndex=handle))

    assert lost.problem == "the driver does not answer for it"
    assert (other.index, other.problem, other.nvlink_peers) == (1, None, ())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (12, "no NVIDIA driver is installed"),
        (9, "installed but not running"),
        (4, "may not talk to the NVIDIA driver"),
        (18, "of another version"),
        (13, "too old"),
        (15, "lost a GPU"),
        (999, "code 999"),
    ],
)
def test_a_driver_that_does_not_answer_is_a_sentence(code, words, monkeypatch):
    monkeypatch.setattr("platform.release", lambda: "6.8.0-generic")

    with pytest.raises(DetectionError, match=words) as caught:
        detect(machine(nvmlInit=fails(code)))

    assert "--gpu" in str(caught.value)


def test_on_wsl_the_advice_is_for_wsl(monkeypatch):
    monkeypatch.setattr("platform.release", lambda: "5.15.167.4-microsoft-standard-WSL2")

    with pytest.raises(DetectionError, match="/usr/lib/wsl/lib"):
        detect(machine(nvmlInit=fails(12)))


def test_a_driver_that_fails_later_is_closed_all_the_same():
    nvml = machine(nvmlDeviceGetCount=fails(999))

    with pytest.raises(DetectionError, match="code 999"):
        detect(nvml)

    assert nvml.closed


def test_a_machine_without_gpus_says_so():
    with pytest.raises(DetectionError, match="has no GPU"):
        detect(machine(count=0))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    with pytest.raises(DetectionError, match="pip install nvidia-ml-py"):
        detect()
