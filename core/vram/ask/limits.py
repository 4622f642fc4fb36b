"""The largest context and the most users: what is returned fits when asked for, one more does not.

The KV plan alone is inverted in closed form (`estimate/cache/plan.py`); but overhead, buffers and an image's or a clip's
size grow with the context length too, so the length is searched on whole questions, each asked anew.
"""

from __future__ import annotations

from vram.ask.resolve import chunking_changes_at, parts_of
from vram.estimate.parts import Parts
from vram.estimate.verdict.cell import most_requests, obstacle_of
from vram.estimate.verdict.judge import length_check
from vram.models.estimate import Limits

_STEPS = 64  # bisection of 2^40 tokens needs 40; a handful is usual
#: lengths at which what is needed besides the cache may be less than at the asked one; a batch of tiny requests may need
#: more (each brings an audio clip padded to its window), so that the least is not the best
_PROBES = (256, 16, 4096)
_LEAPS = 6  # to what would fit beside the last overhead; where that swings from side to side, halves are quicker
#: obstacles that no other length and no other number of users takes away
_WHATEVER_IS_ASKED = frozenset({"architecture", "format", "free_memory", "weights"})


def limits_of(parts: Parts) -> Limits:
    """The largest context at the asked concurrency, and the most users at the asked context, under the policy."""
    return Limits(max_context_at_concurrency=longest_context(parts), max_concurrency_at_context=most_requests(parts))


def longest_context(parts: Parts) -> int:
    """The largest context, up to the model's own or a longer one that is forced, that fits at the asked concurrency; 0 where
    none does.
    """
    if obstacle_of(parts) in _WHATEVER_IS_ASKED or parts.weights_bytes >= parts.overhead.budget_bytes:
        return 0
    upper = parts.question.spec.derived_max_model_len
    upper = max(upper, parts.plan.max_model_len) if length_check(parts).passed else upper
    turn = chunking_changes_at(parts.question)
    if turn is None or turn >= upper:
        return _longest_between(parts, 1, upper)
    # a longer context may need less than this one: each side of the turn is searched for itself
    return _longest_between(parts, turn + 1, upper) or _longest_between(parts, 1, turn)


def _longest_between(parts: Parts, least: int, upper: int) -> int:
    """The largest context of these that fits, 0 where none does."""
    users = parts.question.deployment.concurrency
    low, high = least - 1, upper  # nothing above high fits; low does once `found` is set
    likely = _likely(parts, users, least, upper)
    if likely < least:
        return 0
    found = 0
    for step in range(_STEPS):
        if low >= high:
            break
        guess = likely if step < _LEAPS and low < likely <= high else (low + high + 1) // 2
        at_guess = _asked_at(parts, guess)
        likely = at_guess.longest_context(users, upper) if at_guess is not None else 0
        if at_guess is not None and not obstacle_of(at_guess):
            low = found = guess
            if likely <= guess:
                break  # one token more needs a new block, and beside this overhead there is none
        else:
            high = guess - 1
    return found


def _likely(parts: Parts, users: int, least: int, upper: int) -> int:
    """What fits beside the overhead of the asked length, or of another where nothing does; 0 for nothing."""
    if parts.plan.max_model_len >= least and (likely := parts.longest_context(users, upper)):
        return likely
    for probe in _PROBES:
        other = _asked_at(parts, min(max(probe, least), upper))
        if other is not None and (likely := other.longest_context(users, upper)):
            return likely
    return 0


def _asked_at(parts: Parts, length: int) -> Parts | None:
    """The same question at another length; None where vLLM takes no such length."""
    asked = parts.question.deployment.args.max_model_len
    return parts if asked == length else parts_of(parts.question, max_model_len=length)
