"""The question turned around: the longest context, the most users, the least hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram import min_gpus, min_memory_bytes, min_utilization
from vram.ask import answer, ask
from vram.errors import InputError, VramError
from vram.models.record import field, frozen
from vram.units import GIB, counted
from vram_plugins.web.answers import Shown
from vram_plugins.web.state import arguments_of, model_of

_SIZES = frozenset({"gpus", "tensor_parallel_size", "pipeline_parallel_size"})
ASKS = ("fits", "max-context", "max-concurrency", "min-gpus", "min-utilization", "min-memory")


@frozen(kw_only=True)
class Inverse:
    """The answer to an inverse question, and the page's fields that take it over (none where nothing fits)."""

    sentence: str
    changes: Mapping[str, str] = field(factory=dict)


def inverse_of(found: Shown, *, local_paths: bool = True) -> Inverse | None:
    """The answer to the state's `ask`; None where it only asks whether it fits. Raises VramError."""
    wanted = found.state.get("ask", "")
    facts, limits = found.estimate.deployment, found.estimate.limits
    model, arguments = model_of(found.request, local_paths=local_paths), arguments_of(found.request)
    work = f"{facts.concurrency:,} × {facts.max_model_len:,} tokens"
    match wanted:
        case "" | "fits":
            return None
        case "max-context":
            length = limits.max_context_at_concurrency
            if not length:
                return Inverse(sentence=f"No context fits with {counted(facts.concurrency, 'request')} at once.")
            told = f"The longest context with {facts.concurrency:,} at once is {length:,} tokens."
            return Inverse(sentence=told, changes={"max_model_len": str(length)})
        case "max-concurrency":
            users = limits.max_concurrency_at_context
            if not users:
                return Inverse(sentence=f"Not one request of {facts.max_model_len:,} tokens fits.")
            told = f"At most {users:,} requests of {facts.max_model_len:,} tokens fit at once."
            return Inverse(sentence=told, changes={"concurrency": str(users)})
        case "min-gpus":
            return _fewest_gpus(model, arguments, work)
        case "min-utilization":
            share = min_utilization(model, **arguments)
            if share is None:
                return Inverse(sentence=f"{work} does not fit, even with all of the GPU's memory.")
            told = f"{work} needs a gpu_memory_utilization of at least {share:g}."
            return Inverse(sentence=told, changes={"gpu_memory_utilization": f"{share:g}"})
        case "min-memory":
            memory = min_memory_bytes(model, **arguments)
            if memory is None:
                return Inverse(sentence=f"{work} does not fit on a GPU of 4 TiB.")
            size = f"{memory / GIB:.2f}"
            return Inverse(sentence=f"{work} needs GPUs of at least {size} GiB.", changes={"gpu_memory_gib": size})
    raise InputError(name="ask", value=wanted, problem=f"must be {', '.join(ASKS)}")


def _fewest_gpus(model: Any, arguments: dict[str, Any], work: str) -> Inverse:
    """The count, and where one kind of parallelism alone does it, the fields for that."""
    rest = {name: value for name, value in arguments.items() if name not in _SIZES}
    count = min_gpus(model, **rest)
    if count is None:
        return Inverse(sentence=f"{work} does not fit on 64 of these GPUs.")
    told = f"{work} needs at least {count} of these GPUs."
    for tensor, pipeline in ((count, 1), (1, count)):
        sizes: dict[str, Any] = {"tensor_parallel_size": tensor, "pipeline_parallel_size": pipeline}
        try:
            fits = answer(ask(model, **rest, **sizes)).verdict.fits
        except VramError:  # heads that do not divide
            continue
        if fits:
            return Inverse(sentence=told, changes={"gpus": "", **{name: str(size) for name, size in sizes.items()}})
    return Inverse(sentence=told)
