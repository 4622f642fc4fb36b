"""AMD's attention backends, by what each class says of itself and in the order `platforms/rocm.py` tries them.

Sources: `_get_backend_priorities`, `v1/attention/backends/rocm_*.py`, `mla/rocm_aiter_mla*.py` of 0.18.0 to 0.33.0. To 0.18 Triton
serves unless AITER is asked for; since 0.19 ROCM_ATTN comes first.
"""

from __future__ import annotations

from vram.architecture.backends import FLOATS, AttentionTable, Backend, Need
from vram.architecture.blocks import Blocks
from vram.models.platform import Chip
from vram.vllm.versions import Version
from vram_plugins.rocm.chips import cdna
from vram_plugins.rocm.switches import on_rdna4, part

_FP8 = frozenset({"fp8", "fp8_e4m3"})
_FP8_ALL = _FP8 | {"fp8_e5m2"}
_PER_TOKEN_HEAD = frozenset({"int4_per_token_head", "int8_per_token_head", "fp8_per_token_head"})
_TURBO = frozenset({"turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc"})
_OCTAVE = frozenset({"octave_k3v4", "octave_k3v3", "octave_k3v3_compact"})
_ANY_DTYPE = frozenset({"float16", "bfloat16", "float32"})
#: with both ways of images ROCM_ATTN and AITER's unified kernel stopped in 0.32
_NO_IMAGES_BOTH_WAYS = (0, 32, 0)
#: Triton's first release here, and the one where ROCM_ATTN came before it
_NATIVE_FIRST = (0, 19, 0)


def _chip(need: Need) -> Chip:
    if not isinstance(need.capability, Chip):
        raise TypeError("a layer on AMD's GPUs is asked about with its chip")
    return need.capability


def _images(need: Need) -> str:
    both = "mm_prefix" in need.features and need.version >= _NO_IMAGES_BOTH_WAYS
    return "images seen both ways are not supported" if both else ""


def _fixed(*sizes: int) -> Blocks:
    return Blocks(sizes=sizes, multiples=False)


def _least_32(need: Need) -> str:
    return "" if need.head_size >= 32 else f"head size {need.head_size} not supported"


def _cdna3(need: Need) -> str:
    return "" if cdna(_chip(need).architecture) >= 3 else "architecture not supported"


class _Preferring64(Blocks):
    """Any multiple of 16, and 64 where the user gives none (`get_preferred_block_size`)."""

    def preferred(self, default: int) -> int:
        """64."""
        del default
        return 64


