"""Will it start, and does the workload fit: vLLM's own checks in its order, then the policy."""

from __future__ import annotations

from vram.architecture.backends import CACHE_DTYPES
from vram.estimate.cache.backends import REFUSES_SINCE
from vram.estimate.cache.plan import Refusal
from vram.estimate.parts import Parts, architecture_problem, cache_problem, kernel_problem
from vram.estimate.verdict.certainty import captures, certainty_of, free_is_enough, shares_memory
from vram.models.estimate import Check, Memory, OomRisk, Verdict
from vram.models.kv_dtype import KVCacheDtype
from vram.models.platform import CUDA, Chip, architecture_words, method_problem, platform_name, platform_of
from vram.models.record import evolve
from vram.models.scheme import Quantization, QuantizationScheme
from vram.units import GIB, format_gib, gib
from vram.vllm.environment import decided_by
from vram.vllm.versions import Behaviour, Version, format_version, has_kernels_for, nearest_for

_LOW_RISK = 2 * GIB
_KV_SHARE = 0.5


def judge(parts: Parts, memory: Memory, doubts: tuple[str, ...] = ()) -> Verdict:
    """The checks in vLLM's order, and the policy. Fixes of memory checks are found by `remedies`.

    `doubts` are warnings about the question itself, told before the others.
    """
    question = parts.question
    deployment = question.deployment
    checks = [
        *_failed("architecture", architecture_problem(parts)),
        *format_checks(
            scheme=question.scheme,
            quantization=question.quantization,
            kv_dtype=question.kv_dtype,
            behaviour=question.behaviour,
            dtype=deployment.dtype,
            capability=deployment.gpu.compute_capability,
            gpu_name=deployment.gpu.name,
            deprecated_allowed=deployment.args.allow_deprecated_quantization,
        ),
        *_failed("quantization", kernel_problem(parts), fix="another checkpoint"),
        length_check(parts),
        *_failed("attention_backend", _unserved(parts)),
        *_free_memory_check(parts),
        _weights_check(parts),
        *_cache_checks(parts),
        *_capture_check(parts),
    ]
    starts = all(check.passed for check in checks)
    headroom = memory.headroom.expected
    fits = starts and headroom >= gib(question.policy.headroom_gib) and parts.holds_all
    # out of memory beside the cache, whatever the cache has to spare
    bursts = any(not check.passed and check.name in {"weights", "graph_capture"} for check in checks)
    risk: OomRisk = "high" if bursts or headroom < 0 else "low" if headroom >= _LOW_RISK else "medium"
    verdict = Verdict(
        starts=starts,
        fits=fits,
        oom_risk=risk,
        certainty=certainty_of(parts, (check.name for check in checks if not check.passed)),
        checks=tuple(checks),
        warnings=(),
    )
    return evolve(verdict, warnings=(*doubts, *_warnings(parts, memory, verdict)))


