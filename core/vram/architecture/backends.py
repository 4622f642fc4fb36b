"""Which attention backend serves a layer, and what that decides: kernel block sizes, the page's layout, or a refusal.

The contract of a platform's table (`cuda_backends`) and vLLM's choice from it: the first candidate that
has nothing against a layer (`platforms/cuda.py:get_attn_backend_cls`, `v1/attention/backend.py:validate_configuration`).
"""

from __future__ import annotations

from collections.abc import Callable

from vram.architecture.blocks import Blocks
from vram.models.record import frozen
from vram.vllm.versions import Version

#: what an unquantized cache may be called
FLOATS = frozenset({"auto", "float16", "bfloat16"})
#: every name of --kv-cache-dtype (`config/cache.py:CacheDType`, 0.33.0); others are a plugin's, which no backend can object to
CACHE_DTYPES = FLOATS | {
    *("fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "nvfp4", "nvfp4_4over6", "nvfp4_ds_mla"),
    *("turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc", "ultraquant_4bit"),
    *("octave_k3v4", "octave_k3v3", "octave_k3v3_compact"),
    *("int4_per_token_head", "int8_per_token_head", "fp8_per_token_head"),
}


@frozen(kw_only=True, cache_hash=True)
class Need:
    """A layer as the selector sees it (`v1/attention/selector.py:AttentionSelectorConfig`).

    `kv_dtype` is what the layer stores, `block_size` only --block-size. `model_head_size` is the whole model's, which some
    kernels look at instead of the layer's. `features` must all be among a backend's: "sliding_window", "sinks", "mm_prefix"
    (images seen both ways), "dcp", "cross_attention". `nope` is qk_nope_head_dim, `heads` a rank's query heads, `grouped`
    whether several share a KV head. `flash_version` is a FlashAttention version that the model asks for (0: none).
    """

    version: Version
    capability: tuple[int, int]
    dtype: str
    kv_dtype: str
    block_size: int | None = None
    head_size: int = 128
    head_size_v: int = 128
    model_head_size: int = 128
    latent: bool = False
    sparse: bool = False
    features: frozenset[str] = frozenset()
    nope: int = 128
    heads: int = 0
    grouped: bool = False
    flash_version: int = 0


def _nothing(_: Need) -> str:
    return ""


@frozen(kw_only=True)
class Backend:
    """One attention backend: what it serves, as data, and `objects` for what only a combination decides ("" for nothing).

    `capabilities` are the lowest and the highest; `head_sizes` empty is any, `packs` the cache dtypes that it stores in the
    packed format of sparse latent attention.
    """

    name: str
    blocks: Callable[[Need], Blocks] = lambda _: Blocks(sizes=(16,))
    kv_dtypes: frozenset[str] = FLOATS
    dtypes: frozenset[str] = frozenset({"float16", "bfloat16"})
    capabilities: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (99, 0))
    head_sizes: tuple[int, ...] = ()
    features: frozenset[str] = frozenset()
    latent: bool = False
    sparse: bool = False
    packs: frozenset[str] = frozenset()
    objects: Callable[[Need], str] = _nothing
    since: Version = (0, 0, 0)

    def problem(self, need: Need) -> str:
        """The first thing against serving this layer, "" where there is none."""
        low, high = self.capabilities
        if need.version < self.since or (need.latent, need.sparse) != (self.latent, self.sparse):
            return "kind of attention not supported"
        if need.capability < low or need.capability > high:
            return "compute capability not supported"
        if self.head_sizes and need.head_size not in self.head_sizes:
            return f"head size {need.head_size} not supported"
        if need.dtype not in self.dtypes:
            return f"dtype {need.dtype} not supported"
        if need.kv_dtype not in self.kv_dtypes:
            return f"KV cache dtype {need.kv_dtype} not supported"
        if need.block_size is not None and not self.blocks(need).take(need.block_size):
            return f"block size {need.block_size} not supported"
        missing = sorted(need.features - self.features)
        return f"{missing[0]} not supported" if missing else self.objects(need)


@frozen(kw_only=True)
class AttentionTable:
    """A platform's backends: its `candidates` for a layer in vLLM's order, and every backend by name for --attention-backend."""

    candidates: Callable[[Need], tuple[Backend, ...]]
    by_name: Callable[[str], Backend | None]


def choose(table: AttentionTable, need: Need, asked: str | None = None) -> tuple[Backend | None, str]:
    """The backend and "", or None and vLLM's reason; `asked` is --attention-backend, which is taken or refused."""
    named = table.by_name(asked.upper()) if asked else None
    if asked and named is None:
        return None, f"attention backend {asked} is not known here"
    candidates = (named,) if named else table.candidates(need)
    problems = []
    for backend in candidates:
        problem = backend.problem(need)
        if not problem:
            return backend, ""
        problems.append(f"{backend.name}: {problem}")
    return None, "no valid attention backend: " + "; ".join(problems)
