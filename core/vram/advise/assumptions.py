"""What a speed estimate takes for granted, in sentences."""

from __future__ import annotations

from vram.advise.efficiency import GENERATIONS
from vram.advise.queueing import Loop
from vram.estimate.parts import Parts
from vram.models.performance import Workload

#: GPU families with published runs behind their constants; the rest uses those of all
_MEASURED = frozenset({"ampere", "ada", "hopper", "blackwell_dc", "blackwell_consumer", "gb10_thor"})
_THIN = frozenset({"ada", "blackwell_dc", "gb10_thor"})


def assumptions_of(parts: Parts, load: Workload, loop: Loop, *, limit: float, fits: bool) -> tuple[str, ...]:
    """Always the workload's; then whatever of this deployment the model knows less well.

    `limit` is how many requests run at once at most.
    """
    deployment = parts.question.deployment
    args = deployment.args
    found = [
        _load_sentence(load, loop),
        "An estimate from datasheet rates, measured kernels and constants fitted to published vLLM runs; cards at stock power.",
    ]
    if not fits:
        found.append("The deployment has no memory for one such request: this is the speed it would have if it had.")
    elif loop.waiting > loop.decode.total:
        most = max(1, round(limit))
        who = "max_num_seqs" if most == deployment.max_num_seqs else "the KV cache"
        found.append(
            f"Limited by {who} to {most} requests at once; half of them wait for a place for {loop.waiting:.3g} s or more, "
            "which is part of the time to first token."
        )
    length = load.prompt_tokens + load.gen_tokens
    if length > parts.plan.max_model_len:
        found.append(f"Requests of {length} tokens are longer than max_model_len {parts.plan.max_model_len}.")
    family = deployment.gpu.family
    if family not in _MEASURED:
        found.append("No published run of this GPU generation was at hand: its constants are those of all generations.")
    elif family in _THIN:
        found.append("Few published runs of this GPU generation were at hand.")
    if family not in GENERATIONS:
        found.append("The power this GPU can turn into work is assumed.")
    if args.tensor_parallel_size > 1 and deployment.gpu.interconnect is None:
        found.append("The link between these GPUs is not known; PCIe 4.0 x16 is assumed.")
    if args.data_parallel_size > 1:
        found.append("Figures are for one of the data-parallel replicas; all of them are equally busy.")
    if args.speculative_config:
        found.append("Speculative decoding is not modelled: these are the figures without it.")
    if args.enforce_eager:
        found.append("Without CUDA graphs each kernel is launched by Python; that time is known from one run only.")
    if args.cpu_offload_gb:
        found.append("Offloaded weights are read over PCIe in every step, at 25 GB/s.")
    if parts.question.spec.encoders:
        found.append("Text only: the time of image, video or audio towers is not counted.")
    return tuple(found)


def _load_sentence(load: Workload, loop: Loop) -> str:
    each = f"{load.prompt_tokens} prompt and {load.gen_tokens} output tokens, and {_prefix(load)}."
    if load.arrival == "poisson":
        return (
            f"{load.requests} requests per replica arrive by themselves, {load.request_rate:g} per second on average (Poisson), the "
            f"ramp and the end of the run included; {loop.batch:.0f} run at once on average; they are of all lengths, on average of {each}"
        )
    if load.arrival == "burst":
        return f"{load.concurrency} requests per replica come all at once, and no more after them; every request has {each}"
    return (
        f"Closed loop of {load.concurrency} clients per replica; every request has {each} Equal requests end one "
        "after the other and begin so, so that most wait for the prompts of others; the time to first token is the median's."
    )


def _prefix(load: Workload) -> str:
    if not load.prefix_hit_rate:
        return "prompts share no prefix"
    return f"{load.prompt_tokens - load.new_tokens} of a prompt's tokens are in the prefix cache, whose room is counted for each request"
