"""Environment reports and nvidia-smi's tables, in their own shapes with figures of our own."""

from __future__ import annotations

import pytest

from vram.units import MIB
from vram_plugins.logs.surroundings import Looker, SeenGpu, Surroundings

REPORT = """\
Collecting environment information...
==============================
       PyTorch Info
==============================
PyTorch version              : 2.8.0+cu128
Is CUDA available            : True
GPU models and configuration :
GPU 0: NVIDIA A100-SXM4-80GB
GPU 1: NVIDIA A100-SXM4-80GB

Nvidia driver version        : 570.86.15
[pip3] transformers==4.57.1
vLLM Version                 : 0.11.0
"""
TABLE = """\
| NVIDIA-SMI 570.86.15              Driver Version: 570.86.15      CUDA Version: 12.8     |
|-----------------------------------------+------------------------+----------------------+
|   0  NVIDIA H100 80GB HBM3          On  |   00000000:19:00.0 Off |                    0 |
| N/A   35C    P0             71W /  700W |   60213MiB /  81559MiB |      0%      Default |
|   1  NVIDIA H100 80GB HBM3          On  |   00000000:3B:00.0 Off |                    0 |
| N/A   33C    P0             70W /  700W |       4MiB /  81559MiB |      0%      Default |
| Processes:                                                                              |
|    0   N/A  N/A          4711      C   python3                               60200MiB |
"""
OLD_TABLE = """\
| NVIDIA-SMI 525.60.13    Driver Version: 525.60.13    CUDA Version: 12.0     |
|   0  NVIDIA GeForce ...  Off  | 00000000:01:00.0  On |                  N/A |
| 30%   41C    P8    21W / 350W |    812MiB / 24576MiB |      2%      Default |
"""


def seen(text: str) -> Surroundings:
    looker = Looker()
    for number, line in enumerate(text.splitlines(), 1):
        looker.read(line, number)
    return looker.found()


def test_a_report_tells_version_driver_and_gpus() -> None:
    found = seen(REPORT)
    assert (found.vllm_version, found.driver, found.line) == ("0.11.0", "570.86.15", 8)
    assert found.gpus == (SeenGpu(name="NVIDIA A100-SXM4-80GB"),) * 2


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("vLLM Version: 0.6.3.post1@dc4aea677ab0520d91ff4979e80340cb5a090095", "0.6.3.post1"),
        ("vLLM Version                 : 0.11.1rc2.dev45+g1234567 (git sha: 1234567)", "0.11.1rc2.dev45+g1234567"),
        ("vLLM Version: N/A", None),
        ("[pip3] vllm==0.8.5", "0.8.5"),
        ("vllm                     0.10.2", "0.10.2"),
        ("I tried vllm and it failed", None),
    ],
)
def test_versions_as_reports_and_pip_write_them(line: str, version: str | None) -> None:
    assert seen(line).vllm_version == version


def test_the_reports_version_stands_over_pips() -> None:
    assert seen("[pip3] vllm==0.8.5\nvLLM Version : 0.9.1").vllm_version == "0.9.1"


def test_nvidia_smi_tells_memory_and_what_is_taken_of_it() -> None:
    """Processes are not GPUs."""
    found = seen(TABLE)
    assert found.driver == "570.86.15"
    assert found.gpus == (
        SeenGpu(name="NVIDIA H100 80GB HBM3", total_bytes=81559 * MIB, used_bytes=60213 * MIB),
        SeenGpu(name="NVIDIA H100 80GB HBM3", total_bytes=81559 * MIB, used_bytes=4 * MIB),
    )


def test_of_two_tables_the_last_counts() -> None:
    assert len(seen(TABLE + TABLE.replace("60213", "  100")).gpus) == 2
    assert seen(TABLE + TABLE.replace("60213", "  100")).gpus[0].used_bytes == 100 * MIB


def test_an_old_table_cuts_names_and_has_the_memory() -> None:
    assert seen(OLD_TABLE).gpus == (SeenGpu(name="NVIDIA GeForce ...", total_bytes=24576 * MIB, used_bytes=812 * MIB),)


def test_other_text_says_nothing() -> None:
    assert seen("It fails on GPU 0: out of memory\nvllm serve x\n| a | b |") == Surroundings()


@pytest.mark.parametrize(
    ("line", "platform"),
    [
        ("(EngineCore_0 pid=7) INFO 04-26 10:00:00 [rocm.py:525] Using Triton Attention backend.", "rocm"),
        ("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB", "rocm"),
        ("INFO 04-26 10:00:00 [cuda.py:332] Using FLASH_ATTN attention backend", "cuda"),
        ("INFO 04-26 10:00:00 [gpu_worker.py:300] Available KV cache memory: 7.53 GiB", ""),
        ("vLLM is using nccl==2.27.3", ""),  # RCCL calls itself so, too
    ],
)
def test_the_platform_is_told_by_what_only_it_prints(line: str, platform: str) -> None:
    looker = Looker()
    looker.look("CUDA graphs are captured")
    looker.look(line)
    assert looker.found().platform == platform
