"""From the page's state to what it shows. Everything is computed by the library; nothing here knows a formula."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import vram
from vram import min_gpus, min_memory_bytes, min_utilization
from vram.advise import plots_of
from vram.ask import Question, answer, ask
from vram.deploy import artifact_request
from vram.errors import InputError, VramError
from vram.models.artifact import ArtifactRequest
from vram.models.curves import Plots
from vram.models.estimate import Estimate
from vram.models.record import field, frozen
from vram.models.saved_request import SavedRequest
from vram.units import GIB
from vram_plugins.web.state import arguments_of, model_of, request_of

_SIZES = frozenset({"gpus", "tensor_parallel_size", "pipeline_parallel_size"})
ASKS = ("fits", "max-context", "max-concurrency", "min-gpus", "min-utilization", "min-memory")


@frozen(kw_only=True)
class Inverse:
    """The answer to an inverse question, and the page's fields that take it over (none where nothing fits)."""

    sentence: str
    changes: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True, eq=False)
class Shown:
    """Everything the page shows of one state.

    `files` is None where no deployment can be written, and `problem` says why. `additions` are what it could have besides
    (`vram.additions`).
    """

    request: SavedRequest
    question: Question
    estimate: Estimate
    plots: Plots
    inverse: Inverse | None
    files: ArtifactRequest | None
    problem: str = ""
    flags: str = ""
    additions: tuple[Any, ...] = ()

    @property
    def command(self) -> str:
        """The `vllm serve` line; empty for a model without a name."""
        if self.files is None or self.files.model is None:
            return ""
        return shlex.join(["vllm", "serve", self.files.model, *self.files.words])


def shown(state: Mapping[str, str], *, local_paths: bool = True) -> Shown:
    """The answer to a state. Raises VramError."""
    request = request_of(state, local_paths=local_paths)
    model, arguments = model_of(request, local_paths=local_paths), arguments_of(request)
    question = ask(model, **arguments)
    estimate = answer(question)
    files, problem = None, ""
    try:
        files = artifact_request(estimate, request)
    except InputError as error:
        problem = str(error)
    return Shown(
        request=request,
        question=question,
        estimate=estimate,
        plots=plots_of(question),
        inverse=_inverse(state.get("ask", ""), model, arguments, estimate),
        files=files,
        problem=problem,
        flags=state.get("flags", ""),
        additions=_additions(question, estimate) if estimate.verdict.fits else (),
    )


def _additions(question: Question, estimate: Estimate) -> tuple[Any, ...]:
    """Those of the command of that name, of what was answered already; none where it is turned off."""
    if getattr(vram, "additions", None) is None:
        return ()
    from vram_plugins.additions.additions import additions_to

    return additions_to(question, estimate)


def _inverse(wanted: str, model: Any, arguments: dict[str, Any], estimate: Estimate) -> Inverse | None:
    facts, limits = estimate.deployment, estimate.limits
    work = f"{facts.concurrency:,} × {facts.max_model_len:,} tokens"
    match wanted:
        case "" | "fits":
            return None
        case "max-context":
            length = limits.max_context_at_concurrency
            if not length:
                return Inverse(sentence=f"No context fits with {facts.concurrency:,} requests at once.")
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


#: the page's field that an error is about, by the name it carries
_FIELDS = {
    "GPU": "gpu", "profile": "profile", "KV cache dtype": "kv_cache_dtype", "engine argument": "flags",
    "quantization method": "quantization", "speculative_config.num_speculative_tokens": "flags",
}  # fmt: skip


def field_of(error: VramError) -> str:
    """The field beside which an error is shown; "model" where it is about what was read."""
    from vram.errors import ParallelismError, QuantizationError

    if isinstance(error, ParallelismError):
        return "tensor_parallel_size"
    if isinstance(error, QuantizationError):
        return "quantization"
    if not isinstance(error, InputError):
        return "model"
    name = str(error.data.get("kind") or error.data.get("name") or "")
    return _FIELDS.get(name, name.lstrip("-").replace("-", "_") if name.islower() or "_" in name else "model")
