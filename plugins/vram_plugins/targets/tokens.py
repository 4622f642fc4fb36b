"""How long a request is: what somebody says of its prompt and answer, and what is assumed of the rest."""

from __future__ import annotations

from vram.errors import InputError

_PROMPT_TOKENS = 1024
_GEN_TOKENS = 256


def length_of(prompt: int | None, gen: int | None) -> int:
    """Tokens of a request of which at most its prompt or its answer is said."""
    return (_PROMPT_TOKENS if prompt is None else prompt) + (_GEN_TOKENS if gen is None else gen)


def tokens_within(prompt: int | None, gen: int | None, length: int) -> tuple[int, int]:
    """Prompt and generated tokens (0 where nothing is generated) of a request of that length: what is not said is short enough.

    Raises InputError where what is said does not fit.
    """
    answer = min(_GEN_TOKENS, max(1, length - (prompt or 0)), max(1, length // 4)) if gen is None else gen
    question = max(1, min(_PROMPT_TOKENS, length - answer)) if prompt is None else prompt
    if question + answer > length:
        problem = f"{question:,} prompt and {answer:,} generated tokens do not fit into it"
        raise InputError(name="max_model_len", value=length, problem=problem)
    return question, answer