def format_checks(
    *,
    scheme: QuantizationScheme | None,
    quantization: Quantization | None,
    kv_dtype: KVCacheDtype,
    behaviour: Behaviour,
    dtype: str,
    capability: tuple[int, int],
    gpu_name: str,
    deprecated_allowed: bool = False,
) -> list[Check]:
    """Whether the GPU and the vLLM version have what the weights, the dtype and the KV cache are stored in."""
    checks: list[Check] = []
    if not has_kernels_for(capability, behaviour.version):
        message = (
            f"the published wheel of vLLM {format_version(behaviour.version)} has no kernels for {gpu_name}; only one built "
            "from source, for CUDA 12.8, can have them"
        )
        nearest = nearest_for(capability, behaviour.version)
        fix = f"--vllm-version {format_version(nearest)}" if nearest else None
        checks.append(Check(name="gpu", passed=False, message=message, fix=fix))
    if scheme is not None and quantization is not None:
        need = quantization.min_capability or scheme.min_capability
        problem = _format_problem(
            quantization.name, need, scheme.since, scheme.removed, behaviour, capability, gpu_name
        ) or method_problem(capability, (quantization.name, scheme.name), behaviour.version)
        message = problem or f"{quantization.name} runs on {gpu_name}"
        fix = "another checkpoint" if problem else None
        checks.append(Check(name="quantization", passed=not problem, message=message, fix=fix))
        if scheme.deprecated and not deprecated_allowed and not problem:
            first, last = scheme.deprecated
            if first <= behaviour.version and (last is None or behaviour.version < last):
                message = f"vLLM {format_version(behaviour.version)} has deprecated {quantization.name}"
                flag = "--allow-deprecated-quantization"
                checks.append(Check(name="quantization", passed=False, message=message, fix=flag))
        dtypes = quantization.dtypes or scheme.dtypes
        if dtypes and dtype not in dtypes:
            message = f"{quantization.name} runs in {' or '.join(dtypes)}, not in {dtype}"
            checks.append(Check(name="quantization", passed=False, message=message, fix=f"--dtype {dtypes[0]}"))
        for reason in quantization.refusals:
            checks.append(Check(name="quantization", passed=False, message=reason, fix="another checkpoint"))
    if dtype == "bfloat16":
        good = capability >= (8, 0) or isinstance(capability, Chip)
        message = f"bfloat16 {'runs' if good else 'needs compute capability 8.0; it is not supported'} on {gpu_name}"
        checks.append(Check(name="dtype", passed=good, message=message, fix=None if good else "--dtype half"))
    if kv_dtype.bits == 16 and kv_dtype.name != dtype and behaviour.version >= (0, 33, 0):
        message = f'kv_cache_dtype="{kv_dtype.name}" is incompatible with dtype="{dtype}"'  # `_reject_mismatched_float_kv_cache`
        checks.append(Check(name="kv_cache_dtype", passed=False, message=message, fix="--kv-cache-dtype auto"))
    if kv_dtype.quantized:
        name = f"KV cache dtype {kv_dtype.name}"
        wider, need = kv_dtype.widened, kv_dtype.min_capability
        need = wider[1] if wider and behaviour.version >= wider[0] else need
        if behaviour.version >= REFUSES_SINCE and kv_dtype.name in CACHE_DTYPES:
            need = (0, 0)  # the attention backends are asked
        problem = _format_problem(name, need, kv_dtype.since, kv_dtype.removed, behaviour, capability, gpu_name)
        problem = problem or _cache_platform_problem(kv_dtype, capability, behaviour.version)
        message = problem or f"{name} runs on {gpu_name}"
        fix = "--kv-cache-dtype auto" if problem else None
        checks.append(Check(name="kv_cache_dtype", passed=not problem, message=message, fix=fix))
    return checks


def _runs_elsewhere(kv_dtype: KVCacheDtype, capability: tuple[int, int]) -> bool:
    """Whether a cache dtype is of another platform than this GPU's."""
    return kv_dtype.platform not in (CUDA, platform_name(capability))


def _cache_platform_problem(kv_dtype: KVCacheDtype, capability: tuple[int, int], version: Version) -> str:
    if _runs_elsewhere(kv_dtype, capability):
        return f"KV cache dtype {kv_dtype.name} runs on {kv_dtype.platform} alone"
    platform = platform_of(capability)
    if platform is None or not isinstance(capability, Chip):
        return ""
    return platform.cache_problem(capability, kv_dtype.name, version)


def _format_problem(
    name: str,
    need: tuple[int, int],
    since: Version,
    removed: Version | None,
    behaviour: Behaviour,
    have: tuple[int, int],
    gpu_name: str,
) -> str:
    """Why a format does not run there, "" where it does."""
    if have < need:
        return f"{name} needs {architecture_words(need)}; {gpu_name} has {have[0]}.{have[1]}"
    gone = removed is not None and behaviour.version >= removed
    if gone or since > behaviour.version:
        version = format_version(behaviour.version)
        return f"vLLM {version} {'no longer has' if gone else 'does not have'} {name}"
    return ""


def _failed(name: str, problem: str, fix: str | None = None) -> tuple[Check, ...]:
    """The check that a problem fails, none without one."""
    return (Check(name=name, passed=False, message=problem, fix=fix),) if problem else ()


def _unserved(parts: Parts) -> str:
    """Why no attention backend serves the cache; a dtype of another platform is refused as that."""
    elsewhere = _runs_elsewhere(parts.question.kv_dtype, parts.question.deployment.gpu.compute_capability)
    return "" if elsewhere else cache_problem(parts)


