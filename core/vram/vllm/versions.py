"""What changed between vLLM versions, as data.

Each constant is the first released wheel in which the change was seen (the wheels from 0.6.0 to 0.33.0 were
read); patch releases between two read wheels may already have it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from vram.errors import InputError
from vram.models.record import frozen
from vram.vllm.builds import build_of, is_between

Version = tuple[int, int, int]
NEWEST: Version = (0, 33, 0)
OLDEST: Version = (0, 6, 0)
#: after every release: what nothing has taken away yet is there until then
FOREVER: Version = (2**31, 0, 0)


def parse_version(text: str) -> Version:
    """(0, 19, 1) from "0.19.1", "v0.19.1rc2+cu128", "0.19"; what a build of main is answered as (`builds.py`).

    Raises InputError before 0.6, and for what names no vLLM.
    """
    build = build_of(text.strip())
    match = re.match(r"v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,4}))?", text.strip())
    if build is None and not match:
        problem = "is neither a version such as 0.19.1 nor a build such as nightly, main or main of 2026-08-15"
        raise InputError(name="vllm_version", value=text, problem=problem)
    numbers = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else NEWEST
    version = (build.release or NEWEST) if build else numbers
    if version < OLDEST:
        raise InputError(name="vllm_version", value=text, problem="is older than 0.6.0, the oldest known here")
    return version


def assumed_of(text: str | None) -> tuple[str, ...]:
    """What was taken for granted to answer for a build that is no release, as a sentence; empty for a release."""
    said = (text or "").strip()
    build = build_of(said)
    if build is None and not is_between(said):
        return ()
    reason = build.reason if build else "the release that it is on the way to"
    return (f"vLLM {said:.100} is answered as {format_version(parse_version(said))}, {reason}.",)


def format_version(version: Version) -> str:
    """ "0.33.0"."""
    return ".".join(map(str, version))


#: the last release whose published wheel has kernels for 7.0
LAST_FOR_VOLTA: Version = (0, 19, 1)
#: the first whose published wheel comes with a PyTorch (2.7, CUDA 12.8) that has kernels for 10.0 and later
FIRST_FOR_BLACKWELL: Version = (0, 9, 0)


def lowest_capability(version: Version) -> tuple[int, int]:
    """What the published wheel and image have kernels for; since 0.20 they are built for CUDA 13, which has no 7.0."""
    return (7, 5) if version > LAST_FOR_VOLTA else (7, 0)


def has_kernels_for(capability: tuple[int, int], version: Version) -> bool:
    """Whether the published wheel and image run on a GPU at all."""
    too_new = capability >= (10, 0) and version < FIRST_FOR_BLACKWELL
    return not (capability < lowest_capability(version) or too_new)  # a chip of another platform is neither


def nearest_for(capability: tuple[int, int], version: Version) -> Version | None:
    """The release nearest to one without kernels for a GPU whose published wheel has them; None where none ever had."""
    later, earlier = (FIRST_FOR_BLACKWELL, LAST_FOR_VOLTA)
    ways = (version, later, earlier) if version < later else (version, earlier)
    return next((other for other in ways if has_kernels_for(capability, other)), None)


def newest_for(capability: tuple[int, int]) -> Version:
    """The newest release whose published wheel has kernels for a GPU."""
    return NEWEST if has_kernels_for(capability, NEWEST) else LAST_FOR_VOLTA


def beyond_knowledge(version: Version) -> str | None:
    """A sentence where a release is newer than the newest whose rules were read; None for patches of that one."""
    if version[:2] <= NEWEST[:2]:
        return None
    newest = format_version(NEWEST)
    return (
        f"vLLM {format_version(version)} is newer than {newest}, the newest known here, and is assumed to work alike."
    )


@frozen(kw_only=True)
class Behaviour:
    """One vLLM version's rules. Field comments name the file they were read from."""

    version: Version
    #: config/cache.py: gpu_memory_utilization default
    default_utilization: float
    #: v1/core/kv_cache_utils.py: a type's group size may exceed the smallest by this factor (0: never)
    group_padding_factor: float
    #: v1/kv_cache_interface.py: sliding windows count every token in flight, not one batch
    in_flight_windows: bool
    #: kv_cache_planning.py: one block is kept as the null block in the fit check
    reserves_null_block: bool
    #: kv_cache_utils.py: tokens = int(concurrency * max_model_len)
    tokens_from_concurrency: bool
    #: max concurrency = blocks / sum of blocks per request over groups
    blocks_per_request: bool
    #: v1/worker/gpu_worker.py: non-KV memory = free-memory difference + transient headroom
    total_consumed: bool
    #: CUDA-graph estimate subtracted from the KV pool
    charges_cuda_graphs: bool
    #: engine/arg_utils.py: the 160 GiB tier
    has_160_gib_tier: bool
    #: engine/arg_utils.py:_get_min_mm_batched_tokens: a batch holds the largest item of a prefix-LM model
    batches_hold_items: bool
    #: V1 engine (paged hybrid groups, chunked prefill by default)
    v1: bool


@lru_cache(maxsize=64)
def behaviour(version: Version) -> Behaviour:
    """The rules of a version; versions newer than the newest known behave like it."""
    return Behaviour(
        version=version,
        default_utilization=0.92 if version >= (0, 20, 0) else 0.9,
        group_padding_factor=1.5 if version >= (0, 18, 0) else 1.25 if version >= (0, 12, 0) else 0.0,
        in_flight_windows=version >= (0, 26, 0),
        reserves_null_block=version >= (0, 29, 0),
        tokens_from_concurrency=version >= (0, 20, 1),
        blocks_per_request=version >= (0, 27, 0),
        total_consumed=version >= (0, 27, 0),
        charges_cuda_graphs=version >= (0, 20, 0),
        has_160_gib_tier=version >= (0, 28, 0),
        batches_hold_items=version >= (0, 25, 0),
        v1=version >= (0, 8, 0),
    )
