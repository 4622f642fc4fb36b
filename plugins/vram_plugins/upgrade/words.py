"""An upgrade in words, the same for the terminal and for reports: rows and sentences."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.estimate import Estimate
from vram.units import GIB
from vram_plugins.upgrade.records import Figure, FlagChange, Reason, Setting, Upgrade

_NAMES = {
    "weights": "weights", "activation_peak": "activation peak", "cuda_graphs": "CUDA graphs", "non_torch": "non-torch",
    "budget": "budget", "kv_cache_available": "KV cache memory", "kv_cache_required": "  of it needed", "headroom": "headroom",
    "kv_tokens": "KV cache tokens", "max_concurrency": "max concurrency", "max_context_at_concurrency": "longest context",
    "max_concurrency_at_context": "most requests",
}  # fmt: skip
#: words of a reason that only repeat what other reasons say
_FOLLOWS = (
    "the memory of the cache",
    "what else is held: activation peak",
    "what else is held: non torch",
    "what else is held: weights",
)


def verdict_of(estimate: Estimate) -> str:
    """In a few words."""
    verdict = estimate.verdict
    if verdict.certainty == "borderline":
        return "may not start"
    if not verdict.starts:
        return "does not start"
    return "starts and fits" if verdict.fits else "starts, but the workload does not fit"


def rows(found: Upgrade) -> Iterator[tuple[str, str, str, str]]:
    """Each quantity before and after, and its change."""
    for one in found.figures:
        change = _amount(one, one.change, signed=True) if _moved(one) else "·"
        yield _NAMES[one.name], _amount(one, one.before), _amount(one, one.after), change


def settings(found: Upgrade) -> Iterator[str]:
    """Defaults that changed, and what a release makes of what was given."""
    for one in found.settings:
        yield f"{_setting(one)} {one.before} → {one.after}" + (" (although given)" if one.given else "")


def reasons(found: Upgrade) -> Iterator[tuple[str, str]]:
    """Release and why, with all that moved by it; what only follows from others is left out."""
    together: dict[tuple[str, str], list[str]] = {}
    for one in found.reasons:
        moved = together.setdefault((one.release, one.why), [])
        if one.name != "kv_tokens" or not moved:
            moved.append(f"{_NAMES[one.name]} {_change(one)}")
    for (release, why), moved in together.items():
        if why not in _FOLLOWS:
            yield release, f"{', '.join(moved)}: {why}"


def flags(found: Upgrade) -> Iterator[str]:
    """Flags of the deployment that one of the releases does not take."""
    for one in found.flags:
        yield _flag(one, found)


def _flag(one: FlagChange, found: Upgrade) -> str:
    versions = found.before.deployment.vllm_version, found.after.deployment.vllm_version
    if one.state == "gone":
        instead = f"; {one.instead} took its place" if one.instead else ""
        return f"{one.flag} is gone since {one.gone}{instead}: vLLM {versions[1]} stops at it"
    if one.state == "not yet":
        return f"{one.flag} came with {one.since}: vLLM {versions[0]} stops at it"
    return f"{one.flag} is a flag of neither"


def assumed(found: Upgrade) -> Iterator[str]:
    """What nobody said of either."""
    yield from dict.fromkeys((*found.before.assumed, *found.after.assumed))


def faults(found: Upgrade) -> Iterator[str]:
    """Known faults that the deployment meets."""
    when = {"before": "no longer", "after": "new", "both": "still"}
    for one in found.faults:
        yield f"{when[one.when]}: {one.words} ({one.source})"


def _setting(one: Setting) -> str:
    return one.name if one.name == "engine" else f"--{one.name.replace('_', '-')}"


def _moved(one: Figure) -> bool:
    return abs(one.change) >= (0.005 * GIB if one.unit == "bytes" else 0.005)


def _amount(one: Figure, value: float, *, signed: bool = False) -> str:
    sign = "+" if signed and value > 0 else ""
    if one.unit == "bytes":
        return f"{sign}{value / GIB:.2f}"
    return f"{sign}{value:.2f}x" if one.unit == "ratio" else f"{sign}{value:,.0f}"


def _change(one: Reason) -> str:
    return f"{one.change:+,.0f} tokens" if one.name == "kv_tokens" else f"{one.change / GIB:+.2f} GiB"
