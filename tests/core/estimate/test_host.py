"""What a deployment takes beside its GPUs: rings to the byte as vLLM makes them, what is pinned, files, and what is only guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.models.estimate import Estimate, Host
from vram.units import GIB, MIB

#: Llama 3.1 8B has 8,030,261,248 parameters
LLAMA_8B_FILES = 8_030_261_248 * 2


@pytest.fixture
def host(model_folder: Callable[..., Path]) -> Callable[..., Host]:
    """What Llama 3.1 8B takes on H100s."""

    def make(**arguments: Any) -> Host:
        return answer(model_folder(), **arguments).host

    return make


def answer(model: Path, **arguments: Any) -> Estimate:
    return vram.estimate(model, gpu="H100", **{"max_model_len": 4096, "vllm_version": "0.33.0", **arguments})


def ring(mib: int, readers: int, slots: int = 10) -> int:
    """`ShmRingBuffer.total_bytes_of_buffer`: a flag of the writer and one of each reader for every chunk."""
    return (mib * MIB + (1 + readers)) * slots


def test_one_gpu_needs_no_shared_memory(host: Callable[..., Host]) -> None:
    """`UniProcExecutor` has neither rings nor NCCL."""
    assert host().shared_memory.high == 0


def test_rings_are_those_of_the_multiprocess_executor(host: Callable[..., Host]) -> None:
    """0.33.0: 10 chunks of 16 MiB to two workers, 10 of 24 MiB from each, and 6 of 4 MiB of the tensor-parallel group."""
    rings = ring(16, 2) + 2 * ring(24, 1) + ring(4, 1, slots=6)
    assert host(tensor_parallel_size=2).shared_memory.high == rings + GIB  # and what NCCL is given


def test_each_replica_and_each_pipeline_stage_has_its_rings(host: Callable[..., Host]) -> None:
    """Two replicas of two stages of two GPUs: each stage has a tensor-parallel group."""
    rings = ring(16, 4) + 4 * ring(24, 1) + 2 * ring(4, 1, slots=6)
    found = host(tensor_parallel_size=2, pipeline_parallel_size=2, data_parallel_size=2)
    assert found.shared_memory.high == 2 * rings + GIB


@pytest.mark.parametrize(
    ("version", "told", "answered"), [("0.9.0", 10, 10), ("0.9.1", 16, 10), ("0.11.0", 16, 10), ("0.11.1", 16, 24)]
)
def test_chunks_grew_with_releases(host: Callable[..., Host], version: str, told: int, answered: int) -> None:
    """`VLLM_MQ_MAX_CHUNK_BYTES_MB` came with 0.9.1, the larger default of `MessageQueue` with 0.11.1."""
    rings = ring(told, 2) + 2 * ring(answered, 1) + ring(4, 1, slots=6)
    assert host(tensor_parallel_size=2, vllm_version=version).shared_memory.high == rings + GIB


def test_the_old_engine_tells_its_workers_over_pipes(host: Callable[..., Host]) -> None:
    assert host(tensor_parallel_size=2, vllm_version="0.7.3").shared_memory.high == ring(4, 1, slots=6) + GIB


def test_a_ring_needs_its_whole_size_free_since_027(host: Callable[..., Host]) -> None:
    """`check_shm_free_space` refuses the largest, an answer's; before, pages are taken when they are written."""
    assert host(tensor_parallel_size=2, vllm_version="0.27.0").shared_memory.low == ring(24, 1)
    assert host(tensor_parallel_size=2, vllm_version="0.26.0").shared_memory.low == 0


def test_offloaded_weights_are_pinned_on_the_host(host: Callable[..., Host]) -> None:
    """4 GiB of each of two GPUs, and up to twice as much: PyTorch rounds each pinned tensor up to a power of two."""
    plain, offloaded = host(tensor_parallel_size=2), host(tensor_parallel_size=2, cpu_offload_gb=4)
    away = offloaded.ram.low - plain.ram.low
    assert 0 <= away - 2 * 4 * GIB < 2 * 128 * MIB  # the last module goes whole: gate and up of a rank are 112 MiB
    assert offloaded.ram.high - plain.ram.high == 2 * away


def test_swap_space_is_the_old_engines(host: Callable[..., Host]) -> None:
    """4 GiB for each GPU unless told otherwise, allocated at once; the new engine takes the argument and makes none."""
    old, none = host(vllm_version="0.7.3"), host(vllm_version="0.7.3", swap_space=0)
    assert old.ram.low - none.ram.low == 4 * GIB  # 32 layers of 128 MiB
    more = host(vllm_version="0.7.3", swap_space=6)  # 32 of 192 MiB, each pinned as 256
    assert more.ram.low - none.ram.low == 8 * GIB
    new = [host(vllm_version="0.10.0", swap_space=size).ram for size in (0, 4)]
    assert new[0] == new[1]


def test_files_are_as_large_as_what_is_stored(host: Callable[..., Host]) -> None:
    """Whatever the GPUs divide it over; vLLM's tables of positions (2 MiB) are in no file and stay in the number."""
    for layout in ({}, {"tensor_parallel_size": 4, "pipeline_parallel_size": 2}):
        assert 0 <= host(**layout).disk.low - LLAMA_8B_FILES < 4 * MIB


def test_a_model_that_vllm_quantizes_is_stored_whole(host: Callable[..., Host]) -> None:
    """fp8 weights take half of the GPU memory and none of the disk less."""
    assert 0 <= host(quantization="fp8").disk.low - LLAMA_8B_FILES < 4 * MIB


def test_what_is_not_arithmetic_is_said_to_be_assumed(host: Callable[..., Host]) -> None:
    found = host()
    assert found.ram.provenance == "assumed"
    assert found.ram.low < found.ram.expected < found.ram.high


def test_every_need_is_told(model_folder: Callable[..., Path]) -> None:
    """`provenance` has a note for each."""
    notes = answer(model_folder(), tensor_parallel_size=2, cpu_offload_gb=1).provenance
    told = {note.component for note in notes}
    assert {"RAM", "shared memory", "disk"} <= told
    assert any("kept on the host" in note.note for note in notes)