def length_check(parts: Parts) -> Check:
    """Whether the model has positions for the length, or nobody asks."""
    asked, limit = parts.plan.max_model_len, parts.question.spec.derived_max_model_len
    deployment = parts.question.deployment
    if asked > limit and decided_by(deployment.args.environment, deployment.vllm_version).any_length:
        message = f"{asked:,} tokens are beyond the model's {limit:,}, which VLLM_ALLOW_LONG_MAX_MODEL_LEN allows"
        return Check(name="max_model_len", passed=True, message=message)
    if asked <= limit:
        return Check(name="max_model_len", passed=True, message=f"{asked:,} tokens are within the model's {limit:,}")
    message = f"User-specified max_model_len ({asked}) is greater than the derived max_model_len ({limit})"
    return Check(name="max_model_len", passed=False, message=message, fix=f"--max-model-len {limit}")


def _free_memory_check(parts: Parts) -> list[Check]:
    """vLLM's first look at the device (`v1/worker/utils.py:request_memory`, V1 since 0.9.1); only where free memory is known. The V0
    engine does not look, and runs out of memory later.
    """
    deployment, requested = parts.question.deployment, parts.overhead.budget_bytes
    free = deployment.free_memory_bytes
    if free is None or deployment.charges_others:
        return []
    have = f"({free / GIB:.2f}/{format_gib(deployment.gpu_memory_bytes)})"
    if free >= requested:
        return [Check(name="free_memory", passed=True, message=f"free memory {have} covers the budget")]
    message = (
        f"Free memory on device {have} on startup is less than desired GPU memory utilization "
        f"({deployment.gpu_memory_utilization:g}, {format_gib(requested)})"
    )
    if deployment.v0_engine:
        message = (
            f"{_runtime(parts)} out of memory while the KV cache is allocated: the budget of {format_gib(requested)} is taken, and "
            f"{format_gib(free)} are free"
        )
    share = int(free / deployment.gpu_memory_bytes * 100) / 100
    return [Check(name="free_memory", passed=False, message=message, fix=f"--gpu-memory-utilization {share:g}")]


def _runtime(parts: Parts) -> str:
    """What PyTorch calls the platform where its memory runs out."""
    platform = platform_of(parts.question.deployment.gpu.compute_capability)
    return "CUDA" if platform is None else platform.runtime


def _weights_check(parts: Parts) -> Check:
    weights, used = parts.loading_bytes, parts.question.deployment.used_memory_bytes or 0
    total = parts.question.deployment.gpu_memory_bytes - used
    if weights <= total:
        return Check(
            name="weights", passed=True, message=f"weights take {format_gib(weights)} of {format_gib(total)} per GPU"
        )
    has = "other processes leave" if used else "the GPU has"
    message = (
        f"{_runtime(parts)} out of memory while loading: weights take {format_gib(weights)}, {has} {format_gib(total)}"
    )
    return Check(name="weights", passed=False, message=message)


def _cache_checks(parts: Parts) -> list[Check]:
    plan, available = parts.plan, parts.cache_bytes.expected
    if not plan.groups:
        return []
    refusal = plan.refusal
    if refusal is Refusal.NO_MEMORY:
        message = (
            f"No available memory for the cache blocks ({format_gib(available)} is left after weights and overhead)"
        )
        return [Check(name="cache_blocks", passed=False, message=message)]
    checks = [Check(name="cache_blocks", passed=True, message=f"{format_gib(available)} is left for the KV cache")]
    if refusal is Refusal.AUTO_FIT:
        message = "Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token"
        return [*checks, Check(name="kv_cache_length", passed=False, message=message)]
    if refusal is Refusal.TOO_LONG:
        estimated = plan.estimated_max_model_len or 0
        message = (
            f"To serve at least one request with the model's max seq len ({plan.max_model_len}), "
            f"({format_gib(plan.needed_bytes)} KV cache is needed, which is larger than the available KV cache memory "
            f"({format_gib(available)})"
        )
        if estimated:
            message += f". Based on the available memory, the estimated maximum model length is {estimated}"
        checks.append(Check(name="kv_cache_length", passed=False, message=message))
        return checks
    fitting = f"one request of {plan.max_model_len:,} tokens fits"
    checks.append(Check(name="kv_cache_length", passed=True, message=fitting))
    if refusal is Refusal.MAMBA_BLOCKS:
        message = f"max_num_seqs ({parts.question.deployment.max_num_seqs}) exceeds available Mamba cache blocks ({plan.num_blocks})"
        checks.append(Check(name="mamba_blocks", passed=False, message=message))
    if parts.offload_is_refused:
        message = "Cannot re-initialize the input batch when CPU weight offloading is enabled: this model's cache has several block sizes"
        checks.append(Check(name="cpu_offload", passed=False, message=message, fix="--cpu-offload-gb 0"))
    return checks


