"""vLLM's own programs that make an engine without a server: `run-batch`, and `bench`'s throughput and latency.

They take the engine's arguments beside their own (vllm/entrypoints/openai/run_batch.py, vllm/benchmarks/throughput.py, latency.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from vram.serving.flags import find_flag
from vram_plugins.readers.evaluations import Evaluated

_SCRIPT = re.compile(r"(?:.*/)?benchmark_(?:throughput|latency)\.py")
_MODULE = re.compile(r"vllm\.entrypoints\.(?:openai|launchers)\.run_batch")


def own_program(argv: Sequence[str]) -> Evaluated | None:
    """The engine of such a program, as the words of a server; None for every other command, and where another engine is measured."""
    start = _start(argv)
    words = tuple(argv[start:]) if start else ()
    other = any(a == "--backend" and b not in {"vllm", "vllm-chat"} for a, b in pairwise(words))
    if not any(word.split("=")[0] == "--model" for word in words) or other:
        return None
    return Evaluated(words=("vllm", "serve", *_engine_words(words)), assumed=())


def _start(argv: Sequence[str]) -> int:
    """Where the program's arguments begin; 0 where it is none of them."""
    name = argv[0].rsplit("/", 1)[-1] if argv else ""
    if name == "vllm" and tuple(argv[1:2]) == ("run-batch",):
        return 2
    if name == "vllm" and tuple(argv[1:3]) in {("bench", "throughput"), ("bench", "latency")}:
        return 3
    place = next((i for i, word in enumerate(argv[:4]) if _SCRIPT.fullmatch(word) or _MODULE.fullmatch(word)), None)
    return place + 1 if place is not None and re.match(r"python", name) else 0


def _engine_words(words: Sequence[str]) -> Iterator[str]:
    """The words that are the engine's: the others are the program's own."""
    kept = False
    for word in words:
        if word.startswith("-") and len(word) > 1 and not word[1].isdigit():
            spelling = word.split("=")[0]
            flag = find_flag(spelling)
            named = flag is not None and spelling.startswith("--")
            bare = spelling.split(".")[0].replace("_", "-")
            kept = flag is not None and (
                not named or flag.spelling.replace("_", "-") in {bare, bare.replace("--no-", "--", 1)}
            )
        if kept:
            yield word
