"""What a benchmark of `vllm bench serve` measured: its result file, or the lines it printed into a log.

Names of `vllm/benchmarks/serve.py` (0.8 to 0.33): `save_to_...` and `main` write the JSON, `benchmark` prints the lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vram.errors import InputError
from vram.models.performance import Workload
from vram.models.record import frozen

LARGEST = 64 * 2**20
_BLOCK = "Serving Benchmark Result"
_LINE = re.compile(r"(?P<name>[A-Z][A-Za-z0-9 ()/]{3,60}):\s+(?P<value>[0-9.]+|inf)\s*$")
#: what is printed, under the names of the JSON
_PRINTED = {
    "Successful requests": "completed",
    "Maximum request concurrency": "max_concurrency",
    "Request rate configured (RPS)": "request_rate",
    "Benchmark duration (s)": "duration",
    "Total input tokens": "total_input_tokens",
    "Total generated tokens": "total_output_tokens",
    "Output token throughput (tok/s)": "output_throughput",
    "Mean TTFT (ms)": "mean_ttft_ms",
    "Median TTFT (ms)": "median_ttft_ms",
    "Mean TPOT (ms)": "mean_tpot_ms",
    "Median TPOT (ms)": "median_tpot_ms",
}


@frozen(kw_only=True)
class Bench:
    """One benchmark: the load, and what was measured (None: not said). Times in milliseconds, `where` is for people."""

    where: str
    load: Workload
    output_tokens_per_s: float | None
    ttft_ms: float | None
    tpot_ms: float | None


def read_benches(path: str) -> tuple[Bench, ...]:
    """The benchmarks of a result file or a log. Raises InputError where there is none."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(name="measured", value=path, problem=error.strerror or "cannot be read") from None
    if len(raw) > LARGEST:
        raise InputError(name="measured", value=path, problem=f"is larger than {LARGEST >> 20} MiB")
    text = raw.decode("utf-8", "replace")
    name = Path(path).name
    found = tuple(_bench(values, f"{name}{at}") for values, at in _runs(text))
    if not found:
        problem = "is no result of `vllm bench serve --save-result`, and has no lines that it printed"
        raise InputError(name="measured", value=path, problem=problem)
    return found


def _runs(text: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """What each run says under the JSON's names, and where it stands: a file of one, one a line, or printed blocks."""
    documents = [value for value in (_document(text), *map(_document, text.splitlines())) if value is not None]
    if documents:
        whole = documents[:1] if _document(text) is not None else documents
        yield from ((each, f":{place}" if len(whole) > 1 else "") for place, each in enumerate(whole, 1))
        return
    blocks = text.split(_BLOCK)[1:]
    for place, block in enumerate(blocks, 1):
        lines = (_LINE.search(line) for line in block.splitlines())
        pairs = ((line["name"], line["value"]) for line in lines if line)
        values = {_PRINTED[name]: float(value) for name, value in pairs if name in _PRINTED}
        if values:
            yield values, f":{place}" if len(blocks) > 1 else ""


def _document(text: str) -> Mapping[str, Any] | None:
    """A JSON object that has a throughput; None for anything else."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "output_throughput" in value else None


def _bench(values: Mapping[str, Any], where: str) -> Bench:
    completed = _number(values, "completed") or _number(values, "num_prompts")
    prompt, gen = (_number(values, f"total_{which}_tokens") for which in ("input", "output"))
    if not completed or not prompt or not gen:
        problem = "does not say how many requests it completed and of how many tokens"
        raise InputError(name="measured", value=where, problem=problem)
    rate, most = _number(values, "request_rate"), _number(values, "max_concurrency")
    load = Workload(
        prompt_tokens=max(1, round(prompt / completed)),
        gen_tokens=max(1, round(gen / completed)),
        concurrency=max(1, round(min(most or completed, completed))),
        burst=rate is None and most is None,
        request_rate=rate if most is None else None,
        requests=max(1, min(20_000, round(completed))),
    )
    return Bench(
        where=where,
        load=load,
        output_tokens_per_s=_number(values, "output_throughput"),
        ttft_ms=_number(values, "median_ttft_ms") or _number(values, "mean_ttft_ms"),
        tpot_ms=_number(values, "median_tpot_ms") or _number(values, "mean_tpot_ms"),
    )


def _number(values: Mapping[str, Any], name: str) -> float | None:
    """A positive, finite number; None where there is none (a rate of inf is a burst)."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        return None
    return float(value)
