"""NVIDIA's attention backends, by what each class says of itself and in the order `platforms/cuda.py` tries them.

Sources: `_get_backend_priorities` and the backends' predicates (`v1/attention/backends`, `.../mla`) in 0.18.0 to 0.33.0.
"""

from __future__ import annotations

from vram.architecture.backends import FLOATS, AttentionTable, Backend, Need
from vram.architecture.blocks import Blocks

_FP8 = frozenset({"fp8", "fp8_e4m3"})
_FP8_ALL = _FP8 | {"fp8_e5m2"}
_NVFP4 = frozenset({"nvfp4", "nvfp4_4over6"})
_PER_TOKEN_HEAD = frozenset({"int4_per_token_head", "int8_per_token_head", "fp8_per_token_head"})
_TURBO = frozenset({"turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc"})
_ANY_DTYPE = frozenset({"float16", "bfloat16", "float32"})
_BF16 = frozenset({"bfloat16"})
_ANY, _SM90, _SM100, _SM120 = ((0, 0), (99, 0)), ((9, 0), (9, 9)), ((10, 0), (10, 9)), ((12, 0), (12, 9))
#: `MLACommonBackend.get_supported_head_sizes`
_LATENT_HEADS = (320, 512, 576)
#: FA4's kernel for heads of 256 on data-centre Blackwell reads one page of 128 tokens per tile (`fa_utils.py`, 0.30)
_FA4_PAGE = 128


def flash_attention_version(need: Need) -> int:
    """FlashAttention's version for a layer (`fa_utils.py:get_flash_attn_version`); 0 where it has none."""
    major, fa4 = need.capability[0], need.version >= (0, 20, 0)
    if major < 8:
        return 0
    if need.flash_version == 4 and major == 9:
        return 4
    if major == 9:
        diff_sinks = "sinks" in need.features and need.head_size != need.head_size_v
        return 4 if fa4 and (need.head_size > 256 or diff_sinks) else 3
    if major != 10:
        return 2
    if need.head_size == 256 == need.head_size_v:
        return 4 if need.version >= (0, 30, 0) and not _hd256_falls_back(need) else 2
    return 4 if need.head_size <= 128 or (need.head_size, need.head_size_v) == (192, 128) else 2


def _hd256_falls_back(need: Need) -> bool:
    aligned = need.block_size is None or need.block_size % _FA4_PAGE == 0
    return bool(need.features & {"sinks", "mm_prefix", "dcp"}) or need.kv_dtype not in FLOATS or not aligned


def _flash_objects(need: Need) -> str:
    fa, major = flash_attention_version(need), need.capability[0]
    if need.head_size % 8 or need.head_size > (512 if major in (9, 10) and need.version >= (0, 20, 0) else 256):
        return f"head size {need.head_size} not supported"
    if "sinks" in need.features and major not in (9, 10):
        return "sinks not supported"
    if need.kv_dtype not in FLOATS:
        hopper = major == 9 and (fa == 3 or need.head_size == 512)
        blackwell = major == 10 and fa == 4 and need.version >= (0, 28, 0)
        if not hopper and not blackwell:
            return "an fp8 KV cache needs FlashAttention 3 on Hopper or 4"
    hopper_fp8 = major == 9 and need.kv_dtype not in FLOATS
    if "mm_prefix" in need.features and (fa != 4 or need.version < (0, 25, 0) or hopper_fp8):
        return "images seen both ways need FlashAttention 4"
    return ""


def _flash_blocks(need: Need) -> Blocks:
    major = need.capability[0]
    if major == 9 and need.version >= (0, 31, 0) and need.kv_dtype in _FP8 and need.model_head_size == 512:
        return Blocks(sizes=(64,), multiples=False)
    if major == 10 and need.model_head_size == 256 and flash_attention_version(need) == 4:
        return Blocks(sizes=(_FA4_PAGE,), multiples=False)
    return Blocks(sizes=(16,))


def _flashinfer_objects(need: Need) -> str:
    major, version = need.capability[0], need.version
    if need.head_size == 512 and version < (0, 22, 0):
        return "head size 512 not supported"
    if "sinks" in need.features and not (
        major == 10 or (major == 9 and version >= (0, 30, 0)) or (major == 12 and version >= (0, 28, 0))
    ):
        return "sinks not supported"
    if need.kv_dtype in _NVFP4 and major != 10:
        if version < (0, 32, 0) or need.kv_dtype != "nvfp4":
            return f"KV cache dtype {need.kv_dtype} not supported"
        if need.head_size == 64 or need.features & {"sinks", "dcp"}:
            return "an NVFP4 KV cache is not read with heads of 64, sinks or context parallelism"
    return ""