def _capture_check(parts: Parts) -> list[Check]:
    if captures(parts) or not free_is_enough(parts):
        return []
    missing = format_gib(-parts.overhead.after_capture.expected)
    message = f"{_runtime(parts)} out of memory while graphs are captured: this vLLM reserves nothing for them, and {missing} are missing"
    return [Check(name="graph_capture", passed=False, message=message)]


def _shortfall(parts: Parts, memory: Memory) -> str:
    """Why a deployment that starts does not fit."""
    deployment, length = parts.question.deployment, parts.plan.max_model_len
    need = gib(parts.question.policy.headroom_gib)
    if memory.headroom.expected >= need:
        return (
            f"The KV cache holds {parts.most_requests(length):,} × {length:,} tokens at once, fewer than "
            f"the {deployment.concurrency:,} asked for."
        )
    return (
        f"{deployment.concurrency} × {length:,} tokens leave {format_gib(memory.headroom.expected)} free, less than the "
        f"{format_gib(need)} asked for."
    )


def _doubt(parts: Parts) -> str:
    """Why a start is too close to be sure."""
    if captures(parts, least=False) != captures(parts, least=True):
        missing = format_gib(-parts.overhead.after_capture.low)
        return (
            "Too close to be sure: this vLLM reserves nothing for CUDA graphs, which may find "
            f"{missing} too little once the KV cache is taken."
        )
    pool, free = parts.cache_bytes, parts.question.deployment.free_memory_bytes
    if free_is_enough(parts, least=False) != free_is_enough(parts, least=True):
        if shares_memory(parts):
            return "Too close to be sure: the GPU's memory is the host's, and how much of it is free depends on what else runs."
        return (
            f"Too close to be sure: about {format_gib(free or 0)} stay free beside CUDA's own memory of the process, and "
            f"{format_gib(parts.overhead.budget_bytes)} are asked for."
        )
    return (
        f"Too close to be sure: the KV cache may have {format_gib(pool.low)} to {format_gib(pool.high)}, and within that vLLM "
        "starts or refuses."
    )


def _warnings(parts: Parts, memory: Memory, verdict: Verdict) -> tuple[str, ...]:
    question, deployment = parts.question, parts.question.deployment
    found = [*question.spec.assumptions, *(question.quantization.notes if question.quantization else ())]
    if not verdict.starts:
        found.append(f"vLLM {'may' if verdict.certainty == 'borderline' else 'would'} refuse to start.")
    elif not verdict.fits:
        found.append(_shortfall(parts, memory))
    if verdict.certainty == "borderline":
        found.append(_doubt(parts))
    if deployment.concurrency > deployment.max_num_seqs:
        found.append(
            f"vLLM runs {deployment.max_num_seqs:,} requests at once and lets the others wait; "
            f"--max-num-seqs {deployment.concurrency} runs all."
        )
    if verdict.starts and verdict.oom_risk == "high":
        found.append("High risk of running out of memory: the workload needs more than the budget.")
    elif verdict.starts and verdict.oom_risk == "medium":
        found.append("Medium risk of running out of memory: less than 2 GiB of the budget stays free.")
    if memory.budget_bytes and memory.kv_cache_required.expected > _KV_SHARE * memory.budget_bytes:
        found.append(
            "The KV cache takes more than half of the budget: a shorter context or an fp8 KV cache frees most."
        )
    return tuple(found)
