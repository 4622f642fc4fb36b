"""A GPU on its platform: the record that a plugin gave, under the server's environment."""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import OtherVendorError
from vram.models.platform import CUDA, Chip
from vram.models.profile import Hardware
from vram.models.record import evolve
from vram.plugin.manager import Plugins
from vram.vllm.versions import Version


def on_its_platform(
    registry: Plugins, hardware: Hardware, environment: Mapping[str, str] | None, version: Version
) -> Hardware:
    """The same with its chip's platform bound; NVIDIA's as it is. Raises OtherVendorError where nobody models the platform,
    or the platform's record does not know the architecture.
    """
    chip = hardware.gpu.compute_capability
    if not isinstance(chip, Chip):
        return hardware
    record = registry.platforms.get(chip.platform)
    if record is None:
        known = ", ".join((CUDA, *registry.platforms))
        problem = f"is of the platform {chip.platform!r}, which no plugin here models (there are {known})"
        raise OtherVendorError(name="gpu", value=hardware.gpu.name, problem=problem)
    if not record.models(chip.architecture):
        problem = f"is of the architecture {chip.architecture!r}, which the platform {chip.platform} does not know"
        raise OtherVendorError(name="gpu", value=hardware.gpu.name, problem=problem)
    return evolve(hardware, gpu=evolve(hardware.gpu, compute_capability=chip.on(record, environment, version)))
