"""What is known of a profile or GPU: for JSON, and one fact a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict

from vram.models.platform import architecture_name
from vram.models.profile import Gpu, OverheadProfile


def print_facts(facts: Mapping[str, Any], indent: int = 0) -> None:
    """Nested facts, one a line."""
    import click

    for key, value in facts.items():
        if isinstance(value, Mapping):
            click.echo(f"{' ' * indent}{key}:")
            print_facts(value, indent + 2)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            click.echo(f"{' ' * indent}{key}:")
            for item in value:
                print_facts(item, indent + 2)
                click.echo()
        elif value not in (None, "", [], ()):
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            click.echo(f"{' ' * indent}{key}: {text}")


def gpu_to_dict(gpu: Gpu) -> dict[str, Any]:
    """One GPU's facts for JSON."""
    facts = asdict(gpu)
    facts["compute_capability"] = architecture_name(gpu.compute_capability)
    facts["platform"] = gpu.platform
    facts["dense_flops"] = dict(gpu.dense_flops)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}


def profile_to_dict(profile: OverheadProfile) -> dict[str, Any]:
    """One profile's facts for JSON, its GPUs under `gpus`."""
    facts = asdict(profile, filter=lambda a, _: a.name not in {"gpus", "constants"})
    return {
        **{key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()},
        "gpus": [gpu_to_dict(gpu) for gpu in profile.gpus],
        "constants": [asdict(constant) for constant in profile.constants],
    }
