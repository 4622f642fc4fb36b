"""What is known: models of the bundled catalog, and GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vram_plugins.programs.fields import Properties
from vram_plugins.programs.files import Files

if TYPE_CHECKING:
    from vram.checkpoint import CatalogModel
    from vram.models.profile import Gpu

MODEL_FIELDS: Properties = {
    "search": {"type": "string", "maxLength": 200, "description": "Those whose id contains it."},
}
GPU_FIELDS: Properties = {
    "search": {"type": "string", "maxLength": 200, "description": "Those whose name, alias or kind contains it."},
}
_FACTS = ("id", "shape", "architecture", "parameters", "stored_bytes", "quantization")


def models(question: Mapping[str, Any], _: Files) -> tuple[CatalogModel, ...]:
    """Those of the catalog whose id contains what is searched for."""
    from vram.checkpoint import list_catalog

    wanted = question.get("search", "").lower()
    return tuple(entry for entry in list_catalog() if wanted in entry.id.lower())


def models_answer(found: tuple[CatalogModel, ...]) -> list[dict[str, Any]]:
    """Their facts; the configs themselves are `vram models --json`."""
    return [{name: getattr(entry, name) for name in _FACTS} for entry in found]


def gpus(question: Mapping[str, Any], _: Files) -> tuple[Gpu, ...]:
    """Those whose name, alias or kind contains what is searched for."""
    from vram.gpus import all_gpus
    from vram.plugin import plugins

    wanted = question.get("search", "").lower()
    known = all_gpus(plugins().profiles)
    return tuple(gpu for gpu in known if any(wanted in name.lower() for name in (gpu.name, gpu.kind, *gpu.aliases)))


def gpus_answer(found: tuple[Gpu, ...]) -> list[dict[str, Any]]:
    """Their facts, as `vram profiles --json` has them."""
    from vram_plugins.profiles.facts import gpu_to_dict

    return [gpu_to_dict(gpu) for gpu in found]
