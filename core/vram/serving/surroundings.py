"""The GPUs that a file gives a server, against those that vLLM uses: its parallel sizes, one each where none is given."""

from __future__ import annotations

from math import prod

from vram.serving.command import ServeCommand

_RANKS = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size")
#: with one of them ranks may run where this file does not tell of
_ELSEWHERE = frozenset({
    "nnodes", "node-rank", "master-addr", "headless", "distributed-executor-backend", "data-parallel-address",
    "data-parallel-size-local", "data-parallel-start-rank", "data-parallel-backend", "data-parallel-rank",
})  # fmt: skip


def idle_gpus(command: ServeCommand, nodes: int) -> tuple[str, ...]:
    """A sentence where more GPUs are given than are used: vLLM never spreads a model because there are more."""
    given, used = _given(command, nodes), _used(command, *_RANKS, "data_parallel_size")
    if given is None or used >= given:
        return ()
    return (f"{given} GPUs are given and {used} used: vLLM spreads a model only as --tensor-parallel-size says",)


def missing_gpus(command: ServeCommand, nodes: int) -> str | None:
    """Why vLLM stops before it loads anything, as the rest of a sentence; None where the GPUs suffice."""
    given, asked = _given(command, nodes), _used(command, *_RANKS)
    if given is None or asked <= given:
        return None
    if not given:
        return "it is given no GPU"
    return f"the parallel sizes ask for {asked} GPUs where {given} {'is' if given == 1 else 'are'} given"


def _given(command: ServeCommand, nodes: int) -> int | None:
    flags = {spelling.split(".")[0].lstrip("-").replace("_", "-") for spelling in command.ignored}
    return None if command.gpus is None or flags & _ELSEWHERE else command.gpus * max(1, nodes)


def _used(command: ServeCommand, *sizes: str) -> int:
    given = (command.engine_args.get(name) for name in sizes)
    return prod(max(1, size) for size in given if isinstance(size, int))
