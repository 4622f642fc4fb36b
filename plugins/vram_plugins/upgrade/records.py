"""One deployment under two releases of vLLM, as records."""

from __future__ import annotations

from typing import Any, Literal

from vram.models.estimate import Estimate
from vram.models.record import frozen, plain

FlagState = Literal["gone", "not yet", "both", "neither"]


@frozen(kw_only=True)
class Figure:
    """One quantity before and after: bytes, tokens, requests or a ratio (`unit`)."""

    name: str
    unit: Literal["bytes", "tokens", "requests", "ratio"]
    before: float
    after: float

    @property
    def change(self) -> float:
        """After less before."""
        return self.after - self.before


@frozen(kw_only=True)
class Setting:
    """What a release takes where nobody says otherwise, or makes of what was said; only those that differ."""

    name: str
    before: str
    after: str
    given: bool = False


@frozen(kw_only=True)
class Reason:
    """Why a quantity moved with a release: by how much, in its own unit, and through what."""

    release: str
    name: str
    change: float
    why: str


@frozen(kw_only=True)
class FlagChange:
    """A flag that was used: whether each release takes it, and what took its place."""

    flag: str
    state: FlagState
    since: str | None
    gone: str | None
    instead: str | None


@frozen(kw_only=True)
class KnownFault:
    """A fault of a release that this deployment meets, in `before`, `after` or `both` of the two."""

    id: str
    when: Literal["before", "after", "both"]
    words: str
    source: str


@frozen(kw_only=True)
class Upgrade:
    """The same deployment before and after. `reasons` are in the order of releases."""

    before: Estimate
    after: Estimate
    figures: tuple[Figure, ...]
    settings: tuple[Setting, ...]
    reasons: tuple[Reason, ...]
    flags: tuple[FlagChange, ...]
    faults: tuple[KnownFault, ...]

    def figure(self, name: str) -> Figure:
        """The quantity of that name. Raises KeyError."""
        found = next((one for one in self.figures if one.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text, for JSON."""
        figures = [{**plain(one), "change": _number(one.change)} for one in self.figures]
        return {
            "schema_version": 1,
            "from": self.before.deployment.vllm_version,
            "to": self.after.deployment.vllm_version,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "components": figures,
            "settings": [plain(one) for one in self.settings],
            "reasons": [plain(one) for one in self.reasons],
            "flags": [plain(one) for one in self.flags],
            "faults": [plain(one) for one in self.faults],
        }


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 4)
