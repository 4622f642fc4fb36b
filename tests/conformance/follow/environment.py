"""An environment in which vLLM's GPU wheel imports on a machine without a GPU, made from the wheel's own requirements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: the families of torch and CUDA, and kernels' sources: not needed, or stood in for (an installed `cutlass` would not be)
_LEFT_OUT = (
    "torch", "torchaudio", "torchvision", "torchcodec", "pynvvideocodec", "tilelang", "nvidia-", "nvtx", "fastsafetensors",
    "instanttensor", "quack-kernels", "tokenspeed-mla", "setuptools",
)  # fmt: skip
#: wanted as they are, without what they require (torch's CUDA builds, CUTLASS)
_ALONE = (
    "flashinfer-python", "humming-kernels", "numba", "depyf", "xgrammar", "compressed-tensors", "opencv", "anthropic", "mcp",
    "model-hosting", "apache-tvm-ffi",
)  # fmt: skip
#: of what those require, the parts that are imported
_BESIDE = (
    "astor", "dill", "loguru", "llvmlite", "nvidia-cudnn-frontend", "cuda-bindings", "cuda-pathfinder", "nvidia-ml-py",
    "tabulate", "click",
)  # fmt: skip


def sorted_requirements(requires: list[str]) -> tuple[list[str], list[str]]:
    """Of a wheel's requirements, those to install with theirs, and those to install alone."""
    usual, alone = [], []
    for one in requires:
        name = one.lower().replace("_", "-")
        if "extra ==" in one or name.startswith(_LEFT_OUT):
            continue
        (alone if name.startswith(_ALONE) else usual).append(one)
    return usual, alone


def make(version: str, folder: Path, *, torch: str, torchvision: str) -> str:
    """The Python of a new environment with vLLM's GPU wheel; 6 GB and five minutes. Raises CalledProcessError."""
    python = str(folder / "bin/python")
    if not Path(python).exists():
        _run(sys.executable, "-m", "venv", str(folder))
    _pip(python, f"torch=={torch}", "numpy")
    _pip(python, "--no-deps", f"torchvision=={torchvision}", f"vllm=={version}")
    told = subprocess.run(
        [python, "-c", "import importlib.metadata as m; print(*m.requires('vllm'), sep='\\n')"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    usual, alone = sorted_requirements(told.splitlines())
    _pip(python, f"torch=={torch}", *usual)
    _pip(python, "--no-deps", *(_without_extras(one) for one in alone), *_BESIDE)
    return python


def _without_extras(requirement: str) -> str:
    name, bracket, rest = requirement.partition("[")
    return name + rest.partition("]")[2] if bracket else requirement


def _pip(python: str, *words: str) -> None:
    _run(python, "-m", "pip", "install", "-q", *words)


def _run(*words: str) -> None:
    subprocess.run(words, check=True)
