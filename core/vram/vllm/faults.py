"""Known faults and changes of vLLM's releases whose size no rule has: `faults.toml`, and which of them a deployment meets."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from operator import attrgetter

from vram.models.cache import LatentCache, StateCache
from vram.models.deployment import Deployment
from vram.models.record import frozen
from vram.models.spec import ModelSpec
from vram.units import GIB
from vram.vllm.environment import decided_by, decides
from vram.vllm.versions import Version, format_version, parse_version

LATER: Version = (999, 0, 0)


@frozen(kw_only=True)
class Fault:
    """One of them: `conditions` are facts of a deployment, each with what it may be; `off` ends the sentence."""

    id: str
    since: Version
    until: Version = LATER
    effect: str
    off: str
    source: str
    conditions: tuple[tuple[str, list[object]], ...]

    def __str__(self) -> str:
        end = "on" if self.until == LATER else f"to before {format_version(self.until)}"
        return f"vLLM from {format_version(self.since)} {end}: {self.effect}{self.off}."


@lru_cache(maxsize=1)
def faults() -> tuple[Fault, ...]:
    """The whole list."""
    import pkgutil  # not importlib.resources, which loads pathlib
    import tomllib

    read = tomllib.loads((pkgutil.get_data("vram.vllm", "faults.toml") or b"").decode())
    return tuple(_fault(off=read["off"][one.pop("off")], **one) for one in read["fault"])


def _fault(*, since: str, when: Mapping[str, object], until: str = "999.0.0", **texts: str) -> Fault:
    asked = tuple((name, wanted if isinstance(wanted, list) else [wanted]) for name, wanted in when.items())
    return Fault(since=parse_version(since), until=parse_version(until), conditions=asked, **texts)


def met_by(deployment: Deployment, spec: ModelSpec, weights: str) -> tuple[Fault, ...]:
    """Those that a deployment meets; `weights` names their quantization, "" for none."""
    known = _facts(deployment, spec, weights)
    in_force = [one for one in faults() if one.since <= deployment.vllm_version < one.until]
    return tuple(one for one in in_force if all(_holds(*asked, known, deployment) for asked in one.conditions))


def deciding(variables: Mapping[str, str]) -> dict[str, str]:
    """Of a process's variables those that anything here asks for, and so no secrets."""
    asked = [each for one in faults() for name, wanted in one.conditions if name == "variable" for each in wanted]
    return {n: v for n, v in variables.items() if decides(n) or _matches([f"{n}={v}"], asked)}


def _matches(variables: list[str], patterns: list[object]) -> bool:
    return any(fnmatchcase(one, str(pattern)) for one in variables for pattern in patterns)


def _holds(name: str, wanted: list[object], known: Mapping[str, object], deployment: Deployment) -> bool:
    if name == "variable":
        return _matches([f"{each}={text}" for each, text in (deployment.args.environment or {}).items()], wanted)
    plain = name.removesuffix("_above")
    have = known[plain] if plain in known else attrgetter(plain)(deployment)
    return have in wanted if name == plain else float(str(have)) > float(str(wanted[0]))


def _facts(deployment: Deployment, spec: ModelSpec, weights: str) -> dict[str, object]:
    """What a condition may ask beside the deployment's own attributes, by name."""
    args, gpu, free = deployment.args, deployment.gpu, deployment.free_memory_bytes
    named = decided_by(args.environment, deployment.vllm_version).attention_backend
    return {
        "moe": spec.has_experts,
        "gated_delta": any(isinstance(cache, StateCache) and cache.kind == "gated_delta_net" for cache in spec.caches),
        "latent": any(isinstance(cache, LatentCache) for cache in spec.caches),
        "shared": free is not None and not gpu.unified_memory and deployment.gpu_memory_bytes - free > GIB,
        "capability": ".".join(map(str, gpu.compute_capability)),
        "format": weights,
        "attention_backend": args.attention_backend or named or "",
        "heads": spec.num_attention_heads // deployment.tp,
    }
