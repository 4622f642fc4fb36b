"""Which GPU: every kind that runs the question, asked of `vram.compare` with the prices and the targets that somebody has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import vram
from vram.checkpoint import find
from vram.models.comparison import Comparison, Row
from vram.report import Markup, join, tag
from vram.units import counted
from vram_plugins.compare.order import fewest
from vram_plugins.web.gpu_table import hour_of, table_markup, way_of
from vram_plugins.web.prices import listed
from vram_plugins.web.state import arguments_of, model_of, request_of, targets_of

_HARDWARE = frozenset({"gpu", "gpu_memory_gib", "gpus", "profile", "tensor_parallel_size", "pipeline_parallel_size"})
_OF_THE_TABLE = frozenset({"view", "sort", "filter", "ask", *_HARDWARE})
_KEPT = 16  # comparisons: sorting and filtering ask nothing again


def gpus_markup(state: Mapping[str, str], *, local_paths: bool = True) -> Markup:
    """The heading with the question, the best first row in words, and the table. Raises VramError."""
    found = compared(state, local_paths=local_paths)
    first, users = found.rows[0], request_of(state, local_paths=local_paths).concurrency or 1
    heading = f"What runs {first.model} for {counted(users, 'user')} of {first.max_model_len:,} tokens"
    fitting = [row for row in fewest(found.rows) if row.certainty == "likely"]
    rows = [row for row in fitting if row.meets is not False]
    wanted = state.get("filter", "").lower()
    shown = [row for row in rows if wanted in way_of(row).lower()]
    summary = tag("p", _summary(rows, len(fitting) - len(rows)), class_="about")
    return join((tag("h2", heading), summary, table_markup(state, shown, found), _notes(found, users)))


def compared(state: Mapping[str, str], *, local_paths: bool = True) -> Comparison:
    """The state's model and work on every known GPU, 1, 2, 4 and 8 of each; with the prices pasted, if any. Raises VramError."""
    _ = vram.compare  # a plugin's, which may be turned off since it was last asked
    model = model_of(request_of(state, local_paths=local_paths), local_paths=local_paths)
    asked = {name: value for name, value in state.items() if name not in _OF_THE_TABLE}
    if isinstance(model, str) and find(model):  # its facts do not change under the server
        return _kept(tuple(sorted(asked.items())), local_paths)
    return _compared(asked, local_paths=local_paths)


@lru_cache(maxsize=_KEPT)
def _kept(asked: tuple[tuple[str, str], ...], local_paths: bool) -> Comparison:
    return _compared(dict(asked), local_paths=local_paths)


def _compared(state: Mapping[str, str], *, local_paths: bool) -> Comparison:
    request = request_of(state, local_paths=local_paths)
    arguments = {name: value for name, value in arguments_of(request).items() if name not in _HARDWARE}
    return vram.compare(
        model_of(request, local_paths=local_paths),
        quantizations=(arguments.pop("quantization", None) or "none",),
        kv_cache_dtypes=(arguments.pop("kv_cache_dtype", None) or "auto",),
        kinds=(state["kind"],) if state.get("kind") else None,
        prices=listed(state.get("prices", "")),
        prompt_tokens=request.prompt_tokens,
        gen_tokens=request.gen_tokens,
        **targets_of(state),
        **arguments,
    )


def _summary(rows: list[Row], too_slow: int) -> str:
    """The answer in a sentence."""
    slow = f" {counted(too_slow, 'further way')} that fit do not keep the targets." if too_slow else ""
    if not rows and too_slow:
        return f"Nothing that fits keeps the targets ({counted(too_slow, 'way')})."
    if not rows:
        return "Nothing that was tried surely does: up to 8 of each GPU. A shorter context, fewer users or a quantized checkpoint may."
    usual = [row for row in rows if not (row.rare or row.slow)] or rows
    priced = [row for row in usual if row.price_per_hour is not None]
    if not priced:
        return f"Least hardware: {way_of(usual[0])}. Paste prices to see what is cheapest; none is invented here.{slow}"
    best = min(priced, key=lambda row: hour_of(row) or 0.0)
    money = f" {best.currency}" if best.currency else ""
    return f"Cheapest: {way_of(best)}, {hour_of(best):,.2f}{money} per hour.{slow}"


def _notes(found: Comparison, users: int) -> Markup:
    """What the speeds are of."""
    load = found.workload
    if load is None or not any(row.output_tokens_per_s for row in found.rows):
        return Markup()
    tokens = f"{load.prompt_tokens:,} tokens in and {load.gen_tokens:,} out each"
    words = [f"Speed is an estimate for {counted(users, 'user')} at once, {tokens}.",
             "Of each kind the fewest GPUs that fit are shown."]  # fmt: skip
    if found.targets:
        words.append(
            "With targets there are as many servers as keep them, and speeds are of one with its share of the users."
        )
    return tag("p", " ".join(words), class_="about")
