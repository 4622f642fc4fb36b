"""From the page's state to what it shows. Everything is computed by the library; nothing here knows a formula."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import vram
from vram.advise import performance_of
from vram.ask import Question, answer, ask
from vram.components import compute
from vram.deploy import artifact_request
from vram.errors import InputError, VramError
from vram.models.artifact import ArtifactRequest
from vram.models.estimate import Estimate
from vram.models.performance import Performance, Workload
from vram.models.record import frozen
from vram.models.saved_request import SavedRequest
from vram_plugins.targets.tokens import tokens_within
from vram_plugins.web.state import arguments_of, model_of, request_of


@frozen(kw_only=True, eq=False)
class Shown:
    """What the page shows of one state.

    `files` is None where no deployment can be written, and `problem` says why. `speed` is None where it is not known, or nothing
    is generated; with `split` it is of prompts and answers of an assumed length.
    """

    state: Mapping[str, str]
    request: SavedRequest
    question: Question
    estimate: Estimate
    speed: Performance | None
    files: ArtifactRequest | None
    problem: str = ""

    @property
    def command(self) -> str:
        """The `vllm serve` line; empty for a model without a name."""
        if self.files is None or self.files.model is None:
            return ""
        return shlex.join(["vllm", "serve", self.files.model, *self.files.words])

    @property
    def surely_fits(self) -> bool:
        """Whether it starts and fits over the whole interval."""
        verdict = self.estimate.verdict
        return verdict.fits and verdict.certainty == "likely"

    @property
    def longest(self) -> int:
        """The longest context that is of interest: the model's own, or what was asked."""
        return max(self.question.spec.derived_max_model_len, self.estimate.deployment.max_model_len)


def shown(state: Mapping[str, str], *, local_paths: bool = True) -> Shown:
    """The answer to a state. Raises VramError."""
    request = request_of(state, local_paths=local_paths)
    question = ask(model_of(request, local_paths=local_paths), **arguments_of(request))
    estimate = answer(question)
    files, problem = None, ""
    try:
        files = artifact_request(estimate, request)
    except InputError as error:
        problem = str(error)
    return Shown(
        state=state,
        request=request,
        question=question,
        estimate=estimate,
        speed=speed_at(question, estimate, request),
        files=files,
        problem=problem,
    )


def speed_at(
    question: Question, estimate: Estimate, request: SavedRequest, users: int | None = None
) -> Performance | None:
    """How fast so many `users` (None: those asked about) are answered; None where that is not known, or does not fit.

    Raises InputError where prompt and answer are longer than the context.
    """
    length, replicas = estimate.deployment.max_model_len, estimate.deployment.data_parallel_size
    if question.spec.runner == "pooling" or not estimate.verdict.starts:
        return None
    prompt, gen = tokens_within(request.prompt_tokens, request.gen_tokens, length)
    asked = estimate.deployment.concurrency if users is None else users
    load = Workload(prompt_tokens=prompt, gen_tokens=max(1, gen), concurrency=-(-asked // replicas))
    try:
        return performance_of(compute(question), load)
    except VramError:
        return None


def additions_of(found: Shown) -> tuple[Any, ...]:
    """What it could have besides, by the command of that name; none where it is turned off, or nothing fits."""
    if not found.estimate.verdict.fits or getattr(vram, "additions", None) is None:
        return ()
    from vram_plugins.additions.additions import additions_to

    return additions_to(found.question, found.estimate)