def _flashinfer_blocks(need: Need) -> Blocks:
    # TRT-LLM's kernels take larger pages (`get_supported_kernel_block_sizes`, 0.25)
    large = need.capability[0] == 10 and need.grouped and need.version >= (0, 25, 0)
    return _fixed(16, 32, 64, *((128, 256, 512, 1024) if large else ()))


def _composite_objects(need: Need) -> str:
    """Triton for images and another backend for text must both take the layer, the other one as if without images."""
    from vram.models.record import evolve

    plain = evolve(need, features=need.features - {"mm_prefix"})
    other = FLASHINFER if need.capability[0] == 10 else FLASH_ATTN
    return TRITON_ATTN.problem(need) or other.problem(plain)


def _triton_objects(need: Need) -> str:
    if need.head_size < 32:
        return f"head size {need.head_size} not supported"
    fresh = need.version >= ((0, 26, 0) if need.latent else (0, 24, 0))
    if fresh and need.kv_dtype.startswith("fp8") and need.capability < (8, 9):
        return "an fp8 KV cache needs compute capability 8.9 in Triton"
    return _bfloat16_problem(need)


def _bfloat16_problem(need: Need) -> str:
    return "bfloat16 needs compute capability 8.0" if need.kv_dtype == "bfloat16" and need.capability < (8, 0) else ""


def _sparse_flashmla_objects(need: Need) -> str:
    if need.kv_dtype == "nvfp4_ds_mla" and (need.capability[0] != 10 or need.version < (0, 30, 0)):
        return "nvfp4_ds_mla needs data-centre Blackwell"
    if need.head_size == 512 and (need.capability[0] != 9 or need.kv_dtype in {"fp8", "nvfp4_ds_mla"}):
        return "heads of 512 need Hopper and an unquantized or fp8_ds_mla cache"
    return ""


def _nope_objects(need: Need) -> str:
    taken = (64, 128, 192) if need.version >= (0, 20, 0) else (64, 128)
    return "" if need.nope in taken else f"qk_nope_head_dim {need.nope} not supported"


def _sparse_nope_objects(need: Need) -> str:
    if need.head_size == 512:
        return "" if need.nope == 256 else f"qk_nope_head_dim {need.nope} not supported without rotary features"
    taken = (128, 192) if need.version >= (0, 20, 0) else (128,)
    return "" if need.nope in taken else f"qk_nope_head_dim {need.nope} not supported"


def _fixed(*sizes: int) -> Blocks:
    return Blocks(sizes=sizes, multiples=False)


