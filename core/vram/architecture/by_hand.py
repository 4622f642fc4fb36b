"""A model of which only dimensions are known: bytes per parameter for the weights, heads for the KV cache.

Bytes per parameter are those users of sizing tools know: 32-bit 4, 16-bit 2, 8-bit 1, 4-bit
integers with group scales and zeros 0.55 (4.25 bits of weights and scales at group size 128, plus the unquantized
embeddings), 4-bit floats 0.5 plus one scale byte per 16 (NVFP4) or 32 (MXFP4) weights.
"""

from __future__ import annotations

from vram.errors import InputError, UnknownNameError
from vram.models.cache import AttentionCache
from vram.models.checkpoint import ManualModel
from vram.models.parameters import Placed, Tensor, round_up
from vram.models.spec import SHAPELESS, Layer, LayerRun, ModelSpec

_BYTES_PER_PARAMETER = {
    "fp32": 4.0, "float32": 4.0, "fp16": 2.0, "float16": 2.0, "bf16": 2.0, "bfloat16": 2.0, "none": 2.0,
    "fp8": 1.0, "int8": 1.0, "w8a8": 1.0, "experts_int8": 1.0, "mxfp8": 1.0 + 1 / 32,
    "awq": 0.55, "gptq": 0.55, "awq_marlin": 0.55, "gptq_marlin": 0.55, "int4": 0.55, "w4a16": 0.55,
    "bitsandbytes": 0.55, "fp4": 0.5 + 1 / 16, "nvfp4": 0.5 + 1 / 16, "modelopt_fp4": 0.5 + 1 / 16, "mxfp4": 0.5 + 1 / 32,
}  # fmt: skip
_DEFAULT_LENGTH = 8192
_SHARE = 4096  # weights are divided over any usual number of ranks


def spec_by_hand(manual: ManualModel) -> ModelSpec:
    """Weights as one lump per layer, keys and values from layers × kv_heads × head_dim. All of it `assumed`.

    Raises InputError when neither a full set of KV dimensions nor a reason to leave the cache out is given, and
    UnknownNameError for a quantization without a known width.
    """
    missing = [n for n in ("layers", "kv_heads", "head_dim") if getattr(manual, n) is None]
    if missing:
        flags = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise InputError(
            name="dimensions", value=f"{manual.parameters / 1e9:g}B", problem=f"the KV cache also needs {flags}"
        )
    layers, kv_heads, head_dim = manual.layers or 1, manual.kv_heads or 1, manual.head_dim or 1
    bytes_each = bytes_per_parameter(manual.quantization, manual.dtype)
    per_layer = round_up(int(manual.parameters * bytes_each / layers), _SHARE)
    weights = Tensor(name="weights", shape=(per_layer,), dtype="uint8", sharded_units=per_layer)
    cache = AttentionCache(kind="full_attention", num_kv_heads=kv_heads, head_size=head_dim, head_size_v=head_dim)
    layer = Layer(modules=(weights,), caches=(cache,))
    placed: tuple[Placed, ...] = ()
    if manual.vision_bytes:
        tower = Tensor(name="vision", shape=(manual.vision_bytes,), dtype="uint8")
        placed = (Placed(module=tower, stage="every"),)
    length = manual.max_model_len or _DEFAULT_LENGTH
    heads = manual.attention_heads or kv_heads
    return ModelSpec(
        architecture="by hand",
        dtype=manual.dtype or "bfloat16",
        hidden_size=manual.hidden_size or heads * head_dim,
        vocab_size=manual.vocab_size or 0,
        num_attention_heads=heads,
        max_model_len=length,
        derived_max_model_len=2**24 if manual.max_model_len is None else length,
        num_layers=layers,
        runs=(LayerRun(layer=layer, indices=tuple(range(layers))),),
        placed=placed,
        provenance="assumed",
        hints=frozenset({SHAPELESS}),
        parameters=manual.parameters,
        assumptions=(
            f"Dimensions were given by hand: weights are {bytes_each:.4g} bytes per parameter, every layer attends in full. "
            "A sliding window, latent attention or an unusual format would change both.",
        ),
    )


def bytes_per_parameter(quantization: str | None, dtype: str | None) -> float:
    """Stored bytes per parameter of a format by name. Raises UnknownNameError."""
    name = (quantization or dtype or "bfloat16").lower().replace("-", "_")
    if name not in _BYTES_PER_PARAMETER:
        raise UnknownNameError(kind="format", name=name, known=tuple(_BYTES_PER_PARAMETER))
    return _BYTES_PER_PARAMETER[name]
