"""Put a followed release's answers where the tests read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conformance import registry
from tests.conformance.follow.asking import CATALOG, QUANTIZED, Answer, key

#: not kept: what a question and its suite say already, or what is long
_DROPPED = ("suite", "specs", "trace", "tensors", "kv")


def record(answers: Sequence[Answer], registered: dict[str, Any]) -> None:
    """The registry's in place of the release before; the catalog's beside it; the formats' in its place."""
    by_suite: dict[str, list[Answer]] = {}
    for answer in answers:
        by_suite.setdefault(answer["suite"], []).append(answer)
    registry.add(registered)
    registry.record({name: v for name, v in one.items() if name != "suite"} for one in by_suite.get("registry", ()))
    record_catalog(by_suite.get("catalog", []), CATALOG)
    if by_suite.get("quantized"):
        record_quantized(by_suite["quantized"], QUANTIZED)


def record_catalog(new: Sequence[Answer], file: Path) -> None:
    """Answers of other releases stay: they are what rules by version are held against."""
    releases = {answer["vllm"] for answer in new if "error" not in answer}
    kept = [answer for answer in registry.read(file) if answer["vllm"] not in releases]
    built = [{k: v for k, v in one.items() if k not in _DROPPED} for one in new if "error" not in one]
    registry.write(file, [*kept, *built])


def record_quantized(new: Sequence[Answer], file: Path) -> None:
    """Sizes of what was asked, null where it is refused; what was not asked stays as it was."""
    told = json.loads(file.read_text())
    found = {key(answer): answer for answer in new}
    answers = []
    for base, block, gpu, tp, args, size in told["answers"]:
        about = {"suite": "quantized", "id": f"{base}/{block}", "gpu": gpu, "tp": tp, "pp": 1, "args": args}
        answer = found.get(key(about))
        sizes = answer.get("parameter_bytes", [None]) if answer else [size]
        answers.append([base, block, gpu, tp, args, sizes[0]])
    version = next(answer["vllm"] for answer in new if "error" not in answer)
    sections = [f'"{name}": {{\n{_lines(told[name])}\n}}' for name in ("bases", "blocks")]
    listed = ",\n".join(json.dumps(answer, separators=(",", ":")) for answer in answers)
    file.write_text(f'{{"vllm": "{version}",\n' + ",\n".join(sections) + f',\n"answers": [\n{listed}\n]}}\n')


def _lines(section: dict[str, Any]) -> str:
    return ",\n".join(f'"{name}": {json.dumps(value, separators=(",", ":"))}' for name, value in section.items())
