"""Estimate ↔ the JSON contract of design.md section 6."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from vram.models.estimate import SCHEMA_VERSION, Estimate


def estimate_to_dict(estimate: Estimate) -> dict[str, Any]:
    """Plain dicts, lists, numbers and text. `explanation` is left out: it is for people (`--explain`)."""
    content = asdict(estimate, filter=lambda attribute, _: attribute.name != "explanation")
    return {"schema_version": SCHEMA_VERSION, **_lists(content)}


def _lists(value: Any) -> Any:
    """Tuples as lists, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_lists(item) for item in value]
    return value