FLASH_ATTN = Backend(
    name="FLASH_ATTN",
    blocks=_flash_blocks,
    kv_dtypes=FLOATS | _FP8,
    capabilities=((8, 0), (99, 0)),
    features=frozenset({"sliding_window", "sinks", "mm_prefix", "dcp", "cross_attention"}),
    objects=_flash_objects,
)
FLASHINFER = Backend(
    name="FLASHINFER",
    blocks=_flashinfer_blocks,
    kv_dtypes=FLOATS | _FP8_ALL | _NVFP4,
    capabilities=((7, 5), (12, 1)),
    head_sizes=(64, 128, 256, 512),
    features=frozenset({"sliding_window", "sinks", "dcp"}),
    objects=lambda need: (
        "compute capability not supported"
        if need.capability < (8, 0) and need.version >= (0, 25, 0)
        else _flashinfer_objects(need)
    ),
)
TRITON_ATTN = Backend(
    name="TRITON_ATTN",
    kv_dtypes=FLOATS | _FP8_ALL | _PER_TOKEN_HEAD,
    dtypes=_ANY_DTYPE,
    features=frozenset({"sliding_window", "sinks", "mm_prefix", "cross_attention"}),
    objects=_triton_objects,
)
FLEX_ATTENTION = Backend(
    name="FLEX_ATTENTION",
    dtypes=_ANY_DTYPE,
    features=frozenset({"sliding_window", "mm_prefix"}),
    objects=_bfloat16_problem,  # Triton comes first and, once taken, does not start
)
TURBOQUANT = Backend(
    name="TURBOQUANT", blocks=lambda _: _fixed(16, 32, 64, 128), kv_dtypes=_TURBO, since=(0, 20, 0)
)  # fmt: skip
_COMPOSITE = frozenset({"sliding_window", "mm_prefix"})
TRITON_FLASH_ATTN = Backend(
    name="TRITON_FLASH_ATTN",
    blocks=_flash_blocks,
    kv_dtypes=FLOATS | _FP8,
    capabilities=_SM90,
    head_sizes=(256, 512),
    features=_COMPOSITE,
    objects=_composite_objects,
    since=(0, 30, 0),
)
TRITON_FLASHINFER = Backend(
    name="TRITON_FLASHINFER",
    blocks=lambda _: _fixed(64),
    kv_dtypes=FLOATS | _FP8_ALL,
    capabilities=_SM100,
    head_sizes=(256, 512),
    features=_COMPOSITE,
    objects=_composite_objects,
    since=(0, 30, 0),
)
#: for keys and values of different widths the model's class takes one of these itself (`mimo_v2.py`, `openpangu.py`)
FLASH_ATTN_DIFFKV = Backend(
    name="FLASH_ATTN_DIFFKV",
    kv_dtypes=FLOATS | _FP8,
    capabilities=((9, 0), (10, 9)),
    features=FLASH_ATTN.features,
    objects=lambda need: "" if flash_attention_version(need) > 2 else "needs FlashAttention 3 or 4",
)
TRITON_ATTN_DIFFKV = Backend(
    name="TRITON_ATTN_DIFFKV",
    kv_dtypes=frozenset({"auto", "bfloat16"}) | _FP8,
    dtypes=_ANY_DTYPE,
    features=frozenset({"sliding_window", "sinks", "mm_prefix"}),
    objects=_triton_objects,
)
_DCP = frozenset({"dcp"})
FLASHINFER_MLA = Backend(
    name="FLASHINFER_MLA",
    blocks=lambda _: _fixed(32, 64),
    kv_dtypes=FLOATS | _FP8,
    capabilities=_SM100,
    head_sizes=_LATENT_HEADS,
    features=_DCP,
    latent=True,
    objects=_nope_objects,
)
CUTLASS_MLA = Backend(
    name="CUTLASS_MLA",
    blocks=lambda _: _fixed(128),
    kv_dtypes=FLOATS | _FP8,
    capabilities=_SM100,
    head_sizes=_LATENT_HEADS,
    features=_DCP,
    latent=True,
)
FLASH_ATTN_MLA = Backend(
    name="FLASH_ATTN_MLA", capabilities=_SM90, head_sizes=_LATENT_HEADS, features=_DCP, latent=True
)
FLASHMLA = Backend(
    name="FLASHMLA",
    blocks=lambda _: _fixed(64),
    kv_dtypes=FLOATS | _FP8,
    capabilities=_SM90,
    head_sizes=_LATENT_HEADS,
    features=_DCP,
    latent=True,
)
TRITON_MLA = Backend(name="TRITON_MLA", kv_dtypes=FLOATS | _FP8, features=_DCP, latent=True, objects=_triton_objects)
FLASHINFER_MLA_SPARSE = Backend(
    name="FLASHINFER_MLA_SPARSE",
    blocks=lambda _: _fixed(64),  # with the indexer's 64; alone 32
    kv_dtypes=FLOATS | _FP8,
    capabilities=_SM100,
    head_sizes=(512, 576),
    features=_DCP,
    latent=True,
    sparse=True,
    objects=_sparse_nope_objects,
)
FLASH_ATTN_MLA_SPARSE_FA4 = Backend(
    name="FLASH_ATTN_MLA_SPARSE_FA4",
    blocks=lambda _: Blocks(sizes=(64,)),
    kv_dtypes=frozenset({"auto", "bfloat16"}),
    dtypes=_BF16,
    capabilities=_SM100,
    head_sizes=(576,),
    features=_DCP,
    latent=True,
    sparse=True,
    objects=lambda need: "" if need.heads in (8, 16, 32, 64, 128) else f"{need.heads} query heads not supported",
    since=(0, 33, 0),
)
FLASH_ATTN_MLA_SPARSE = Backend(
    name="FLASH_ATTN_MLA_SPARSE",
    blocks=lambda _: Blocks(sizes=(64,)),
    capabilities=_SM90,
    latent=True,
    sparse=True,
    since=(0, 25, 0),
)
FLASHMLA_SPARSE = Backend(
    name="FLASHMLA_SPARSE",
    blocks=lambda _: Blocks(sizes=(64,)),
    kv_dtypes=frozenset({"auto", "bfloat16", "fp8_ds_mla", "fp8", "nvfp4_ds_mla"}),
    dtypes=_BF16,
    capabilities=((9, 0), (10, 9)),
    head_sizes=(512, 576),
    features=_DCP,
    latent=True,
    sparse=True,
    packs=frozenset({"fp8"}),
    objects=_sparse_flashmla_objects,
)
FLASHINFER_MLA_SPARSE_SM90 = Backend(
    name="FLASHINFER_MLA_SPARSE_SM90",
    blocks=lambda _: Blocks(sizes=(64,)),
    kv_dtypes=frozenset({"auto", "bfloat16"}) | _FP8,
    dtypes=_BF16,
    capabilities=_SM90,
    head_sizes=(512, 576),
    latent=True,
    sparse=True,
    since=(0, 30, 0),
)
FLASHINFER_MLA_SPARSE_SM120 = Backend(
    name="FLASHINFER_MLA_SPARSE_SM120",
    blocks=lambda _: Blocks(sizes=(64,)),
    kv_dtypes=frozenset({"auto", "fp8_ds_mla"}) | _FP8,
    dtypes=_BF16,
    capabilities=_SM120,
    head_sizes=(512, 576),
    latent=True,
    sparse=True,
    packs=_FP8 | {"auto"},
    since=(0, 24, 0),
)
_PLAIN = (FLASH_ATTN, FLASHINFER, TRITON_ATTN, FLEX_ATTENTION, TURBOQUANT)
_DIFFERENT = (FLASH_ATTN_DIFFKV, TRITON_ATTN_DIFFKV)
_SPARSE_HOPPER = (FLASH_ATTN_MLA_SPARSE, FLASHMLA_SPARSE, FLASHINFER_MLA_SPARSE_SM90)
_ALL = (
    *_PLAIN, *_DIFFERENT, TRITON_FLASH_ATTN, TRITON_FLASHINFER, FLASHINFER_MLA, CUTLASS_MLA, FLASH_ATTN_MLA, FLASHMLA, TRITON_MLA,
    FLASHINFER_MLA_SPARSE, FLASH_ATTN_MLA_SPARSE_FA4, *_SPARSE_HOPPER, FLASHINFER_MLA_SPARSE_SM120,
)  # fmt: skip


