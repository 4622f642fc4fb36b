"""A correction profile: the constants of the GPU's family, moved to what one log measured."""

from __future__ import annotations

from vram.components import constant
from vram.errors import InputError
from vram.models.profile import Constant, OverheadProfile
from vram.models.record import evolve
from vram.plugin import plugins
from vram.profiles import check_name, save_profile
from vram.units import GIB, MIB, format_gib
from vram.vllm import Version, parse_version
from vram_plugins.reconcile.records import Component, Reconciliation

_OFFSET, _PEAK = "non_torch_bytes", "library_workspace_bytes"
_LEAST_SPREAD = GIB // 20


def save_correction(result: Reconciliation, name: str) -> str:
    """Store the profile; gives back the file's path. Raises InputError where the log has nothing to correct by."""
    check_name(name, taken=tuple(plugins().profiles))
    return str(save_profile(correction(result, name)))


def correction(result: Reconciliation, name: str) -> OverheadProfile:
    """The profile of the prediction with its offsets moved, provenance measured, one sample. Raises InputError.

    What the log says of non-torch memory moves `non_torch_bytes`, what it says of the activation peak moves
    `library_workspace_bytes` (which every peak contains); a log with neither moves the first by what is left over
    beside weights and KV cache. Both hold for the range of vLLM versions that the moved constant had, and for
    deployments of all shapes, so a log near the intended use corrects best.
    """
    from vram.gpus import profile_named

    if result.problem or result.profile is None or result.vllm_version is None:
        problem = f"nothing to save: {result.problem or 'the log could not be predicted'}"
        raise InputError(name="save", value=None, problem=problem.rstrip("."))
    base = profile_named(plugins(), result.profile)
    if not base.calibrated:
        problem = f"the estimate used the fixed figure of {base.name!r}, which has no constants to move; add --gpu"
        raise InputError(name="save", value=None, problem=problem)
    version = parse_version(result.vllm_version)
    outside, peak = _offsets(result)
    source = f"one start of vLLM {result.vllm_version} with {result.model} on {result.gpu}"
    moved = [_moved(base, _OFFSET, version, outside, source), _moved(base, _PEAK, version, peak, source)]
    names = {(one.name, one.since, one.until) for one in moved}
    kept = [one for one in base.constants if (one.name, one.since, one.until) not in names]
    offsets = f"{format_gib(outside)} outside PyTorch and {format_gib(peak)} at the activation peak"
    return OverheadProfile(
        name=name,
        description=f"{base.name} moved by {offsets}, as measured",
        source=source,
        gpu=result.gpu if _known(result.gpu) else None,
        constants=(*moved, *kept),
        calibrated=True,
        fragmentation_factor=1.0,
    )


def _offsets(result: Reconciliation) -> tuple[float, float]:
    """Bytes to add outside PyTorch and at the peak. Raises InputError where the log has neither."""
    outside, peak = result.component("non_torch"), result.component("activation_peak")
    if outside is None and peak is None:
        other = result.component("other")
        if other is None:
            problem = "the log has neither weights and KV cache memory nor activation and non-torch memory"
            raise InputError(name="save", value=None, problem=problem)
        return _gap(other), 0.0
    return _gap(outside), _gap(peak)


def _gap(component: Component | None) -> float:
    return 0.0 if component is None else -component.difference


def _moved(base: OverheadProfile, name: str, version: Version, by: float, source: str) -> Constant:
    """The constant of that version moved by so many bytes, never below 0; as wide as before, within reason."""
    former = constant(base, name, version)
    value = max(0.0, former.value + by)
    half = max(_LEAST_SPREAD, min((former.high - former.low) / 2, GIB // 2)) if name == _OFFSET else 32 * MIB
    return evolve(
        former,
        value=value,
        low=max(0.0, value - half),
        high=value + half,
        provenance="measured",
        source=source,
        samples=1,
    )


def _known(gpu: str | None) -> bool:
    from vram.gpus import all_gpus

    return any(one.name == gpu for one in all_gpus(plugins().profiles))
