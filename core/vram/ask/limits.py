"""Inverse answers that are tight: what they return fits, one block more does not.

The KV plan alone is inverted in closed form (`kv_plan`); but overhead and buffers grow with the context length too, so
the length is searched on whole answers: each step asks what would fit beside the overhead of the last length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.estimate.cache.plan import max_context, max_requests
from vram.models.estimate import Limits
from vram.models.record import evolve
from vram.vllm.defaults import resolve_batch

if TYPE_CHECKING:
    from vram.estimate.assemble import Parts, Question

_STEPS = 48  # bisection of 2^40 tokens needs 40; a handful is usual


def with_length(question: Question, length: int) -> Question:
    """The same question asked for another context length, vLLM's defaults resolved anew."""
    deployment = question.deployment
    batch = resolve_batch(
        question.behaviour,
        deployment.args,
        max_model_len=length,
        gpu_memory_bytes=deployment.gpu_memory_bytes,
        device_name=deployment.gpu.name,
        capability=deployment.gpu.compute_capability,
        chunked_prefill=question.spec.chunks_prefill,
        largest_item=question.spec.largest_whole_item,
    )
    changed = evolve(
        deployment,
        max_model_len=length,
        max_num_seqs=batch.max_num_seqs,
        max_num_batched_tokens=batch.max_num_batched_tokens,
    )
    return evolve(question, deployment=changed)


def limits_of(parts: Parts) -> Limits:
    """The largest context at the asked concurrency, and the most users at the asked context, under the policy."""
    return Limits(
        max_context_at_concurrency=longest_context(parts),
        max_concurrency_at_context=max_requests(
            parts.cache_ranks, parts.usable_pools, parts.context, context_len=parts.plan.max_model_len
        ),
    )


def longest_context(parts: Parts) -> int:
    """The largest context, up to the model's own, that fits at the asked concurrency; 0 where none does."""
    from vram.estimate.assemble import compute

    upper = parts.question.spec.derived_max_model_len
    low, high = 0, upper  # low fits (or is 0), nothing above high does
    guess = beside(parts, upper)
    for _ in range(_STEPS):
        if low >= high or guess <= low:
            break
        at_guess = parts if guess == parts.context.max_model_len else compute(with_length(parts.question, guess))
        allowed = beside(at_guess, upper)
        if allowed >= guess:
            low = guess
            if allowed == guess:
                # one token more needs a new block; only a smaller overhead at a longer length could allow it
                break
            guess = min(allowed, high)
        else:
            high = guess - 1
            guess = max(allowed, low + 1) if allowed > low else (low + high + 1) // 2
            guess = min(guess, high)
    return low


def beside(parts: Parts, upper: int) -> int:
    """The longest context that fits beside this answer's overhead."""
    return max_context(
        parts.cache_ranks,
        parts.usable_pools,
        parts.context,
        concurrency=parts.question.deployment.concurrency,
        upper=upper,
    )
