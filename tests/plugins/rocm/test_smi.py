"""This machine's AMD GPUs, through a made-up AMD SMI that answers as ROCm 7's does."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from vram.errors import DetectionError
from vram.gpus import known_gpu
from vram.models.platform import architecture_name
from vram.plugin.manager import plugins
from vram.units import GIB, MIB
from vram_plugins.rocm.smi import detect


class SmiError(Exception):
    pass


def fails(*_: object) -> object:
    raise SmiError("AMDSMI_STATUS_NOT_SUPPORTED")


def machine(count: int = 2, **answers) -> SimpleNamespace:
    """An AMD SMI with `count` MI300X on xGMI; `answers` replace its functions."""
    smi = SimpleNamespace(
        AmdSmiMemoryType=SimpleNamespace(VRAM=0),
        amdsmi_init=lambda: None,
        amdsmi_shut_down=lambda: None,
        amdsmi_get_processor_handles=lambda: list(range(count)),
        amdsmi_get_gpu_asic_info=lambda h: {
            "market_name": "AMD Instinct MI300X OAM",
            "device_id": "0x74a1",
            "target_graphics_version": "gfx942",
        },
        amdsmi_get_gpu_driver_info=lambda h: {"driver_version": "6.12.12"},
        amdsmi_get_gpu_device_uuid=lambda h: f"uuid-{h}",
        amdsmi_get_gpu_memory_total=lambda h, kind: 196592 * MIB,
        amdsmi_get_gpu_memory_usage=lambda h, kind: 283 * MIB,
        amdsmi_topo_get_link_type=lambda a, b: {"hops": 1, "type": 2},
        amdsmi_get_gpu_process_list=lambda h: [{"pid": 7, "name": "python3", "memory_usage": {"vram_mem": GIB}}],
    )
    vars(smi).update(answers)
    return smi


def test_each_gpu_is_described_with_its_architecture():
    first, second = detect(machine())

    assert (first.name, first.uuid, first.driver_version) == ("AMD Instinct MI300X OAM", "uuid-0", "6.12.12")
    assert (first.total_bytes, first.free_bytes) == (196592 * MIB, (196592 - 283) * MIB)
    assert architecture_name(first.compute_capability) == "gfx942"
    assert (first.nvlink_peers, second.nvlink_peers) == ((1,), (0,))
    assert [(one.pid, one.used_bytes) for one in first.processes] == [(7, GIB)]


def test_a_detected_gpu_is_the_catalogs_with_this_machines_memory():
    gpu = known_gpu(detect(machine(1))[0], plugins().profiles)

    assert (gpu.name, gpu.platform, gpu.memory_bytes) == ("MI300X", "rocm", 196592 * MIB)


def test_what_the_library_does_not_answer_stays_open():
    silent = machine(
        1, amdsmi_get_gpu_memory_usage=fails, amdsmi_get_gpu_process_list=fails, amdsmi_get_gpu_asic_info=fails
    )

    (gpu,) = detect(silent)

    assert (gpu.name, gpu.free_bytes, gpu.processes, gpu.compute_capability) == ("unknown", None, (), None)


def test_a_library_that_does_not_start_is_an_error():
    with pytest.raises(DetectionError, match="AMD SMI does not answer"):
        detect(machine(amdsmi_init=fails))


def test_without_library_and_driver_there_is_nothing_to_say(monkeypatch):
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    monkeypatch.setattr("os.path.exists", lambda path: False)

    with pytest.raises(DetectionError) as refused:
        detect()
    assert refused.value.data["absent"]


def test_a_driver_without_the_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    monkeypatch.setattr("os.path.exists", lambda path: path == "/dev/kfd")

    with pytest.raises(DetectionError, match="amdsmi cannot be loaded"):
        detect()
