"""The questions that are recorded with answers of the release before, asked again of another one.

Three suites: `registry` (every registered architecture), `catalog` (every shape of the bundled catalog), `quantized` (formats on
small models). An answer has its question's `suite`, `id`, `gpu`, `tp`, `pp` and `args`, which are its key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.conformance import registry

Answer = dict[str, Any]
SUITES = ("registry", "catalog", "quantized")
CATALOG, QUANTIZED = registry.HERE / "answers.jsonl", registry.HERE / "quantized.json"


def key(answer: Answer) -> str:
    """What one answer is about."""
    return json.dumps([answer[name] for name in ("suite", "id", "gpu", "tp", "pp", "args")])


def recorded(suites: Iterable[str]) -> list[Answer]:
    """Answers that the repository has; of a question with several, the newest release's."""
    readers = {"registry": registry.answers, "catalog": lambda: registry.read(CATALOG), "quantized": _quantized}
    found = [{"pp": 1, **answer, "suite": suite} for suite in suites for answer in readers[suite]()]
    newest = sorted(found, key=lambda answer: _version(answer.get("vllm", "0")))
    return list({key(answer): answer for answer in newest}.values())


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+", maxsplit=1)[0].split(".") if part.isdigit())


def _quantized() -> list[Answer]:
    told = json.loads(QUANTIZED.read_text())
    return [
        {"id": f"{base}/{block}", "gpu": gpu, "tp": tp, "args": args, "vllm": told["vllm"]}
        | ({"error": "refused"} if size is None else {"parameter_bytes": [size]})
        for base, block, gpu, tp, args, size in told["answers"]
    ]


def config_of(answer: Answer) -> dict[str, Any]:
    """The config that the answer is about. Raises KeyError."""
    if answer["suite"] == "registry":
        return registry.config(answer["id"])
    if answer["suite"] == "catalog":
        from vram.checkpoint.catalog import find

        found = find(answer["id"])
        if found is None:
            raise KeyError(answer["id"])
        return dict(found.config.raw)
    base, block = answer["id"].split("/")
    told = json.loads(QUANTIZED.read_text())
    config, quantization = dict(told["bases"][base]), told["blocks"][block]
    if "in_text" in quantization:
        config["text_config"] = {**config["text_config"], "quantization_config": quantization["in_text"]}
        return config
    return {**config, "quantization_config": quantization}


def questions(
    answers: Iterable[Answer], new: dict[str, dict[str, Any]], *, gpus: Sequence[str], sizes: Sequence[int]
) -> Iterator[Answer]:
    """Those of recorded answers on these GPUs and sizes, and of `new` architectures by their default configs."""
    for answer in answers:
        if answer["gpu"] in gpus and answer["tp"] in sizes and answer["id"] not in new:
            files = registry.files(answer["id"]) if answer["suite"] == "registry" else {}
            yield _question(answer, config_of(answer), files)
    for name, config in sorted(new.items()):
        for gpu in gpus[:1]:
            yield _question({"suite": "registry", "id": name, "gpu": gpu, "tp": 1, "pp": 1, "args": {}}, config, {})


def _question(about: Answer, config: dict[str, Any], files: dict[str, Any]) -> Answer:
    shown = {name: about[name] for name in ("suite", "id", "gpu", "tp", "pp", "args")}
    return {
        **shown,
        "available_gib": about.get("available_gib", registry.AVAILABLE_GIB),
        "config": config,
        "files": files,
    }


def ask(python: str, asked: Iterable[Answer], out: Path) -> list[Answer]:
    """Answers to those that `out` has none of yet, which it keeps as they come; then all of them."""
    known = {key(answer) for answer in registry.read(out)}
    given, part = out.with_suffix(".questions"), out.with_suffix(".part")
    new = [question for question in asked if key(question) not in known]
    if new:
        registry.write(given, new)
        try:
            registry.ask_vllm(python, "ask_vllm.py", "--questions", str(given), "--out", str(part))
        finally:
            registry.write(out, [*registry.read(out), *registry.read(part)])
            given.unlink()
            part.unlink(missing_ok=True)
    return registry.read(out)
