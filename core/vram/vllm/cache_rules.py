"""How vLLM plans its KV cache, by version: the changes of `v1/core/kv_cache_utils.py` as data.

Each boundary is the first wheel in which the change was seen; the file was read in every minor version from 0.6.6
to 0.33.0 (`kv_cache_planning.py` in 0.33).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from vram.models.record import frozen
from vram.vllm.versions import Version

NeedRule = Literal["layers", "first_group", "groups"]
Packing = Literal["none", "tuples", "slots", "dense", "layout"]


@frozen(kw_only=True)
class CacheRules:
    """One version's rules."""

    #: sliding windows get groups of their own; before, next to full attention they keep every token
    window_groups: bool
    #: chunked local attention likewise (switched off by default from 0.10.2 to 0.13)
    chunk_groups: bool
    #: layers of one type but different sizes form one group whose page is the sum
    uniform_type: bool
    #: group i of n takes layers i, i+n, i+2n ...; before, consecutive ones
    interleaved: bool
    #: with pipeline parallelism a group of mixed sizes costs each rank the pages of all ranks
    mixed_group_spans_ranks: bool
    #: what the fit check adds up: every layer's bytes, the blocks of the first group, the blocks of all groups
    need: NeedRule
    #: the fit check looks at each pipeline rank's own groups, not at the whole model on the smallest rank
    need_per_rank: bool
    #: DeepSeek-V4: how groups with mixed pages share a block
    packing: Packing
    #: --num-gpu-blocks-override decides the memory that the fit check sees
    override_is_memory: bool
    #: prefix caching, and with it Mamba's block-aligned states, are on by default for hybrid models
    aligned_states: bool
    #: every Mamba state costs a block per block of tokens when prefix caching is on (mode "all")
    speculation_adds_to_all: bool
    #: Mamba-2 layers keep one block more for prefill checkpoints in align mode
    mamba2_checkpoints: bool
    #: gated delta net layers of Qwen do on Hopper and Blackwell, and align blocks with their kernel's 64 tokens
    delta_net_checkpoints: bool
    #: hybrids of latent attention and recurrent state use blocks of at least so many tokens
    latent_hybrid_block: int
    #: recurrent states are paged (V1 hybrid support); before, they live outside the KV cache
    paged_states: bool
    #: sliding-window layers choose their own block size: never, the kernel's smallest, the largest that fits
    window_blocks: Literal["shared", "smallest", "fitting"]
    #: vLLM refuses more sequences than Mamba blocks when it captures full CUDA graphs
    checks_state_blocks: bool
    #: printed concurrency is tokens / max_model_len; later, blocks / blocks of one request
    concurrency_from_tokens: bool
    #: Mamba's speculative blocks count in the need of a request
    counts_speculative_states: bool


@lru_cache(maxsize=64)
def cache_rules(version: Version) -> CacheRules:
    """The rules of a version; versions newer than the newest known behave like it."""
    return CacheRules(
        window_groups=version >= (0, 9, 1),
        chunk_groups=(0, 10, 0) <= version < (0, 10, 2) or version >= (0, 14, 0),
        uniform_type=version >= (0, 11, 0),
        interleaved=version >= (0, 11, 0),
        mixed_group_spans_ranks=(0, 11, 0) <= version < (0, 17, 0),
        need="groups" if version >= (0, 19, 0) else "first_group" if version >= (0, 14, 0) else "layers",
        need_per_rank=version >= (0, 17, 0) or version < (0, 14, 0),
        packing=_packing(version),
        override_is_memory=version >= (0, 20, 1),
        aligned_states=version >= (0, 28, 0),
        speculation_adds_to_all=version >= (0, 25, 0),
        mamba2_checkpoints=version >= (0, 32, 0),
        delta_net_checkpoints=version >= (0, 33, 0),
        latent_hybrid_block=128 if version >= (0, 27, 0) else 64 if version < (0, 20, 0) else 16,
        paged_states=version >= (0, 9, 2),
        window_blocks="fitting" if version >= (0, 30, 0) else "smallest" if version >= (0, 25, 0) else "shared",
        checks_state_blocks=version >= (0, 19, 0),
        concurrency_from_tokens=version < (0, 9, 1),
        counts_speculative_states=version >= (0, 15, 0),
    )


def _packing(version: Version) -> Packing:
    if version >= (0, 29, 0):
        return "layout"
    if version >= (0, 27, 0):
        return "dense"
    if version >= (0, 23, 0):
        return "slots"
    return "tuples" if version >= (0, 20, 0) else "none"
