"""Every number for NVIDIA's GPUs as it was before platforms had records of their own (30 November 2026).

`tests/data/nvidia_numbers.json` holds the seed, the models and GPUs drawn from, and eight hexadecimal digits for each of 5,000
answers: the numbers of the JSON contract, no words. A slice runs by default; all of them with VRAM_EVERY_NUMBER=1; a number
that was changed on purpose is kept with VRAM_UPDATE_NUMBERS=1.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

from tests.regression.estimates import arguments

import vram

_FILE = Path(__file__).parents[1] / "data" / "nvidia_numbers.json"
_SHARED = Path(__file__).parents[3] / "shared" / "model_configs"
_UPDATE = bool(os.environ.get("VRAM_UPDATE_NUMBERS"))
_EVERY = 1 if _UPDATE or os.environ.get("VRAM_EVERY_NUMBER") else 25
_NUMBERS = ("memory", "ranks", "kv_cache", "limits")


def _numbers(case: dict[str, Any]) -> Any:
    try:
        answer = vram.estimate(**case).to_dict()
    except vram.VramError as error:
        return type(error).__name__
    verdict = answer["verdict"]
    checks = [(check["name"], check["passed"]) for check in verdict["checks"]]
    said = [verdict[name] for name in ("starts", "fits", "oom_risk", "certainty")]
    return [*({name: answer[name]} for name in _NUMBERS), checks, said, answer["deployment"]["max_num_batched_tokens"]]


def _digest(case: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_numbers(case), sort_keys=True).encode()).hexdigest()[:8]


def _case(number: int, kept: dict[str, Any]) -> dict[str, Any] | None:
    """The question of that number; None where its model is not on this machine."""
    draw = random.Random(f"{kept['seed']}-{number}")
    model, gpu = draw.choice(kept["models"]), draw.choice(kept["gpus"])
    if model.startswith("shared:"):
        folder = _SHARED / model.removeprefix("shared:")
        model = str(folder)
        if not folder.is_dir():
            return None
    return {"model": model, "gpu": gpu, **arguments(draw)}


def test_every_number_for_nvidia_is_what_it_was() -> None:
    kept = json.loads(_FILE.read_text(encoding="utf-8"))
    digests, different = list(kept["digests"]), []
    for number in range(0, len(digests), _EVERY):
        case = _case(number, kept)
        found = digests[number] if case is None else _digest(case)
        if found != digests[number]:
            different.append((number, case))
            digests[number] = found
    if _UPDATE:
        _FILE.write_text(json.dumps({**kept, "digests": digests}, indent=0) + "\n", encoding="utf-8")
    else:
        assert not different, f"{len(different)} answers differ, the first: {different[:3]}"
