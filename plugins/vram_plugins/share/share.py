"""`vram.share`: models that share GPUs, each with the part of it that it needs, in an order in which every start succeeds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from vram.ask import answer, ask, redeploy
from vram.models.profile import Hardware
from vram.models.record import evolve
from vram.plugin import plugins
from vram.serving import serve_flags_of
from vram.units import counted, format_gib
from vram.vllm import format_version
from vram_plugins.plan.recommend import served_name
from vram_plugins.share.asking import asked_gpus, asked_models
from vram_plugins.share.placing import Placed, Room, filled, first_chain
from vram_plugins.share.records import SharedGpu, Sharing, Start
from vram_plugins.share.tenant import Tenant

if TYPE_CHECKING:
    from vram.models.engine_arguments import DeploymentArguments

_PORT = 8000


def share(
    models: Sequence[str | Mapping[str, Any]],
    *,
    gpus: str | Sequence[str],
    used_gib: float | Sequence[float] | None = None,
    fill: bool = False,
    profile: str | None = None,
    **arguments: Unpack[DeploymentArguments],
) -> Sharing:
    """Put several models onto some GPUs, or say why that cannot be.

    `models` are words as behind `vllm serve`, with `--concurrency` and `--vllm-version` besides ("Qwen/Qwen3-8B -c 16384 --concurrency
    8"), or mappings of the arguments of `vram.estimate`. `gpus` are names, a number before one for several of a kind ("2xH100").
    `used_gib` is what other processes hold of each GPU already, one figure or one for each. `arguments` are those of `vram.estimate`
    for every model that does not say otherwise. Each model gets the least of its GPUs with which it surely starts and does its work;
    with `fill`, what is left besides. Raises VramError on bad input.
    """
    devices = asked_gpus(plugins(), gpus, used_gib=used_gib, profile=profile)
    asked = [{**arguments, **one} for one in asked_models(models)]
    tenants = [_tenant(one, devices[0], profile) for one in asked]
    room = Room(tenants, devices)
    starts = first_chain(room)
    if starts is None:
        return Sharing(gpus=_gpus(devices, ()), obstacle=_obstacle(room))
    if fill:
        starts = filled(room, starts)
    given = [{name: value for name, value in one.items() if name in _engine_names(one)} for one in asked]
    told = tuple(_start(one, room, given[one.tenant], number) for number, one in enumerate(starts))
    return Sharing(gpus=_gpus(devices, told), starts=told)


def _tenant(arguments: dict[str, Any], gpu: Hardware, profile: str | None) -> Tenant:
    """One model, asked on the first GPU; where it goes is asked again. Raises VramError."""
    question = ask(**arguments, gpu=gpu.gpu.name, profile=profile)
    return Tenant(question=question, given=question.deployment.args.gpu_memory_utilization)


def _engine_names(arguments: Mapping[str, Any]) -> set[str]:
    besides = {"model", "concurrency", "vllm_version", "revision", "trust_remote_code", "policy", "gpus"}
    return {name for name, value in arguments.items() if name not in besides and value is not None}


def _start(one: Placed, room: Room, given: Mapping[str, Any], number: int) -> Start:
    parts, question = one.place.parts, one.place.question
    deployment, plan = question.deployment, parts.plan
    args = {**given, "gpu_memory_utilization": one.place.share}
    if "max_model_len" not in args and plan.max_model_len != question.spec.max_model_len:
        args["max_model_len"] = plan.max_model_len
    if deployment.tp > 1:
        args["tensor_parallel_size"] = deployment.tp
    visible = ",".join(map(str, one.devices))
    set_before = [f"{name}={value}" for name, value in (deployment.args.environment or {}).items()]
    flags = (word for flag in serve_flags_of(args, deployment.vllm_version) for word in flag)
    words = [*set_before, "vllm", "serve", served_name(question.checkpoint), *flags, "--port", str(_PORT + number)]
    return Start(
        model=served_name(question.checkpoint),
        gpu=room.gpus[one.devices[0]].gpu.name,
        devices=one.devices,
        used_bytes=one.used_bytes,
        gpu_memory_utilization=one.place.share,
        holds_bytes=one.place.holds_bytes,
        budget_bytes=parts.overhead.budget_bytes,
        weights_bytes=parts.weights_bytes,
        tokens=plan.tokens,
        users=parts.most_requests(plan.max_model_len),
        max_model_len=plan.max_model_len,
        concurrency=deployment.concurrency,
        vllm_version=format_version(deployment.vllm_version),
        engine_args=args,
        command=f"CUDA_VISIBLE_DEVICES={visible} {shlex.join(words)}",
    )


def _gpus(devices: Sequence[Hardware], starts: Sequence[Start]) -> tuple[SharedGpu, ...]:
    return tuple(
        SharedGpu(
            index=index,
            name=gpu.gpu.name,
            memory_bytes=gpu.memory_bytes,
            used_before_bytes=gpu.used_bytes or 0,
            held_bytes=(gpu.used_bytes or 0) + sum(one.holds_bytes for one in starts if index in one.devices),
        )
        for index, gpu in enumerate(devices)
    )


def _obstacle(room: Room) -> str:
    """Why there is no way: a model that fits on none of the GPUs, too few of them for one, or too little memory for all."""
    for number, tenant in enumerate(room.tenants):
        name = tenant.question.checkpoint.id
        most = max(sum(gpu.gpu.name == kind for gpu in room.gpus) for kind in {gpu.gpu.name for gpu in room.gpus})
        if tenant.ranks > most:
            return f"{name} takes {tenant.ranks} GPUs of one kind, and there are {most}"
        if not room.needs(number):
            return f"{name} does not surely start and do its work even alone: {_why_not(room, tenant)}"
    needs = [(room.needs(number) * one.ranks, one) for number, one in enumerate(room.tenants)]
    each = ", ".join(f"{one.question.checkpoint.id} {format_gib(need)}" for need, one in needs)
    free = sum(gpu.memory_bytes - (gpu.used_bytes or 0) for gpu in room.gpus)
    total = sum(need for need, _ in needs)
    if total > free:
        return f"together they hold at least {format_gib(total)} ({each}), and {format_gib(free)} are there"
    return (
        f"they cannot be divided over {counted(len(room.gpus), 'GPU')} so that each start finds room: {each} at least, "
        f"{format_gib(free)} in all"
    )


def _why_not(room: Room, tenant: Tenant) -> str:
    """The first check that fails on the largest of the GPUs, with most of it, or what is too close to be sure."""
    gpu = max(room.gpus, key=lambda one: one.memory_bytes - (one.used_bytes or 0))
    free = evolve(gpu, used_bytes=gpu.used_bytes or 0).free_memory_bytes or 0
    share = tenant.given or min(0.95, max(0.01, free * 100 // gpu.memory_bytes / 100))
    found = answer(redeploy(tenant.question, hardware=gpu, gpu_memory_utilization=share))
    failed = next((check.message for check in found.verdict.checks if not check.passed), None)
    return failed or next(iter(found.verdict.warnings), "it is too close to be sure")
