"""The measured constants of the overhead model: their names, units and what holds where a profile is silent.

Profiles carry them as `[[constants]]`, per range of vLLM versions. The values here are what was measured on other GPU
families (Hopper mostly), so for a family without measurements of its own they are `assumed`, with a wider interval.
"""

from __future__ import annotations

from vram.models.profile import Constant, OverheadProfile
from vram.units import GIB, MIB
from vram.vllm.versions import Version

_ELSEWHERE = "measured on other GPU families"


#: constants in force by profile (its identity; hashing one reads all its GPUs) and version
_TABLES: dict[tuple[int, Version], tuple[OverheadProfile, dict[str, Constant]]] = {}
_MOST_TABLES = 256


def _assumed(
    name: str, value: float, low: float, high: float, *, since: Version = (0, 0, 0), until: Version | None = None
) -> Constant:
    return Constant(
        name=name,
        value=value,
        low=low,
        high=high,
        provenance="assumed",
        source=_ELSEWHERE,
        since=since,
        until=until,
    )


#: every constant of the model; units in the name, or bytes per row × vocabulary, or a plain factor
FALLBACK: tuple[Constant, ...] = (
    _assumed("sampler_sort_bytes", 38.2, 37.7, 38.9),
    _assumed("library_workspace_bytes", 45 * MIB, 16 * MIB, 96 * MIB),
    _assumed("forward_hidden_factor", 4.0, 3.0, 6.0, until=(0, 8, 0)),
    _assumed("forward_hidden_factor", 5.5, 4.0, 7.0, since=(0, 8, 0)),
    _assumed(
        "forward_hidden_factor_v2", 3.0, 2.5, 5.5
    ),  # 3.00 on an H200 under 0.26 (16,384 tokens), 3.3 on T4 under 0.22
    _assumed("activation_spread", 0.15, 0.1, 0.25, until=(0, 8, 0)),
    _assumed("activation_spread", 0.05, 0.03, 0.1, since=(0, 8, 0)),
    _assumed("non_torch_bytes", 0.06 * GIB, 0, 0.35 * GIB, until=(0, 18, 0)),
    _assumed("non_torch_bytes", 0.12 * GIB, 0, 0.4 * GIB, since=(0, 18, 0), until=(0, 27, 0)),
    _assumed("non_torch_bytes", 0.16 * GIB, 0, 0.6 * GIB, since=(0, 27, 0)),
    _assumed("tensor_parallel_bytes", 0.12 * GIB, 0, 1.0 * GIB, until=(0, 11, 0)),  # NCCL came after the snapshot
    _assumed("tensor_parallel_bytes", 0.06 * GIB, 0, 0.3 * GIB, since=(0, 11, 0)),
    _assumed("tensor_parallel_rank_bytes", 0.01 * GIB, 0, 0.08 * GIB),
    _assumed("fused_all_reduce_bytes", 1.71 * GIB, 1.4 * GIB, 2.0 * GIB, since=(0, 17, 0)),
    _assumed("fused_all_reduce_rank_bytes", 0.058 * GIB, 0.03 * GIB, 0.09 * GIB, since=(0, 17, 0)),
    _assumed("graph_fixed_bytes", 0.03 * GIB, 0, 0.1 * GIB),
    _assumed("graph_base_bytes", 0.29 * GIB, 0.1 * GIB, 0.5 * GIB, until=(0, 11, 0)),
    _assumed("graph_base_bytes", 0.417 * GIB, 0.2 * GIB, 0.7 * GIB, since=(0, 11, 0)),
    _assumed("graph_layer_bytes", 8.7 * MIB, 5 * MIB, 14 * MIB, until=(0, 11, 0)),
    _assumed("graph_layer_bytes", 5.4 * MIB, 3 * MIB, 9 * MIB, since=(0, 11, 0)),
    _assumed("graph_base_bytes_v2", 0.22 * GIB, 0.1 * GIB, 0.7 * GIB),  # A40 at 0.26; 0.5 on an H200
    _assumed("graph_layer_bytes_v2", 13.9 * MIB, 5 * MIB, 20 * MIB),
    _assumed("graph_gated_delta_layer_bytes", 20.5 * MIB, 12 * MIB, 28 * MIB),
    _assumed("graph_mamba_layer_bytes", 6.1 * MIB, 2 * MIB, 12 * MIB),
    _assumed("graph_latent_layer_bytes", 25.6 * MIB, 15 * MIB, 35 * MIB),
    _assumed("graph_charged_share", 0.67, 0.3, 1.1, since=(0, 18, 0)),
    # three logs: 4.1 GiB estimated on GB300, and on H200 what is left over of two starts
    _assumed("graph_charged_compressed_layer_bytes", 52 * MIB, 15 * MIB, 80 * MIB, since=(0, 18, 0)),
    # TP over PCIe, by the surplus over what one GPU captures: L40S at 0.10 0.19 MB, RTX 5070 Ti at 0.12 0.15, A40 at 0.26 0.12.
    # It is the driver's: before CUDA 12.4 3.4 times as much (vllm issue 5517, A10G and L4), and such drivers ran wheels to 0.8.5,
    # which are built for CUDA 12.1 and 12.4: between the two. From 0.20 on wheels need a driver of CUDA 13.
    _assumed("graph_all_reduce_bytes", 0.36 * MIB, 0.15 * MIB, 0.7 * MIB, until=(0, 9, 0)),
    _assumed("graph_all_reduce_bytes", 0.2 * MIB, 0.1 * MIB, 0.26 * MIB, since=(0, 9, 0), until=(0, 11, 0)),
    _assumed("graph_all_reduce_bytes", 0.15 * MIB, 0.05 * MIB, 0.26 * MIB, since=(0, 11, 0), until=(0, 20, 0)),
    _assumed("graph_all_reduce_bytes", 0.11 * MIB, 0.04 * MIB, 0.15 * MIB, since=(0, 20, 0)),
    _assumed("graph_spread", 0.4, 0.3, 0.6),
    _assumed("weights_spread", 0.005, 0.003, 0.01),
    _assumed("gpu_memory_spread", 0.0015, 0.0005, 0.003),
)


#: what nobody measured, and no fallback has
NOTHING = _assumed("nothing", 0.0, 0.0, 0.0)


def constant(profile: OverheadProfile, name: str, version: Version) -> Constant:
    """The profile's constant of that name for that version, else the fallback's."""
    return constants_of(profile, version).get(name) or NOTHING


def constants_of(profile: OverheadProfile, version: Version) -> dict[str, Constant]:
    """What holds for a version, by name."""
    held = _TABLES.get((id(profile), version))
    if held is None or held[0] is not profile:
        if len(_TABLES) >= _MOST_TABLES:
            _TABLES.clear()
        held = _TABLES[id(profile), version] = (profile, _table(profile, version))
    return held[1]


def _table(profile: OverheadProfile, version: Version) -> dict[str, Constant]:
    """By name, the first that holds: the profile's own before the fallback's."""
    found: dict[str, Constant] = {}
    for candidate in (*profile.constants, *FALLBACK):
        if _holds(candidate, version):
            found.setdefault(candidate.name, candidate)
    return found


def _holds(candidate: Constant, version: Version) -> bool:
    return candidate.since <= version and (candidate.until is None or version < candidate.until)
