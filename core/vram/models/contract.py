"""Estimate ↔ the JSON contract of design.md section 6."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from vram.errors import InputError
from vram.models.estimate import SCHEMA_VERSION, Estimate
from vram.models.record import FIELDS

if TYPE_CHECKING:
    from cattrs import Converter


def estimate_to_dict(estimate: Estimate) -> dict[str, Any]:
    """Plain dicts, lists, numbers and text. `explanation` is left out: it is for people (`--explain`)."""
    content = _plain(estimate)
    del content["explanation"]
    return {"schema_version": SCHEMA_VERSION, **content}


def estimate_from_dict(content: Mapping[str, object]) -> Estimate:
    """The Estimate of a contract read back, without its explanation. Raises InputError where it is none, or a later one's."""
    if not isinstance(content, Mapping) or content.get("schema_version") != SCHEMA_VERSION:
        version = content.get("schema_version") if isinstance(content, Mapping) else None
        raise InputError(name="schema_version", value=version, problem=f"must be {SCHEMA_VERSION}")
    fields = {name: value for name, value in content.items() if name != "schema_version"}
    try:
        return _converter().structure(fields, Estimate)
    except Exception as error:  # cattrs gathers whatever was raised on the way
        from cattrs import transform_error

        problems = "; ".join(transform_error(error))[:400]
        raise InputError(name="estimate", value=None, problem=f"is not an estimate's JSON ({problems})") from error


@cache
def _converter() -> Converter:
    from cattrs import Converter  # slow to import, and only readers need it

    return Converter(forbid_extra_keys=True)


def _plain(value: Any) -> Any:
    """Records as dicts and tuples as lists, as JSON reads them back."""
    fields = getattr(value, FIELDS, None)
    if fields is not None:
        return {name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
