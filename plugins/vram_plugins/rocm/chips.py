"""AMD's architectures, as vLLM tells them apart (`platforms/rocm.py`: `on_*`, `get_cdna_version`, 0.33.0)."""

from __future__ import annotations

from collections.abc import Mapping

#: what ROCm's wheels and images are built for (`docker/Dockerfile.rocm_base`, `CMakeLists.txt:HIP_SUPPORTED_ARCHS`)
_KNOWN = frozenset(
    {
        *("gfx908", "gfx90a", "gfx942", "gfx950"),
        *("gfx1100", "gfx1101", "gfx1102", "gfx1150", "gfx1151", "gfx1152", "gfx1153"),
        *("gfx1200", "gfx1201"),
    }
)
_CDNA: Mapping[str, int] = {"gfx908": 1, "gfx90a": 2, "gfx942": 3, "gfx950": 4}


def known(architecture: str) -> bool:
    """Whether vLLM is built for it."""
    return architecture in _KNOWN


def cdna(architecture: str) -> int:
    """The generation of an Instinct accelerator; 0 for a Radeon."""
    return _CDNA.get(architecture, 0)


def rdna4(architecture: str) -> bool:
    """Whether it is a Radeon of the fourth generation."""
    return architecture.startswith("gfx120")


def fp8_matrices(architecture: str) -> bool:
    """Whether it multiplies fp8 in hardware (`platforms/rocm.py:supports_fp8`): fnuz on CDNA 3, OCP on CDNA 4 and RDNA 4."""
    return cdna(architecture) >= 3 or rdna4(architecture)
