"""What `vram` answers to the question of a moved answer: as the new release, as the old, or as neither."""

from __future__ import annotations

from typing import Any

from tests.conformance.comparing import checkpoint, estimate, numbers, of_config
from tests.conformance.follow.asking import Answer, config_of
from tests.conformance.follow.moves import Move, differs
from tests.conformance.registry import AVAILABLE_GIB

from vram.errors import VramError
from vram.models.checkpoint import Checkpoint

NEW, OLD, NEITHER, BOTH = "the new", "the old", "neither", "refuses"
VLLM_REFUSES = "vLLM refuses"
#: checks by which `vram` says that a format does not start
_FORMAT_CHECKS = ("quantization", "dtype", "kv_cache_dtype")


def says(move: Move, version: str) -> str:
    """One of the words above; `refuses` where `vram` gives no answer and a release does."""
    own = ours(move.new, version)
    refused = "error" in own
    if "refusal" in move.kinds:
        if refused:
            return NEW if "error" in move.new else OLD
        built = move.old if "error" in move.new else move.new
        equal = not any(differs(name, built, own) for name in own)
        return (NEW if equal else NEITHER) if built is move.new else OLD
    if refused:
        return BOTH
    fields = [name for name in move.fields() if name in own]
    if not any(differs(name, move.new, own) for name in fields):
        return NEW
    return NEITHER if any(differs(name, move.old, own) for name in fields) else OLD


def ours(answer: Answer, version: str) -> Answer:
    """`vram`'s answer in the words of vLLM's, or its `error`: a refusal, or a check by which vLLM would not start."""
    about = {"pp": 1, "available_gib": AVAILABLE_GIB, **answer, "vllm": version}
    try:
        found = estimate(about, _checkpoint(answer))
    except (VramError, KeyError) as error:
        return {"error": " ".join(str(error).split())}
    failed = [check.name for check in found.verdict.checks if not check.passed and check.name in _FORMAT_CHECKS]
    return {"error": f"{', '.join(failed)}: vLLM would not start"} if failed else numbers(about, found)


def _checkpoint(answer: Answer) -> Checkpoint:
    if answer["suite"] == "catalog":
        return checkpoint(answer["id"])
    return of_config(answer["id"], {k: v for k, v in config_of(answer).items() if k != "auto_map"})


def unequal(answer: Answer, version: str) -> dict[str, tuple[Any, Any]] | str:
    """What `vram` says otherwise about an answer of vLLM: (vLLM's, ours) by name, or why it refuses."""
    own = ours(answer, version)
    if "error" in own:
        return "" if "error" in answer else f"refused: {own['error']}"
    if "error" in answer:
        return VLLM_REFUSES
    return {name: (answer.get(name), value) for name, value in own.items() if differs(name, answer, own)}