_WINDOWS = frozenset({"sliding_window"})
ROCM_ATTN = Backend(
    name="ROCM_ATTN",
    kv_dtypes=FLOATS | _FP8_ALL,
    dtypes=_ANY_DTYPE,
    head_sizes=(32, 64, 80, 96, 128, 160, 192, 224, 256),
    features=_WINDOWS | {"mm_prefix"},
    objects=_images,
)
ROCM_AITER_FA = Backend(
    name="ROCM_AITER_FA",
    blocks=lambda _: _fixed(16, 32),
    kv_dtypes=FLOATS | _FP8_ALL,
    head_sizes=(64, 128, 256),
    features=_WINDOWS | {"sinks", "dcp"},
    objects=_cdna3,
)
ROCM_AITER_UNIFIED_ATTN = Backend(
    name="ROCM_AITER_UNIFIED_ATTN",
    blocks=lambda _: _Preferring64(sizes=(16,)),
    kv_dtypes=FLOATS | _FP8_ALL,
    features=_WINDOWS | {"sinks", "mm_prefix", "cross_attention"},
    objects=lambda need: _least_32(need) or _images(need),
)
TRITON_ATTN = Backend(
    name="TRITON_ATTN",
    kv_dtypes=FLOATS | _FP8_ALL | _PER_TOKEN_HEAD,
    dtypes=_ANY_DTYPE,
    features=_WINDOWS | {"sinks", "mm_prefix", "cross_attention"},
    objects=_least_32,
)
TURBOQUANT = Backend(
    name="TURBOQUANT", blocks=lambda _: _fixed(16, 32, 64, 128), kv_dtypes=_TURBO, features=_WINDOWS, since=(0, 20, 0)
)
ROCM_OCTAVE = Backend(name="ROCM_OCTAVE", kv_dtypes=_OCTAVE, head_sizes=(256,), features=_WINDOWS, since=(0, 33, 0))
ULTRAQUANT = Backend(name="ULTRAQUANT", kv_dtypes=frozenset({"ultraquant_4bit"}), features=_WINDOWS, since=(0, 32, 0))
TRITON_ATTN_DIFFKV = Backend(
    name="TRITON_ATTN_DIFFKV",
    kv_dtypes=frozenset({"auto", "bfloat16"}) | _FP8,
    dtypes=_ANY_DTYPE,
    features=_WINDOWS | {"sinks", "mm_prefix"},
    objects=_least_32,
)
ROCM_AITER_MLA = Backend(
    name="ROCM_AITER_MLA",
    blocks=lambda need: Blocks(sizes=(1,)) if need.version >= (0, 20, 0) else _fixed(1),
    kv_dtypes=FLOATS | _FP8_ALL,
    latent=True,
    features=frozenset({"dcp"}),
    objects=_cdna3,
)
TRITON_MLA = Backend(
    name="TRITON_MLA", kv_dtypes=FLOATS | _FP8, latent=True, features=frozenset({"dcp"}), objects=_least_32
)
ROCM_AITER_TRITON_MLA = Backend(
    name="ROCM_AITER_TRITON_MLA",
    blocks=ROCM_AITER_MLA.blocks,
    kv_dtypes=FLOATS | _FP8_ALL,
    latent=True,
    features=frozenset({"dcp"}),
    objects=_cdna3,
)
ROCM_AITER_MLA_SPARSE = Backend(
    name="ROCM_AITER_MLA_SPARSE",
    blocks=lambda need: (
        Blocks(sizes=(1, 16))
        if need.version >= (0, 28, 0)
        else _fixed(1, 64)
        if need.version >= (0, 22, 0)
        else _fixed(1)
    ),
    kv_dtypes=FLOATS | _FP8,
    latent=True,
    sparse=True,
    features=frozenset({"dcp"}),
)
_PACKED = (TURBOQUANT, ROCM_OCTAVE, ULTRAQUANT)
_ALL = (
    ROCM_ATTN, ROCM_AITER_FA, ROCM_AITER_UNIFIED_ATTN, TRITON_ATTN, *_PACKED, TRITON_ATTN_DIFFKV, ROCM_AITER_MLA, TRITON_MLA,
    ROCM_AITER_TRITON_MLA, ROCM_AITER_MLA_SPARSE,
)  # fmt: skip


def _candidates(need: Need) -> tuple[Backend, ...]:
    chip = _chip(need)
    if need.sparse:
        return (ROCM_AITER_MLA_SPARSE,)
    if need.latent:
        aiter = part(chip, "MLA", need.version)
        return (ROCM_AITER_MLA, TRITON_MLA, ROCM_AITER_TRITON_MLA) if aiter else (TRITON_MLA,)
    if need.head_size != need.head_size_v:
        return (TRITON_ATTN_DIFFKV,)
    return _plain_before(chip, need) if need.version < _NATIVE_FIRST else _plain(chip, need)


def _plain_before(chip: Chip, need: Need) -> tuple[Backend, ...]:
    found: list[Backend] = []
    if part(chip, "UNIFIED_ATTENTION", need.version):
        found.append(ROCM_AITER_UNIFIED_ATTN)
    if part(chip, "MHA", need.version):
        found.append(ROCM_AITER_FA)
    return (*found, TRITON_ATTN)


def _plain(chip: Chip, need: Need) -> tuple[Backend, ...]:
    """AITER's unified kernel is taken wherever the library is (the images of CDNA 3 and 4 have it), asked for or not."""
    found: list[Backend] = [] if "cross_attention" in need.features else [ROCM_ATTN]
    if part(chip, "MHA", need.version):
        found.append(ROCM_AITER_FA)
    if cdna(chip.architecture) >= 3:
        found.append(ROCM_AITER_UNIFIED_ATTN)
    elif on_rdna4(chip, need.version):
        found.insert(0, ROCM_AITER_UNIFIED_ATTN)
    return (*found, TRITON_ATTN, *_PACKED)


def forced_blocks(family: str, version: Version) -> int:
    """The block size that `check_and_update_config` set before 0.18: 16 for all but sparse latent attention, which took 1."""
    del version
    return 1 if family == "sparse_latent" else 16


ATTENTION = AttentionTable(candidates=_candidates, by_name={one.name: one for one in _ALL}.get)
