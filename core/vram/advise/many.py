"""Many questions at once: `vram.estimate_many`, for sweeps over models, GPUs and lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.errors import InputError, VramError
from vram.models.estimate import Estimate
from vram.models.record import field, frozen, record_fields

#: questions that a process takes at a time: each is a millisecond, and handing one over takes half as long
_AT_A_TIME = 32
Progress = Callable[[int, int], object]


@frozen(kw_only=True)
class SweepRow:
    """One question of a sweep with its answer in plain numbers; of a question that was refused, `error` says why and the rest is None.

    Sizes are bytes of the GPU that holds most. `question` is what was asked, `estimate` the whole answer.
    """

    index: int
    error: str | None = None
    model: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    vllm_version: str | None = None
    max_model_len: int | None = None
    concurrency: int | None = None
    starts: bool | None = None
    fits: bool | None = None
    certainty: str | None = None
    weights_bytes: int | None = None
    activation_peak_bytes: int | None = None
    cuda_graphs_bytes: int | None = None
    non_torch_bytes: int | None = None
    kv_cache_available_bytes: int | None = None
    kv_cache_required_bytes: int | None = None
    headroom_bytes: int | None = None
    kv_cache_tokens: int | None = None
    max_concurrency: float | None = None
    longest_context: int | None = None
    most_requests: int | None = None
    question: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    estimate: Estimate | None = field(default=None, eq=False, repr=False)

    def plain(self) -> dict[str, Any]:
        """A line of the table: all but the question and the whole answer."""
        return {name: getattr(self, name) for name in record_fields(SweepRow) if name not in {"question", "estimate"}}


@frozen(kw_only=True)
class Sweep(Sequence[SweepRow]):
    """The rows of a sweep, in the order of its questions."""

    rows: tuple[SweepRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> SweepRow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SweepRow, ...]: ...
    def __getitem__(self, index: int | slice) -> SweepRow | tuple[SweepRow, ...]:
        return self.rows[index]

    def table(self, kind: Literal["polars", "pandas", "rows"] | None = None) -> Any:
        """A polars or pandas DataFrame, or a list of plain rows: what is asked for, else the first of them that is installed.

        Raises InputError where it is asked for and not installed.
        """
        rows = [row.plain() for row in self.rows]
        for name in ("polars", "pandas") if kind is None else (kind,):
            made = rows if name == "rows" else _frame(name, rows)
            if made is not None:
                return made
        if kind is not None:
            raise InputError(name="table", value=kind, problem="is not installed here")
        return rows


def _frame(library: str, rows: list[dict[str, Any]]) -> Any:
    """None where the library is not installed."""
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec(library) is None:
        return None
    more = {"infer_schema_length": None} if library == "polars" else {}
    return import_module(library).DataFrame(rows, **more)


def estimate_many(
    questions: Iterable[Mapping[str, Any]], *, progress: Progress | None = None, processes: int = 1
) -> Sweep:
    """Answer many questions, each a mapping of what `vram.estimate` takes ("model" among it).

    A question that is refused is a row with its `error`; the others are answered, without the changes that `vram.estimate` seeks where one
    does not fit. `progress` is called with the questions done, and all.
    `processes` more than 1 divides them over so many (a script that asks for them needs `if __name__ == "__main__":` where the
    platform starts processes anew). Raises InputError for something that is no question.
    """
    asked = [_checked(number, question) for number, question in enumerate(questions)]
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
        raise InputError(name="processes", value=processes, problem="must be a whole number from 1")
    chunks = [list(enumerate(asked))[at : at + _AT_A_TIME] for at in range(0, len(asked), _AT_A_TIME)]
    rows: list[SweepRow] = []
    for found in _answered(chunks, min(processes, len(chunks))):
        rows += found
        if progress is not None:
            progress(len(rows), len(asked))
    return Sweep(rows=tuple(rows))


def _checked(number: int, question: object) -> Mapping[str, Any]:
    if (
        not isinstance(question, Mapping)
        or "model" not in question
        or not all(isinstance(one, str) for one in question)
    ):
        raise InputError(
            name=f"questions[{number}]", value=None, problem="must be a mapping of `model` and what `estimate` takes"
        )
    return question


_Chunk = list[tuple[int, Mapping[str, Any]]]


def _answered(chunks: list[_Chunk], processes: int) -> Iterator[list[SweepRow]]:
    if processes <= 1:
        yield from map(_rows_of, chunks)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=processes) as pool:
        yield from pool.map(_rows_of, chunks)


def _rows_of(chunk: _Chunk) -> list[SweepRow]:
    return [_row(number, question) for number, question in chunk]


def _row(number: int, question: Mapping[str, Any]) -> SweepRow:
    try:
        found = answer(ask(**question), changes=False)
    except VramError as error:
        return SweepRow(index=number, error=str(error), model=str(question["model"]), question=question)
    except TypeError as error:  # a keyword twice, or one that `ask` does not have beside vLLM's
        raise InputError(name=f"questions[{number}]", value=None, problem=f"cannot be asked: {error}") from None
    facts, memory, limits = found.deployment, found.memory, found.limits
    return SweepRow(
        index=number,
        model=found.model.id,
        gpu=facts.gpu,
        gpus=facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size,
        vllm_version=facts.vllm_version,
        max_model_len=facts.max_model_len,
        concurrency=facts.concurrency,
        starts=found.verdict.starts,
        fits=found.verdict.fits,
        certainty=found.verdict.certainty,
        weights_bytes=memory.weights.expected,
        activation_peak_bytes=memory.activation_peak.expected,
        cuda_graphs_bytes=memory.cuda_graphs.expected,
        non_torch_bytes=memory.non_torch.expected,
        kv_cache_available_bytes=memory.kv_cache_available.expected,
        kv_cache_required_bytes=memory.kv_cache_required.expected,
        headroom_bytes=memory.headroom.expected,
        kv_cache_tokens=found.kv_cache.tokens,
        max_concurrency=found.kv_cache.max_concurrency,
        longest_context=limits.max_context_at_concurrency,
        most_requests=limits.max_concurrency_at_context,
        question=question,
        estimate=found,
    )
