"""`vram.quantizations`: every published checkpoint of a model and every scheme that can store it, each asked the whole question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Unpack

from vram.advise import performance_of
from vram.ask import Cell, Question, ask, judge_cell, longest_context, published_variants, redeploy
from vram.checkpoint import find, list_catalog
from vram.components import compute, format_checks
from vram.errors import InputError, QuantizationError, VramError
from vram.models.checkpoint import Checkpoint, Model
from vram.models.performance import Workload
from vram.models.plan import checked_tokens
from vram.plugin import plugins
from vram.vllm import format_version
from vram_plugins.compare.words import OBSTACLES
from vram_plugins.plan.recommend import served_name
from vram_plugins.quantizations.records import SOURCES, Form, LeftOut, Quantizations, Source
from vram_plugins.targets.tokens import length_of, tokens_within

if TYPE_CHECKING:
    from vram.models.engine_arguments import EstimateArguments

_ASSUMED_CONTEXT = 8192
_NO_LIGHTER = 0.98  # of the weights as they are: what is left is a format for parts this model has not
#: "fp8" of an unquantized checkpoint is fp8_per_tensor under an older name, which vLLM refuses since (`quantization/fp8.py:Fp8Config`)
_OLD_NAME, _REFUSED_SINCE = "fp8", (0, 31, 0)
_WORDS = {
    **OBSTACLES,
    "free_memory": "other processes hold the memory",
    "policy": "no room for all requests with the headroom kept",
}


def quantizations(
    model: Model,
    *,
    prompt_tokens: int | None = None,
    gen_tokens: int | None = None,
    **arguments: Unpack[EstimateArguments],
) -> Quantizations:
    """Every way to store `model` that vLLM could load, asked on these GPUs.

    `arguments` are those of `vram.estimate` but `quantization`, which is what is asked; without a length 8,192 tokens are. Speed is
    that of `prompt_tokens` and `gen_tokens` for each of `concurrency` users. Raises VramError.
    """
    if arguments.get("quantization"):
        problem = "is what this answers: every one is tried; vram estimate takes one"
        raise InputError(name="quantization", value=arguments["quantization"], problem=problem)
    assumed = arguments.get("max_model_len") is None
    own = ask(model, **arguments)
    if assumed:
        asked = max(_ASSUMED_CONTEXT, length_of(prompt_tokens, gen_tokens) if prompt_tokens or gen_tokens else 0)
        own = redeploy(own, max_model_len=min(asked, own.deployment.max_model_len))
    load = _load(own, prompt_tokens, gen_tokens)
    unquantized = _unquantized(own)
    forms: list[Form] = []
    left_out: list[LeftOut] = []
    for source, question in _there(own, unquantized):
        forms.append(_judged(source, question, load))
    whole = judge_cell(unquantized).weights_bytes if unquantized else 0
    published = {form.quantization for form in forms if form.source in {"as it is", "published"}}
    for method in plugins().schemes if unquantized else ():
        try:
            found = _made(unquantized, method, load, published)
        except QuantizationError as error:
            found = LeftOut(method=method, reason=str(error).partition(": ")[2] or str(error))
        except VramError as error:
            found = LeftOut(method=method, reason=str(error))
        if isinstance(found, Form) and found.weights_bytes >= whole * _NO_LIGHTER:
            found = LeftOut(method=method, reason="stores no part of this model in fewer bits")
        if isinstance(found, LeftOut):
            left_out.append(found)
        elif found is not None and all((found.source, found.quantization) != (f.source, f.quantization) for f in forms):
            forms.append(found)
    deployment = own.deployment
    return Quantizations(
        model=served_name(own.checkpoint) if own.checkpoint.manual is None else own.checkpoint.id,
        gpu=deployment.gpu.name,
        gpus=deployment.tp * deployment.pp,
        vllm_version=format_version(deployment.vllm_version),
        max_model_len=deployment.max_model_len,
        concurrency=deployment.concurrency,
        forms=tuple(sorted(forms, key=lambda form: (SOURCES.index(form.source), -form.weights_bytes, form.model))),
        left_out=tuple(left_out),
        workload=load,
        assumed=assumed,
    )


def _load(own: Question, prompt: int | None, gen: int | None) -> Workload | None:
    """What is timed; None for a model that generates nothing."""
    if own.spec.runner == "pooling":
        return None
    given = checked_tokens("prompt_tokens", prompt), checked_tokens("gen_tokens", gen)
    question, answer = tokens_within(*given, max(2, own.deployment.max_model_len))
    return Workload(prompt_tokens=question, gen_tokens=answer, concurrency=own.deployment.concurrency)


def _unquantized(own: Question) -> Question | None:
    """The same question about the model that a quantized checkpoint was made of, where the catalog has it; None where not."""
    if own.checkpoint.manual is not None:
        return None
    if not own.checkpoint.quantization:
        return own
    names = {entry.id.rpartition("/")[2].casefold(): entry.id for entry in list_catalog() if not entry.quantization}
    name = own.checkpoint.id.rpartition("/")[2].casefold()
    while "-" in name:
        name = name.rpartition("-")[0]
        known = find(names[name]) if name in names else None
        if known is not None:
            return redeploy(own, checkpoint=known)
    return None


def _there(own: Question, unquantized: Question | None) -> Iterator[tuple[Source, Question]]:
    """The model as it is, and what else the catalog has of it."""
    yield "as it is", own
    base: Checkpoint = unquantized.checkpoint if unquantized else own.checkpoint
    if unquantized is not None and unquantized is not own:
        yield "published", unquantized
    for variant in published_variants(base.id):
        if variant.checkpoint.id != own.checkpoint.id:
            try:
                yield "published", redeploy(own, checkpoint=variant.checkpoint)
            except VramError:
                continue  # a shape that these parallel sizes do not divide


def _made(
    base: Question | None, method: str, load: Workload | None, published: set[str | None]
) -> Form | LeftOut | None:
    """The model stored by a method while it loads, or by its quantizer; None where a published one answers for it.

    Raises VramError where it is not to be had.
    """
    assert base is not None
    if method == _OLD_NAME and base.deployment.vllm_version >= _REFUSED_SINCE:
        return LeftOut(method=method, reason="of an unquantized checkpoint it is called fp8_per_tensor")
    question = redeploy(base, quantization=method, suppose=True)
    version, scheme = base.deployment.vllm_version, question.scheme
    if scheme and (scheme.since > version or (scheme.removed and scheme.removed <= version)):
        has = "does not have it yet" if scheme.since > version else "no longer has it"
        return LeftOut(method=method, reason=f"vLLM {format_version(version)} {has}")
    stored = question.quantization.name if question.quantization else None
    if question.hypothetical and stored in published:
        return None
    return _judged("unpublished" if question.hypothetical else "while loading", question, load)


def _judged(source: Source, question: Question, load: Workload | None) -> Form:
    """The whole question, asked: start, memory, limits and speed. Raises VramError."""
    cell, parts = judge_cell(question), compute(question)
    speed = None
    if load is not None and cell.obstacle != "format":
        try:
            speed = performance_of(parts, load)
        except VramError:
            speed = None  # the GPU's speed is not known
    return Form(
        source=source,
        model=served_name(question.checkpoint),
        method=question.deployment.args.quantization,
        quantization=question.quantization.name if question.quantization else None,
        starts=cell.starts,
        fits=cell.fits,
        certainty=cell.certainty,
        reason=_reason(question, cell),
        weights_bytes=cell.weights_bytes,
        headroom_bytes=cell.headroom_bytes,
        tokens=cell.tokens,
        max_context=longest_context(parts),
        users=cell.most_requests,
        output_tokens_per_s=round(speed.output_tokens_per_s.expected, 1) if speed else None,
        output_tokens_per_s_per_user=round(speed.output_tokens_per_s_per_user.expected, 1) if speed else None,
        ttft_ms=round(speed.ttft_ms.expected, 1) if speed else None,
        tpot_ms=round(speed.tpot_ms.expected, 2) if speed else None,
    )


def _reason(question: Question, cell: Cell) -> str:
    """Why it does not start or fit."""
    if cell.obstacle != "format":
        return _WORDS.get(cell.obstacle, cell.obstacle)
    deployment = question.deployment
    checks = format_checks(
        scheme=question.scheme,
        quantization=question.quantization,
        kv_dtype=question.kv_dtype,
        behaviour=question.behaviour,
        dtype=deployment.dtype,
        capability=deployment.gpu.compute_capability,
        gpu_name=deployment.gpu.name,
        deprecated_allowed=deployment.args.allow_deprecated_quantization,
    )
    return next((check.message for check in checks if not check.passed), "no attention kernel serves its KV cache")
