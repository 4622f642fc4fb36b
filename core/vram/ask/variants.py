"""Lighter ways to store a model: an fp8 KV cache, a published quantized checkpoint, quantization while loading.

Which checkpoints exist is asked of the bundled catalog. A published one is recognised by its name: the model's own,
followed by nothing but words for a format ("Qwen3-8B-AWQ", "Llama-3.3-70B-Instruct-FP8-dynamic").
"""

from __future__ import annotations

import re

from vram.models.checkpoint import Checkpoint
from vram.models.published import Published
from vram.models.record import frozen
from vram.vllm.versions import Version

#: words quantizers append to a model's name: methods, widths, and how they were reached
_FORMAT_WORDS = re.compile(
    r"(?:[-._](?:awq|gptq|fp8|nvfp4|mxfp4|fp4|int4|int8|w\d{1,2}a\d{1,2}|[48]bit|bnb|dynamic|block|quantized|autoround|"
    r"marlin|compressed|g\d{2,3}|sym|asym))+"
)
#: organisations that publish a model under a longer or shorter name of its family
_PREFIXES = ("meta-",)
#: what vLLM reaches while loading, on every GPU its kernels run on; plain fp8 is for stored weights alone since then
_ONLINE_BEFORE, _ONLINE = "fp8", "fp8_per_tensor"
_RENAMED: Version = (0, 31, 0)  # quantization/fp8.py:Fp8Config


@frozen(kw_only=True, eq=False)
class Variant:
    """One way to store the weights: a checkpoint and `--quantization`, which is None where the checkpoint says it.

    `published` is the checkpoint's id where it is not the model that was asked for; `own` marks the model as asked.
    """

    checkpoint: Checkpoint
    quantization: str | None
    own: bool
    published: Published | None = None


def own_variant(checkpoint: Checkpoint, quantization: str | None) -> Variant:
    """The model as asked for."""
    return Variant(checkpoint=checkpoint, quantization=quantization, own=True)


def published_variants(model: str) -> tuple[Variant, ...]:
    """Quantized checkpoints of that very model which the catalog knows."""
    from vram.checkpoint.catalog import checkpoint_of, find_like

    wanted = _bare(model)
    found = []
    for entry in find_like(wanted):
        name = _bare(entry.id)
        if entry.quantization and name.startswith(wanted) and _FORMAT_WORDS.fullmatch(name[len(wanted) :]):
            published = Published(id=entry.id, quantization=entry.quantization)
            found.append(Variant(checkpoint=checkpoint_of(entry), quantization=None, own=False, published=published))
    return tuple(found)


def online_variants(checkpoint: Checkpoint, version: Version) -> tuple[Variant, ...]:
    """What vLLM can make of an unquantized checkpoint while it loads it."""
    if checkpoint.quantization or checkpoint.manual is not None:
        return ()
    name = _ONLINE if version >= _RENAMED else _ONLINE_BEFORE
    return (Variant(checkpoint=checkpoint, quantization=name, own=False),)


def _bare(model: str) -> str:
    """A model's name without its organisation, in small letters."""
    name = model.rstrip("/").rpartition("/")[2].casefold()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
