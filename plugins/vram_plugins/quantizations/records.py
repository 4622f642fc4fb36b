"""The forms of one model on some GPUs, each with what the whole question answers."""

from __future__ import annotations

from math import log
from typing import Any, Literal

from attrs import asdict

from vram.models.estimate import Certainty
from vram.models.performance import Workload
from vram.models.record import frozen

#: the model as it was asked for, a checkpoint of the catalog, made by vLLM while it loads, and one nobody is known to have published
Source = Literal["as it is", "published", "while loading", "unpublished"]
SOURCES: tuple[Source, ...] = ("as it is", "published", "while loading", "unpublished")

_ABOUT_THE_SAME = 1.15  # scales in one format are no more precision than in another


@frozen(kw_only=True)
class Form:
    """One way to store the weights. Sizes are bytes per GPU of the most loaded rank.

    `model` and `method` are what to give `vram estimate` as MODEL and `--quantization` (None: what the checkpoint says); of an
    unpublished one `model` is what it would be made of. `reason` says why it does not start or fit, "" where it does.
    `max_context` is at the asked users, `users` are requests of the asked length at once, both with the headroom kept.
    """

    source: Source
    model: str
    method: str | None
    quantization: str | None
    starts: bool
    fits: bool
    certainty: Certainty
    reason: str
    weights_bytes: int
    headroom_bytes: int
    tokens: int
    max_context: int
    users: int
    output_tokens_per_s: float | None = None
    output_tokens_per_s_per_user: float | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None

    @property
    def surely_fits(self) -> bool:
        """It fits, and the start is not too close to be sure."""
        return self.fits and self.certainty == "likely"


def _precision(form: Form) -> tuple[int, int, int]:
    size = round(log(max(1, form.weights_bytes), _ABOUT_THE_SAME))
    return (size, -SOURCES.index(form.source), form.weights_bytes)


@frozen(kw_only=True)
class LeftOut:
    """A method that this model is not stored in, and why."""

    method: str
    reason: str


@frozen(kw_only=True)
class Quantizations:
    """Every form, by source and then from the largest to the smallest. `assumed`: the length was nobody's."""

    model: str
    gpu: str
    gpus: int
    vllm_version: str
    max_model_len: int
    concurrency: int
    forms: tuple[Form, ...]
    left_out: tuple[LeftOut, ...] = ()
    workload: Workload | None = None
    assumed: bool = False

    @property
    def best(self) -> Form | None:
        """The largest form that surely fits and that there is; of about the same size as it is first, then published ones."""
        there = [form for form in self.forms if form.surely_fits and form.source != "unpublished"]
        return max(there, key=_precision, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        return {"schema_version": 1, **asdict(self), "best": asdict(self.best) if self.best else None}
