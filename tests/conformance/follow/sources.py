"""The Python sources of a release: a folder named by its version, with the package below as `vllm`."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def fetch(version: str, folder: Path) -> Path:
    """`folder/VERSION`, unpacked from the release's wheel where it is not there yet. Raises CalledProcessError."""
    found = folder / version
    if not (found / "vllm").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--python-version", "3.12",
             f"vllm=={version}", "-d", str(folder)],
            check=True,
        )  # fmt: skip
        (wheel,) = folder.glob(f"vllm-{version}-*.whl")
        unpack(wheel, found)
        wheel.unlink()
    return found


def unpack(wheel: Path, folder: Path) -> None:
    """The Python files of vLLM's package."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("vllm/") and name.endswith(".py")]
        archive.extractall(folder, names)
