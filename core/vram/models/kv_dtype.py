"""The contract of a KV cache dtype: how many bytes the keys and values of one token take."""

from __future__ import annotations

from vram.dtypes import dtype_bits
from vram.errors import InputError
from vram.models.parameters import ceil_div, round_up
from vram.models.record import frozen


@frozen(kw_only=True, cache_hash=True)
class KVCacheDtype:
    """One value of --kv-cache-dtype.

    `bits` is the width of one stored number, of values too unless `value_bits` differs; None is the model's
    own dtype. Scales kept in the cache are `elements_per_scale` (one byte per so many numbers) and
    `key_extra_bytes`, `value_extra_bytes` (per head and token); scales that are parameters are not counted.
    A head's slot is rounded up to `slot_alignment` bytes. `latent_token_bytes` is the whole size of a packed
    token of multi-head latent attention where a format fixes it, `sparse_latent_token_bytes` the same for GPUs whose
    sparse backend repacks this dtype; `latent` is False where vLLM has no latent attention for the dtype.
    `unquantized_ends` layers at each end of an attention-only model stay at the model's dtype. `since` and `removed`
    are vLLM versions, `min_capability` a compute capability, `widened` a version and the capability it takes from then on;
    `platform` is another than "cuda" where that platform's GPUs alone have a kernel for it.

        KVCacheDtype(name="int6", bits=6).head_bytes(128, 128, dtype="bfloat16")  # 192
    """

    name: str
    bits: int | None = None
    value_bits: int | None = None
    elements_per_scale: int = 0
    key_extra_bytes: int = 0
    value_extra_bytes: int = 0
    slot_alignment: int = 1
    latent_token_bytes: int | None = None
    sparse_latent_token_bytes: int | None = None
    latent: bool = True
    unquantized_ends: int = 0
    aliases: tuple[str, ...] = ()
    min_capability: tuple[int, int] = (0, 0)
    since: tuple[int, int, int] = (0, 0, 0)
    removed: tuple[int, int, int] | None = None
    widened: tuple[tuple[int, int, int], tuple[int, int]] | None = None
    platform: str = "cuda"

    @property
    def quantized(self) -> bool:
        """Whether numbers are stored narrower than the 16 or 32 bits models compute in."""
        return self.bits is not None and self.bits < 16

    def head_bytes(self, head_size: int, head_size_v: int, *, dtype: str) -> int:
        """Bytes of one head's key and value of one token. Raises UnknownNameError on an unknown model dtype."""
        own = dtype_bits(dtype)
        key = self._vector_bytes(head_size, own if self.bits is None else self.bits) + self.key_extra_bytes
        value_bits = self.value_bits if self.value_bits is not None else self.bits
        value = self._vector_bytes(head_size_v, own if value_bits is None else value_bits) + self.value_extra_bytes
        return round_up(key + value, self.slot_alignment)

    def latent_bytes(self, elements: int, *, dtype: str) -> int:
        """Bytes of one token of multi-head latent attention. Raises InputError where vLLM has none for this dtype."""
        if not self.latent:
            problem = "has no multi-head latent attention in vLLM"
            raise InputError(name="kv_cache_dtype", value=self.name, problem=problem)
        if self.latent_token_bytes is not None:
            return self.latent_token_bytes
        return self._vector_bytes(elements, dtype_bits(dtype) if self.bits is None else self.bits)

    def _vector_bytes(self, elements: int, bits: int) -> int:
        scales = elements // self.elements_per_scale if self.elements_per_scale else 0
        return ceil_div(elements * bits, 8) + scales
