"""What is refused whatever the memory: a dtype, a format, a length or a release, and what to ask for instead."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from vram.architecture.releases import first_with
from vram.ask.changes.axes import Step
from vram.ask.changes.trying import Trials
from vram.ask.resolve import parts_of
from vram.estimate.parts import Parts
from vram.estimate.verdict.cell import obstacle_of
from vram.vllm.versions import format_version, nearest_for

_AS_SUCH = frozenset({"architecture", "format", "max_model_len", "cpu_offload"})
#: engine arguments that name a format or a kernel, and what is lost with the name
_NAMED = {
    "kv_cache_dtype": ("auto", "the KV cache dtype asked for"),
    "dtype": ("auto", "the dtype asked for"),
    "quantization": (None, "the format asked for"),
    "attention_backend": (None, "the attention backend asked for"),
    "cpu_offload_gb": (0.0, "weights in host memory"),
}


def repairs(parts: Parts) -> tuple[tuple[Step, ...], ...]:
    """Sets of at most two changes of which one is needed before memory matters; the empty set where none is."""
    if obstacle_of(parts) not in _AS_SUCH:
        return ((),)
    trials, single = Trials(parts), tuple(_single(parts))
    found: list[tuple[Step, ...]] = []
    ways = [*((step,) for step in single), *combinations(single, 2)]
    for way in ways:
        names = [name for step in way for name in step.arguments]
        if len(set(names)) < len(names) or any(set(known) <= set(way) for known in found):
            continue
        asked = trials.ask(way)
        if asked is not None and obstacle_of(asked) not in _AS_SUCH:
            found.append(way)
    return tuple(found)


def _single(parts: Parts) -> Iterator[Step]:
    question, deployment = parts.question, parts.question.deployment
    known = first_with(question.spec.architecture, deployment.vllm_version)
    if known is not None:
        newer = {"vllm_version": format_version(known)}
        yield Step(
            arguments=newer, gives_up=f"vLLM {format_version(deployment.vllm_version)}", again={"version": known}
        )
    limit = question.spec.derived_max_model_len
    if (deployment.args.max_model_len or 0) > limit:
        askable = parts_of(question, max_model_len=limit) is not None
        length = limit if askable else min(limit, deployment.max_num_batched_tokens)  # of prompts that are not split
        yield Step(arguments={"max_model_len": length}, gives_up=f"context beyond {length:,} tokens")
    for name, (without, lost) in _NAMED.items():
        if getattr(deployment.args, name) not in {without, None, 0}:
            yield Step(arguments={name: without}, gives_up=lost)
    if deployment.dtype == "bfloat16":
        yield Step(arguments={"dtype": "half"}, gives_up="the range of bfloat16")
    if not deployment.args.allow_deprecated_quantization:
        yield Step(arguments={"allow_deprecated_quantization": True}, gives_up="a format that vLLM means to keep")
    version = deployment.vllm_version
    runs = nearest_for(deployment.gpu.compute_capability, version)
    if runs not in (None, version):
        given_up = "newer releases of vLLM" if runs < version else f"vLLM {format_version(version)}"
        yield Step(arguments={"vllm_version": format_version(runs)}, gives_up=given_up, again={"version": runs})
