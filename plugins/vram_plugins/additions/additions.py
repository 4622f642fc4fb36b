"""The same question with something more in it, asked anew: sleep mode, LoRA slots, a draft."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from vram.ask import Model, Question, answer, ask, redeploy
from vram.checkpoint import list_catalog
from vram.errors import VramError
from vram.models.estimate import Estimate, Limits
from vram.models.record import frozen
from vram.serving import serve_flags_of
from vram.units import format_gib
from vram_plugins.additions.records import Addition, Additions

if TYPE_CHECKING:
    from vram.models.engine_arguments import EstimateArguments

#: adapters in one batch and the largest rank, as chips: one small one, and what a server of many customers has
_SLOTS = ((1, 16), (4, 64))
_NOTED = 5 << 20  # a cost that is shown as 0.00 GiB is none
_TOKENS = 3  # that ngram speculation guesses, as vLLM's docs do (features/spec_decode)


@frozen(kw_only=True)
class _Offer:
    name: str
    what: str
    arguments: Mapping[str, Any]


def additions(model: Model, **asked: Unpack[EstimateArguments]) -> Additions:
    """What a deployment that fits could have besides, each asked as a whole. Arguments as `vram.estimate`. Raises VramError."""
    question = ask(model, **asked)
    estimate = answer(question)
    if not estimate.verdict.fits:
        failed = next(
            (check.message for check in estimate.verdict.checks if not check.passed), "the workload does not fit"
        )
        return Additions(estimate=estimate, additions=(), problem=f"nothing is offered to what does not fit: {failed}")
    return Additions(estimate=estimate, additions=additions_to(question, estimate))


def additions_to(question: Question, estimate: Estimate) -> tuple[Addition, ...]:
    """As `additions`, of a question that was answered. What its release, its model or its other arguments refuse is not offered."""
    found = []
    for offer in _offers(question):
        try:
            found.append(_added(offer, question, estimate))
        except VramError:
            continue
    return tuple(found)


def _offers(question: Question) -> Iterator[_Offer]:
    args = question.deployment.args
    if not args.enable_sleep_mode:
        yield _Offer(name="sleep_mode", what="sleep mode", arguments={"enable_sleep_mode": True})
    if not args.enable_lora and question.spec.runner == "generate":
        for slots, rank in _SLOTS:
            asked = {"enable_lora": True, "max_loras": slots, "max_lora_rank": rank}
            many = "adapters at once, each" if slots > 1 else "adapter"
            yield _Offer(name="lora", what=f"{slots} LoRA {many} of rank up to {rank}", arguments=asked)
    if not args.speculative_config and question.spec.runner == "generate":
        for what, config in _drafts(question.checkpoint.id):
            yield _Offer(name="draft", what=what, arguments={"speculative_config": config})


def _drafts(model: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The model's own prediction layers (refused where it has none), drafts that the catalog has for it, and guesses from the prompt."""
    yield "its own prediction layers (MTP)", {"method": "mtp", "num_speculative_tokens": 1}
    name = model.rstrip("/").rsplit("/", 1)[-1].lower()
    for entry in list_catalog():
        if "eagle" in entry.id.lower() and name and name in entry.id.lower():
            yield f"the draft {entry.id}", {"model": entry.id, "num_speculative_tokens": _TOKENS}
    ngram = {"method": "ngram", "num_speculative_tokens": _TOKENS, "prompt_lookup_max": _TOKENS + 1}
    yield "guesses from the prompt (ngram)", ngram


def _added(offer: _Offer, question: Question, estimate: Estimate) -> Addition:
    """The offer, asked as a whole. Raises VramError."""
    flags = serve_flags_of(offer.arguments, question.deployment.vllm_version)
    seen = answer(redeploy(question, **offer.arguments))
    verdict = seen.verdict
    refusal = next((check.message for check in verdict.checks if not check.passed), None)
    if refusal is None and not verdict.fits:
        refusal = "starts, but the workload does not fit"
    new = [
        one
        for one in (*seen.left_out, *verdict.warnings)
        if one not in {*estimate.left_out, *estimate.verdict.warnings}
    ]
    cost = estimate.memory.kv_cache_available.expected - seen.memory.kv_cache_available.expected
    host = seen.host.ram.expected - estimate.host.ram.expected + _asleep(offer, seen)
    told = [*_memory(offer, cost, host, uncounted=bool(new)), *_limits(estimate.limits, seen.limits)]
    return Addition(
        name=offer.name,
        what=offer.what,
        arguments=offer.arguments,
        words=" ".join(shlex.join(flag) for flag in flags),
        costs=", ".join(told) if verdict.fits else f"does not fit any more: {refusal}",
        cost_bytes=cost,
        host_bytes=host,
        limits=seen.limits,
        fits=verdict.fits,
        refusal=refusal,
        unmodelled=" ".join(dict.fromkeys(new)) or None,
        changes=tuple(change.words for change in verdict.changes),
    )


def _memory(offer: _Offer, cost: int, host: int, *, uncounted: bool) -> Iterator[str]:
    if cost > _NOTED:
        yield f"{'at least ' * uncounted}{format_gib(cost)} of each GPU's KV cache"
    else:
        yield "a little of the GPU, which is not counted here" if uncounted else "no memory of the GPU"
    if host > _NOTED:
        # PyTorch rounds each pinned piece up to a power of two
        asleep = f" to {format_gib(2 * host, 1)} of RAM while it sleeps" if offer.name == "sleep_mode" else " of RAM"
        yield format_gib(host, 1) + asleep


def _limits(was: Limits, now: Limits) -> Iterator[str]:
    for words, old, new in (
        ("context", was.max_context_at_concurrency, now.max_context_at_concurrency),
        ("requests", was.max_concurrency_at_context, now.max_concurrency_at_context),
    ):
        if old != new:
            yield f"{words} {old:,} → {new:,}"


def _asleep(offer: _Offer, seen: Estimate) -> int:
    """RAM that weights take while the engine sleeps at level 1 (`device_allocator/cumem.py:CuMemAllocator.sleep`)."""
    if offer.name != "sleep_mode":
        return 0
    facts = seen.deployment
    return sum(rank.weights_bytes for rank in seen.ranks) * facts.tensor_parallel_size * facts.data_parallel_size
