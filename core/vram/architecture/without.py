"""What an architecture's class in vLLM does not take: LoRA adapters, pipeline parallelism (without.txt)."""

from __future__ import annotations

from functools import lru_cache
from os.path import dirname, join
from typing import Literal


def is_without(architecture: str, what: Literal["lora", "pipeline"]) -> bool:
    """Whether vLLM's class of that name is known to lack it; what is in no list is taken to have it."""
    return (what, architecture) in _lacking()


@lru_cache(maxsize=1)
def _lacking() -> frozenset[tuple[str, str]]:
    with open(join(dirname(__file__), "without.txt"), encoding="utf-8") as lines:
        found = [line.split() for line in lines if not line.startswith("#")]
    return frozenset((what, architecture) for what, architecture in found)
