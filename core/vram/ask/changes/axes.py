"""What of a deployment can be changed: one axis each, whose steps go from the least that is given up to the most.

The arguments a person gave are starting points like any others; what they never gave is vLLM's default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import floor, log
from typing import Any

from vram.architecture.runners import offloads
from vram.ask.variants import published_variants
from vram.estimate.parts import Parts
from vram.estimate.verdict.cell import obstacle_of
from vram.gpus.choose import hardware_of
from vram.gpus.find import outlines, profile_for
from vram.models.deployment import Deployment
from vram.models.record import field, frozen
from vram.plugin.manager import plugins
from vram.profiles.later import Outline
from vram.units import GIB, counted

HIGHEST_UTILIZATION = 0.97  # above it a desktop, ECC or a second context takes the rest
LOWEST_UTILIZATION = 0.5
MOST_GPUS = 64
_MACHINE = 8  # GPUs of one machine; layers are divided within it, groups of layers over several
_BATCHES = (8192, 4096, 2048, 1024, 512)
_TEXT_ONLY_SINCE = (0, 17, 0)
_SURELY_DIVIDED = 0.8  # of a rank's weights: the rest may be what every rank holds
_OFFLOADED = 0.6  # of the weights; with more of them on the host a GPU mostly waits
_ALONE = ("partition", "laptop", "embedded")  # one machine has one of it, or slices that NCCL does not connect
_NOTABLY_MORE = 1.25  # GPUs of less than that much more memory are of one class
_RENTED = ("data centre", "workstation", "consumer")


@frozen(kw_only=True, eq=False)
class Step:
    """One setting: `arguments` as a caller types them, `again` as `redeploy` takes them where a name stands for a record."""

    arguments: Mapping[str, Any]
    gives_up: str
    again: Mapping[str, Any] = field(factory=dict)

    @property
    def asked(self) -> Mapping[str, Any]:
        """What `redeploy` takes."""
        return self.again or self.arguments


Axis = tuple[Step, ...]


def more_of_it(parts: Parts) -> Axis:
    """More of the GPU."""
    deployment = parts.question.deployment
    shares = _hundredths(deployment.gpu_memory_utilization + 0.01, _highest_share(deployment))
    return tuple(_share(one, "memory for anything else on the GPU") for one in shares)


def less_of_it(parts: Parts) -> Axis:
    """Less of the GPU, which leaves room for graphs that no budget counts, or for whom it is not free."""
    deployment = parts.question.deployment
    highest = min(_highest_share(deployment), deployment.gpu_memory_utilization - 0.01)
    return tuple(_share(one, "some of the KV cache") for one in _hundredths(LOWEST_UTILIZATION, highest)[::-1])


def _share(one: float, what: str) -> Step:
    return Step(arguments={"gpu_memory_utilization": one}, gives_up=what)


def _highest_share(deployment: Deployment) -> float:
    free = deployment.free_memory_bytes
    if free is None:
        return HIGHEST_UTILIZATION
    return min(HIGHEST_UTILIZATION, floor(free / deployment.gpu_memory_bytes * 100) / 100)


def batch(parts: Parts) -> Axis:
    """Fewer tokens a step, where a prompt may be split."""
    question, deployment = parts.question, parts.question.deployment
    if deployment.args.enable_chunked_prefill is False or not question.spec.chunks_prefill:
        return ()
    sizes = [size for size in _BATCHES if size < deployment.max_num_batched_tokens]
    what = "speed of long prompts"
    return tuple(Step(arguments={"max_num_batched_tokens": size}, gives_up=what) for size in sizes)


def sequences(parts: Parts) -> Axis:
    """Fewer requests a step, never fewer than were asked for."""
    deployment = parts.question.deployment
    present, least = deployment.max_num_seqs, deployment.concurrency
    powers = [2**n for n in range(11)]
    counts = {*powers, *(3 * n // 2 for n in powers), parts.plan.num_blocks, least}
    fitting = sorted((count for count in counts if least <= count < present), reverse=True)
    return tuple(
        Step(arguments={"max_num_seqs": count}, gives_up=f"more than {counted(count, 'request')} a step")
        for count in fitting
    )


def eager(parts: Parts) -> Axis:
    """No CUDA graphs."""
    if parts.question.deployment.args.enforce_eager:
        return ()
    return (Step(arguments={"enforce_eager": True}, gives_up="speed of CUDA graphs"),)


def cache_dtype(parts: Parts) -> Axis:
    """An fp8 KV cache, where it is wider."""
    if not parts.plan.groups or parts.question.kv_dtype.quantized:
        return ()
    return (Step(arguments={"kv_cache_dtype": "fp8"}, gives_up="precision of the KV cache"),)


def media(parts: Parts) -> Axis:
    """No video, then no input but text."""
    question = parts.question
    args, encoders = question.deployment.args, question.spec.encoders
    if not encoders or args.language_model_only:
        return ()
    kinds = sorted({encoder.modality for encoder in encoders})
    asked = dict(args.limit_mm_per_prompt or {})
    steps = []
    if "video" in kinds and len(kinds) > 1 and asked.get("video") != 0:
        limits = {"limit_mm_per_prompt": {**asked, "video": 0}}
        steps.append(Step(arguments=limits, gives_up="video"))
    words = " and ".join(kinds)
    if question.deployment.vllm_version >= _TEXT_ONLY_SINCE:
        steps.append(Step(arguments={"language_model_only": True}, gives_up=words))
    else:
        steps.append(Step(arguments={"limit_mm_per_prompt": dict.fromkeys(kinds, 0)}, gives_up=words))
    return tuple(steps)


def draft(parts: Parts) -> Axis:
    """No speculative decoding."""
    if not parts.question.deployment.args.speculative_config:
        return ()
    return (Step(arguments={"speculative_config": None}, gives_up="speed of speculative decoding"),)


def by_hand(parts: Parts) -> Axis:
    """A cache sized by vLLM, not by hand."""
    args = parts.question.deployment.args
    given = {name: None for name in ("kv_cache_memory_bytes", "num_gpu_blocks_override") if getattr(args, name)}
    return (Step(arguments=given, gives_up="a KV cache of the size given"),) if given else ()


def layouts(parts: Parts) -> Axis:
    """The same GPUs divided otherwise, then more: layers within a machine, groups of layers over several."""
    deployment = parts.question.deployment
    args, tp, pp = deployment.args, deployment.tp, deployment.pp
    present, steps = tp * pp, []
    if deployment.gpu.kind in _ALONE:
        return ()
    for count in (2**n for n in range(MOST_GPUS.bit_length())):
        if count < present or count > MOST_GPUS:
            continue
        if parts.weights_bytes * present * _SURELY_DIVIDED > deployment.gpu_memory_bytes * count:
            continue
        for ranks in (2**n for n in reversed(range(_MACHINE.bit_length()))):
            if count % ranks or ranks > count or (ranks, count // ranks) == (tp, pp):
                continue
            if count > _MACHINE and ranks != _MACHINE:
                continue
            sizes = {"tensor_parallel_size": ranks, "pipeline_parallel_size": count // ranks}
            changed = {name: size for name, size in sizes.items() if size != getattr(args, name)}
            steps.append(Step(arguments=changed, gives_up=_of_gpus(count, present, pipelined=count > ranks)))
    return tuple(steps)


def _of_gpus(count: int, present: int, *, pipelined: bool) -> str:
    more = count - present
    if more:
        return f"the price of {counted(more, 'more GPU')}"
    return "speed, in a pipeline" if pipelined else "nothing: the same GPUs divided otherwise"


def offload(parts: Parts) -> Axis:
    """Some weights in host memory, where this vLLM honours that."""
    deployment = parts.question.deployment
    if deployment.args.cpu_offload_gb or not offloads(deployment.vllm_version, v2_runner=deployment.v2_runner):
        return ()
    most = _OFFLOADED * parts.weights_bytes / GIB
    sizes = [size for n in range(2, 11) for size in (2**n, 3 * 2 ** (n - 1)) if size < most]
    return tuple(
        Step(arguments={"cpu_offload_gb": float(size)}, gives_up=f"speed: {size} GiB of weights a GPU in host memory")
        for size in sizes
    )


def checkpoints(parts: Parts) -> Axis:
    """The published checkpoints of the very model that these GPUs can hold, the largest and, where notably less, the least."""
    question, deployment = parts.question, parts.question.deployment
    if question.checkpoint.quantization or deployment.args.quantization:
        return ()
    room = deployment.gpu_memory_bytes * deployment.tp * deployment.pp
    sized = [(one.checkpoint.stored_bytes or 0, one) for one in published_variants(question.checkpoint.id)]
    held = sorted((pair for pair in sized if pair[0] < room), key=lambda pair: pair[0], reverse=True)
    chosen = [held[0], held[-1]] if held and held[0][0] > _NOTABLY_MORE * held[-1][0] else held[:1]
    return tuple(
        Step(
            arguments={"model": one.published.id},
            gives_up=f"precision of the weights ({one.published.quantization})",
            again={"checkpoint": one.checkpoint},
        )
        for _, one in chosen
        if one.published is not None
    )


def other_gpus(parts: Parts, *, less_work: bool = False) -> Iterator[Step]:
    """GPUs of another kind and the same platform, up to eight of them, which together may hold the weights, and the cache unless there is
    `less_work`: of each class of memory and each number the least, the least memory first; where a format is refused, every
    one that may be of another capability.
    """
    deployment, profiles = parts.question.deployment, plugins().profiles
    present = deployment.tp * deployment.pp
    cache = 0 if less_work else parts.required(parts.plan.max_model_len, deployment.concurrency)
    needed = parts.weights_bytes * present + cache
    least, format_ = needed * _SURELY_DIVIDED / HIGHEST_UTILIZATION, obstacle_of(parts) == "format"
    least = least if format_ else max(least, deployment.gpu_memory_bytes * present)
    kinds = [gpu for gpu in outlines(profiles) if gpu.kind in _RENTED and not gpu.unified_memory]
    kinds = [gpu for gpu in kinds if gpu.name != deployment.gpu.name and gpu.platform == deployment.gpu.platform]
    pairs = [(gpu, 2**n) for gpu in kinds for n in range(_MACHINE.bit_length()) if gpu.memory_bytes << n > least]
    known: set[tuple[object, int]] = set()
    for outline, count in sorted(pairs, key=_cost):
        memory = outline.memory_bytes * count
        if (size := (outline.name if format_ else round(log(memory, _NOTABLY_MORE)), count)) in known:
            continue
        known.add(size)
        sizes = {"tensor_parallel_size": count, "pipeline_parallel_size": 1} if count != present else {}
        changed = {name: size for name, size in sizes.items() if size != getattr(deployment.args, name)}
        gpu, used = outline.read(), deployment.used_memory_bytes
        if (used or 0) >= gpu.memory_bytes:
            continue
        other = hardware_of(gpu, profile_for(gpu, profiles), used_bytes=used)
        yield Step(
            arguments={"gpu": gpu.name, **changed},
            gives_up=f"the GPU asked for: {count} × {gpu.memory_bytes / GIB:.0f} GiB instead",
            again={"hardware": other, **changed},
        )


def _cost(pair: tuple[Outline, int]) -> tuple[object, ...]:
    """The least memory, then the fewest GPUs, the slowest, and of one card's variants the plain one."""
    return (round(pair[0].memory_bytes / GIB) * pair[1], pair[1], pair[0].bandwidth, len(pair[0].name))


def _hundredths(low: float, high: float) -> list[float]:
    return [n / 100 for n in range(round(low * 100 + 0.49), floor(high * 100 + 1e-6) + 1)]
