"""A deployment and what it could have besides, as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.models.estimate import Estimate, Limits
from vram.models.record import frozen, plain


@frozen(kw_only=True)
class Addition:
    """Something more for the same deployment, asked as a whole.

    `arguments` are those of `vram.estimate`, `words` the flags, `what` the thing in words and `costs` what it costs. `cost_bytes`
    is what the KV cache of each GPU has less (negative: more), `host_bytes` what all machines need more of RAM; both "at
    least" where `unmodelled` says what is not counted. `limits` and `changes` are the new deployment's; `refusal` says why it does
    not start or fit.
    """

    name: str
    what: str
    arguments: Mapping[str, Any]
    words: str
    costs: str
    cost_bytes: int
    host_bytes: int
    limits: Limits
    fits: bool
    refusal: str | None = None
    unmodelled: str | None = None
    changes: tuple[str, ...] = ()


@frozen(kw_only=True)
class Additions:
    """The deployment as asked, and what could come to it; nothing for one that does not fit, and `problem` says so."""

    estimate: Estimate
    additions: tuple[Addition, ...]
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text, for JSON."""
        return {
            "schema_version": 1,
            "estimate": self.estimate.to_dict(),
            "additions": [plain(one) for one in self.additions],
            "problem": self.problem,
        }