def _candidates(need: Need) -> tuple[Backend, ...]:
    if need.latent:
        return _sparse(need) if need.sparse else _latent(need)
    if need.head_size != need.head_size_v:
        return _DIFFERENT
    composite = (TRITON_FLASHINFER, TRITON_FLASH_ATTN) if "mm_prefix" in need.features else ()
    if need.capability[0] == 10:
        return (*composite, FLASHINFER, FLASH_ATTN, *_PLAIN[2:])
    return (*composite, *_PLAIN)


def _latent(need: Need) -> tuple[Backend, ...]:
    if need.capability[0] == 10:
        return FLASHINFER_MLA, CUTLASS_MLA, TRITON_MLA
    return FLASH_ATTN_MLA, FLASHMLA, TRITON_MLA


def _sparse(need: Need) -> tuple[Backend, ...]:
    major = need.capability[0]
    if major == 12:
        return (FLASHINFER_MLA_SPARSE_SM120,)
    if major != 10:
        *first, last = _SPARSE_HOPPER
        return (last, *first) if need.head_size == 512 else _SPARSE_HOPPER
    if need.kv_dtype not in FLOATS:
        return FLASHINFER_MLA_SPARSE, FLASHMLA_SPARSE
    if need.heads and need.heads <= 16:
        return FLASH_ATTN_MLA_SPARSE_FA4, FLASHINFER_MLA_SPARSE, FLASHMLA_SPARSE
    return FLASHMLA_SPARSE, FLASHINFER_MLA_SPARSE


CUDA = AttentionTable(candidates=_candidates, by_name={one.name: one for one in _ALL}.get)
