"""An Estimate read back from the JSON that `Estimate.to_dict` gives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from vram.errors import InputError
from vram.models.estimate import SCHEMA_VERSION, Estimate

if TYPE_CHECKING:
    from cattrs import Converter


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
