"""The GPUs that a file gives against those that vLLM uses. vLLM's world size is the product of the parallel sizes, 1 each by default."""

from __future__ import annotations

import pytest

from vram.models.record import evolve
from vram.serving.command import parse_words
from vram.serving.surroundings import idle_gpus, missing_gpus

CASES = [
    ("", None, 1, None, None),
    ("", 1, 1, None, None),
    ("", 4, 1, "4 GPUs are given and 1 used", None),
    ("-tp 0", 4, 1, "4 GPUs are given and 1 used", None),
    ("-tp 2", 3, 1, "3 GPUs are given and 2 used", None),
    ("-tp 2 --data-parallel-size 2", 4, 1, None, None),
    ("-tp 4 -pp 2", 4, 2, None, None),
    ("-tp 4", 2, 1, None, "the parallel sizes ask for 4 GPUs where 2 are given"),
    ("", 0, 1, None, "it is given no GPU"),
    ("-tp 2", 1, 1, None, "the parallel sizes ask for 2 GPUs where 1 is given"),
    # ranks elsewhere are not told of here
    ("-tp 16 --distributed-executor-backend ray", 8, 1, None, None),
    ("-tp 8 --nnodes 2", 4, 1, None, None),
]


@pytest.mark.parametrize(("flags", "gpus", "nodes", "idle", "missing"), CASES, ids=str)
def test_gpus_against_sizes(flags: str, gpus: int | None, nodes: int, idle: str | None, missing: str | None) -> None:
    command = evolve(parse_words(["vllm", "serve", "a/b", *flags.split()]), gpus=gpus)
    told = idle_gpus(command, nodes)
    assert [sentence.partition(":")[0] for sentence in told] == ([idle] if idle else [])
    assert missing_gpus(command, nodes) == missing
