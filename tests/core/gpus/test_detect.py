"""This machine's GPUs from the detectors of plugins, and which of the known ones a detected GPU is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from vram import hookimpl
from vram.errors import DetectionError, UnknownNameError
from vram.gpus.detect import detect_gpus, known_gpu
from vram.models.detected import DetectedGpu, GpuDetector
from vram.models.profile import Gpu, OverheadProfile
from vram.plugin import manager
from vram.plugin.manager import Plugins
from vram.units import MIB, gib

A, B = (DetectedGpu(index=0, name=name) for name in ("A", "B"))


def refuses(problem: str) -> Callable[[], tuple[DetectedGpu, ...]]:
    def detect() -> tuple[DetectedGpu, ...]:
        raise DetectionError(problem=problem, next="Buy one.")

    return detect


def breaks() -> tuple[DetectedGpu, ...]:
    raise ZeroDivisionError("a bug")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """Plugins of which one gives detectors: functions by name."""

    def install(**functions: Callable[[], tuple[DetectedGpu, ...]]) -> Plugins:
        module = ModuleType("detectors")
        given = [GpuDetector(name=name, detect=function) for name, function in functions.items()]
        module.vram_gpu_detectors = hookimpl(lambda: given)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "detectors", module)
        made = Plugins([EntryPoint(name="detectors", value="detectors", group="vram")], disabled=())
        monkeypatch.setattr(manager, "_current", made)
        return made

    return install


def test_the_gpus_of_every_vendor_are_listed(registry: Callable[..., Plugins]) -> None:
    registry(one=lambda: (A,), other=lambda: [B], absent=refuses("no driver"))

    assert detect_gpus() == (A, B)


def test_a_detector_that_breaks_is_named_and_skipped(registry: Callable[..., Plugins]) -> None:
    made = registry(broken=breaks, good=lambda: (A,))

    assert detect_gpus() == detect_gpus() == (A,)
    assert [failure.error for failure in made.failures] == [
        "vram_gpu_detectors: broken.detect raises ZeroDivisionError: a bug"
    ]


def test_the_only_refusal_is_passed_on_as_it_is(registry: Callable[..., Plugins]) -> None:
    registry(one=refuses("no driver"))

    with pytest.raises(DetectionError, match=r"No GPU could be read: no driver\. Buy one\."):
        detect_gpus()


def test_several_refusals_are_one_sentence(registry: Callable[..., Plugins]) -> None:
    registry(one=refuses("no green driver"), other=refuses("no red driver"))

    with pytest.raises(DetectionError, match=r"no green driver; no red driver\. .*--gpu"):
        detect_gpus()


def test_without_a_detector_it_says_so(registry: Callable[..., Plugins]) -> None:
    registry()

    with pytest.raises(DetectionError, match="no plugin asks this machine for its GPUs"):
        detect_gpus()


def board(name: str, memory_gib: float) -> Gpu:
    return Gpu(name=name, family="f", memory_bytes=gib(memory_gib), compute_capability=(8, 9), bandwidth=1e12)


PROFILES = {"f": OverheadProfile(name="f", gpus=(board("RTX 4060 Ti", 7.62), board("RTX 4060 Ti 16GB", 15.57)))}


def test_a_detected_gpu_is_the_one_of_the_catalog_with_its_own_memory():
    found = known_gpu(
        DetectedGpu(index=0, name="NVIDIA GeForce RTX 4060 Ti", total_bytes=8188 * MIB, cuda_total_bytes=7806 * MIB),
        PROFILES,
    )

    assert (found.name, found.memory_bytes, found.memory_provenance) == ("RTX 4060 Ti", 7806 * MIB, "measured")


def test_boards_of_one_name_are_told_apart_by_their_memory():
    found = known_gpu(
        DetectedGpu(index=0, name="NVIDIA GeForce RTX 4060 Ti", total_bytes=16380 * MIB, cuda_total_bytes=15944 * MIB),
        PROFILES,
    )

    assert (found.name, found.memory_bytes) == ("RTX 4060 Ti 16GB", 15944 * MIB)


def test_a_detected_gpu_of_unknown_memory_has_that_of_the_catalog():
    found = known_gpu(DetectedGpu(index=0, name="NVIDIA GeForce RTX 4060 Ti"), PROFILES)

    assert found.memory_bytes == gib(7.62)


def test_a_detected_gpu_that_no_profile_knows_is_refused():
    with pytest.raises(UnknownNameError):
        known_gpu(DetectedGpu(index=0, name="NVIDIA GeForce RTX 9999"), PROFILES)
