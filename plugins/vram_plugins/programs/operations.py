"""The nine questions that programs may ask: what each takes, how the library answers it, and the answer as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from vram.errors import RemoteCodeError, UnknownNameError
from vram.models.record import frozen
from vram_plugins.programs import ask_advice, ask_estimate, ask_lists, ask_texts
from vram_plugins.programs.checking import checked_object
from vram_plugins.programs.fields import Properties, deployment_fields, without
from vram_plugins.programs.files import Files

Question = Mapping[str, Any]
#: fields that are files of the machine which is asked
NAMES_FILES = frozenset({"path", "paths"})


@frozen(kw_only=True, eq=False)
class Operation:
    """One question. `fields` are its JSON schema's properties, `ask` gives the library's record, `answer` that record as JSON.

    `pastes` says that files are pasted into it, so that it may be long and is asked by POST alone.
    """

    name: str
    summary: str
    fields: Callable[[], Properties]
    ask: Callable[[Question, Files], Any]
    answer: Callable[[Any], Any]
    pastes: bool = False

    def pasted_fields(self) -> Properties:
        """Its fields where no file can be named, but for a model."""
        return without(self.fields(), NAMES_FILES)

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its question where no file can be named."""
        return {"type": "object", "properties": dict(self.pasted_fields()), "additionalProperties": False}

    def checked(self, content: object, *, pasted: bool = False) -> dict[str, Any]:
        """A question's fields, as its schema has them. Raises InputError, UnknownNameError."""
        return checked_object(content, self.pasted_fields() if pasted else self.fields())

    def asked(self, question: Question, files: Files) -> Any:
        """The library's record for a checked question, with no file read but those allowed. Raises VramError."""
        try:
            with files.only():
                return self.ask(question, files)
        except RemoteCodeError as error:
            step = "It is not run here; a `config` of its architecture can be pasted, or ask the command line with --trust-remote-code."
            raise RemoteCodeError(**{**error.data, "next": step}) from None


@lru_cache(maxsize=1)
def operations() -> Mapping[str, Operation]:
    """By name, in the order in which people ask them."""
    found = (
        Operation(
            name="estimate",
            summary="What vLLM prints when it starts a model on a GPU, whether it starts and the work fits, and what to change.",
            fields=deployment_fields,
            ask=ask_estimate.estimate,
            answer=lambda found: found.to_dict(),
        ),
        Operation(
            name="plan",
            summary="Flags with which a model starts and fits on the fewest GPUs, with the reason of each.",
            fields=ask_advice.plan_fields,
            ask=ask_advice.plan,
            answer=lambda found: found.to_dict(),
        ),
        Operation(
            name="compare",
            summary="Which GPUs, and how many, run a model: least hardware first, or cheapest with prices.",
            fields=ask_advice.compare_fields,
            ask=ask_advice.compare,
            answer=lambda found: found.to_dict(),
        ),
        Operation(
            name="max-context",
            summary="The largest context (tokens per request) that fits at a number of users.",
            fields=deployment_fields,
            ask=ask_estimate.estimate,
            answer=lambda found: ask_estimate.limit(found, "max_context_at_concurrency"),
        ),
        Operation(
            name="max-concurrency",
            summary="The most requests of a context that fit at once.",
            fields=deployment_fields,
            ask=ask_estimate.estimate,
            answer=lambda found: ask_estimate.limit(found, "max_concurrency_at_context"),
        ),
        Operation(
            name="check",
            summary="Every vLLM server in pasted files (manifests, compose files, scripts ...): does it start and fit?",
            fields=ask_texts.check_fields,
            ask=ask_texts.check,
            answer=lambda found: [one.to_dict() for one in found.findings],
            pastes=True,
        ),
        Operation(
            name="reconcile",
            summary="A vLLM start-up log, or a pasted report with one, against the estimate: is it right, why did it fail?",
            fields=ask_texts.reconcile_fields,
            ask=ask_texts.reconcile,
            answer=lambda found: found.to_dict(),
            pastes=True,
        ),
        Operation(
            name="models",
            summary="Models whose facts are bundled; any other Hub id works, too.",
            fields=lambda: ask_lists.MODEL_FIELDS,
            ask=ask_lists.models,
            answer=ask_lists.models_answer,
        ),
        Operation(
            name="gpus",
            summary="GPUs that are known by name, with their facts.",
            fields=lambda: ask_lists.GPU_FIELDS,
            ask=ask_lists.gpus,
            answer=ask_lists.gpus_answer,
        ),
    )
    return {operation.name: operation for operation in found}


def operation_named(name: str) -> Operation:
    """Raises UnknownNameError."""
    found = operations().get(name)
    if found is None:
        raise UnknownNameError(kind="question", name=name, known=tuple(operations()))
    return found
